//! The fields of a resource, and what each of them is in every layer.

use anyhow::{Context, Result, ensure};

use super::{check_name, is_name, pascal};

/// A field.
pub(super) struct Field {
    pub(super) name: String,
    kind: Kind,
}

/// What a field holds.
enum Kind {
    /// One line of up to 255 characters, which must be given.
    Line,
    /// Any number of lines, none if not given.
    Text,
    /// A whole number, zero if not given.
    Integer,
    /// Yes or no, no if not given.
    Boolean,
    /// A day, or none.
    Date,
    /// A word of a closed set, the first if not given.
    Words(Vec<String>),
}

impl Field {
    pub(super) fn parse(raw: &str) -> Result<Self> {
        let (name, kind) = raw.split_once(':').with_context(|| format!("{raw}: write name:type"))?;
        check_name(name)?;
        const TAKEN: [&str; 10] = [
            "id",
            "tenant_id",
            "version",
            "created_at",
            "updated_at",
            "updated_since",
            "q",
            "sort",
            "cursor",
            "search",
        ];
        ensure!(!TAKEN.contains(&name), "{name} is taken");
        let kind = match kind {
            "line" => Kind::Line,
            "text" => Kind::Text,
            "integer" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            words if words.contains('|') => {
                let words: Vec<String> = words.split('|').map(str::to_owned).collect();
                ensure!(
                    words.iter().all(|word| is_name(word)),
                    "{raw}: a word is lower-case letters, digits and underscores"
                );
                Kind::Words(words)
            }
            _ => anyhow::bail!("{raw}: the types are line, text, integer, boolean, date and one|two|three"),
        };
        Ok(Self { name: name.to_owned(), kind })
    }

    pub(super) fn is_line(&self) -> bool {
        matches!(self.kind, Kind::Line)
    }

    /// Its type in the domain.
    fn of(&self, thing: &str) -> String {
        match &self.kind {
            Kind::Line | Kind::Text | Kind::Words(_) => format!("{thing}{}", pascal(&self.name)),
            Kind::Integer => "i64".to_owned(),
            Kind::Boolean => "bool".to_owned(),
            Kind::Date => "Option<Day>".to_owned(),
        }
    }

    fn says(&self) -> String {
        self.name.replace('_', " ")
    }

    /// The definition of its type, if it has one of its own.
    fn definition(&self, thing: &str) -> String {
        let (of, says) = (self.of(thing), self.says());
        match &self.kind {
            Kind::Line => format!("text!(\n    /// Its {says}.\n    {of},\n    Line,\n    255\n);\n"),
            Kind::Text => format!("text!(\n    /// Its {says}.\n    {of},\n    Paragraphs,\n    10_000\n);\n"),
            Kind::Words(words) => {
                let words: String = words
                    .iter()
                    .map(|word| {
                        format!("        /// {}.\n        {} = \"{word}\",\n", word.replace('_', " "), pascal(word))
                    })
                    .collect();
                format!("words!(\n    /// Its {says}.\n    {of} {{\n{words}    }}\n);\n")
            }
            Kind::Integer | Kind::Boolean | Kind::Date => String::new(),
        }
    }

    fn column(&self) -> String {
        let name = &self.name;
        match &self.kind {
            Kind::Line => format!("  {name} text not null check (length({name}) between 1 and 255),"),
            Kind::Text => format!("  {name} text not null check (length({name}) <= 10000),"),
            Kind::Integer => format!("  {name} bigint not null,"),
            Kind::Boolean => format!("  {name} boolean not null,"),
            Kind::Date => format!("  {name} date check ({name} between '0001-01-01' and '9999-12-31'),"),
            Kind::Words(words) => format!(
                "  {name} text not null check ({name} in ({})),",
                words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// The value of one that was not given.
    fn default(&self, thing: &str) -> Option<String> {
        match &self.kind {
            Kind::Line => None,
            Kind::Text | Kind::Integer | Kind::Boolean => Some(".unwrap_or_default()".to_owned()),
            Kind::Date => Some(String::new()),
            Kind::Words(words) => Some(format!(
                ".unwrap_or({}::{})",
                self.of(thing),
                words.first().map(|word| pascal(word)).unwrap_or_default()
            )),
        }
    }

    /// From the domain to a column; `it` is the value.
    fn column_of(&self, it: &str) -> String {
        match self.kind {
            Kind::Line | Kind::Text | Kind::Words(_) => format!("{it}.as_str()"),
            Kind::Integer | Kind::Boolean => it.to_owned(),
            Kind::Date => format!("{it}.map(Day::day)"),
        }
    }

    fn row_type(&self) -> (&'static str, &'static str, &'static str) {
        match self.kind {
            Kind::Line | Kind::Text | Kind::Words(_) => ("String", "&'a str", "Text"),
            Kind::Integer => ("i64", "i64", "Int8"),
            Kind::Boolean => ("bool", "bool", "Bool"),
            Kind::Date => ("Option<NaiveDate>", "Option<NaiveDate>", "Nullable<Date>"),
        }
    }

    fn row_field(&self, thing: &str) -> String {
        let (name, of) = (&self.name, self.of(thing));
        match self.kind {
            Kind::Line | Kind::Text => format!("            {name}: trusted({of}::parse(row.{name}))?,"),
            Kind::Words(_) => format!("            {name}: parsed(&row.{name})?,"),
            Kind::Integer | Kind::Boolean => format!("            {name}: row.{name},"),
            Kind::Date => format!("            {name}: trusted(row.{name}.map(Day::new).transpose())?,"),
        }
    }
}

/// What stands for `%%name%%` in the templates.
pub(super) fn blocks(fields: &[Field], title: &str, thing: &str, things: &str) -> Vec<(&'static str, String)> {
    let each = |line: &dyn Fn(&Field) -> String| -> String {
        fields.iter().map(line).filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
    };
    let words = |line: &dyn Fn(&Field) -> String| -> String {
        fields.iter().filter(|field| matches!(field.kind, Kind::Words(_))).map(line).map(|line| line + "\n").collect()
    };
    let optional = |field: &Field| match field.kind {
        // In a change the outer option says whether, the inner one what.
        Kind::Date => "Option<Option<Day>>".to_owned(),
        _ => format!("Option<{}>", field.of(thing)),
    };
    let for_tests = each(&|field| {
        let (name, of) = (&field.name, field.of(thing));
        match &field.kind {
            Kind::Line if name == title => format!("{name}: {of}::parse({name}).expect(\"a clean line\"),"),
            Kind::Line => format!("{name}: {of}::parse(\"x\").expect(\"a clean line\"),"),
            Kind::Text => format!("{name}: {of}::default(),"),
            Kind::Words(words) => {
                format!("{name}: {of}::{},", words.first().map(|word| pascal(word)).unwrap_or_default())
            }
            Kind::Integer => format!("{name}: 7,"),
            Kind::Boolean => format!("{name}: true,"),
            Kind::Date => format!("{name}: None,"),
        }
    });
    vec![
        ("types", each(&|field| field.definition(thing))),
        (
            "entity_fields",
            each(&|field| format!("    /// Its {}.\n    pub {}: {},", field.says(), field.name, field.of(thing))),
        ),
        (
            "change_fields",
            each(&|field| format!("    /// Its {}.\n    pub {}: {},", field.says(), field.name, optional(field))),
        ),
        (
            "query_fields",
            words(&|field| {
                format!(
                    "    /// Only those with this {}.\n    pub {}: Option<{}>,",
                    field.says(),
                    field.name,
                    field.of(thing)
                )
            }),
        ),
        ("memory_filters", words(&|field| format!("                && admits(query.{0}, %thing%.{0})", field.name))),
        (
            "memory_update",
            each(&|field| {
                let name = &field.name;
                match field.kind {
                    Kind::Line | Kind::Text => {
                        format!("            {name}: {name}.unwrap_or_else(|| stored.{name}.clone()),")
                    }
                    _ => format!("            {name}: {name}.unwrap_or(stored.{name}),"),
                }
            }),
        ),
        ("row_fields", each(&|field| format!("    {}: {},", field.name, field.row_type().0))),
        ("from_row", each(&|field| field.row_field(thing))),
        ("new_row_fields", each(&|field| format!("    {}: {},", field.name, field.row_type().1))),
        ("change_row_fields", each(&|field| format!("    {}: Option<{}>,", field.name, field.row_type().1))),
        (
            "new_row_values",
            each(&|field| format!("            {}: {},", field.name, field.column_of(&format!("new.{}", field.name)))),
        ),
        (
            "change_row_values",
            each(&|field| {
                let name = &field.name;
                match field.kind {
                    Kind::Line | Kind::Text => {
                        format!("            {name}: change.{name}.as_ref().map({}::as_str),", field.of(thing))
                    }
                    Kind::Words(_) => format!("            {name}: change.{name}.map(|word| word.as_str()),"),
                    Kind::Integer | Kind::Boolean => format!("            {name}: change.{name},"),
                    Kind::Date => format!("            {name}: change.{name}.map(|day| day.map(Day::day)),"),
                }
            }),
        ),
        (
            "infra_filters",
            words(&|field| {
                format!(
                    "        if let Some({0}) = {0} {{\n            rows = rows.filter({things}::{0}.eq({0}.as_str()));\n        }}",
                    field.name
                )
            }),
        ),
        ("view_fields", each(&|field| format!("    {}: {},", field.name, field.of(thing)))),
        (
            "body_fields",
            each(&|field| match field.default(thing) {
                None => format!("    {}: {},", field.name, field.of(thing)),
                Some(_) => {
                    let of = field.of(thing);
                    let of = of.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&of);
                    format!("    #[serde(default)]\n    {}: Option<{of}>,", field.name)
                }
            }),
        ),
        (
            "into_new",
            each(&|field| {
                format!("            {0}: self.{0}{1},", field.name, field.default(thing).unwrap_or_default())
            }),
        ),
        (
            "patch_fields",
            each(&|field| {
                let name = &field.name;
                match field.kind {
                    Kind::Date => format!(
                        "    #[serde(default, deserialize_with = \"present\")]\n    #[schema(value_type = Option<Day>)]\n    {name}: Option<Option<Day>>,"
                    ),
                    _ => format!(
                        "    #[serde(default, deserialize_with = \"present\")]\n    #[schema(nullable = false)]\n    {name}: Option<{}>,",
                        field.of(thing)
                    ),
                }
            }),
        ),
        (
            "filter_fields",
            words(&|field| {
                format!(
                    "    /// Only those with this {}.\n    #[param(inline)]\n    {}: Option<{}>,",
                    field.says(),
                    field.name,
                    field.of(thing)
                )
            }),
        ),
        (
            "examples",
            each(&|field| match field.kind {
                Kind::Line | Kind::Text => format!("(\"{}\", \"The {} of one\"),", field.of(thing), field.says()),
                _ => String::new(),
            }),
        ),
        ("columns", each(&Field::column)),
        ("table_columns", each(&|field| format!("        {} -> {},", field.name, field.row_type().2))),
        (
            "indexes",
            words(&|field| format!("create index {things}_of_{0} on {things} (tenant_id, {0}, id);", field.name)),
        ),
        (
            "new_for_tests",
            format!(
                "/// One to be made, for tests that do not care which.\npub fn new_%thing%({title}: &str) -> New%Thing% {{\nNew%Thing% {{\nid: %Thing%Id::generate(),\n{for_tests}}}\n}}\n"
            ),
        ),
    ]
}

/// What stands for `%name%` in the templates.
pub(super) fn inline(fields: &[Field], thing: &str) -> Vec<(&'static str, String)> {
    let names = |of: &dyn Fn(&Field) -> bool| -> Vec<&str> {
        fields.iter().filter(|field| of(field)).map(|field| field.name.as_str()).collect()
    };
    let words = names(&|field| matches!(field.kind, Kind::Words(_)));
    let texts = names(&|field| matches!(field.kind, Kind::Line | Kind::Text));
    let has =
        |of: &dyn Fn(&Field) -> bool, text: &str| if fields.iter().any(of) { text.to_owned() } else { String::new() };
    let is_date = |field: &Field| matches!(field.kind, Kind::Date);
    vec![
        ("names", names(&|_| true).join(", ")),
        ("somes", names(&|_| true).iter().map(|name| format!("{name}: Some({name})")).collect::<Vec<_>>().join(", ")),
        ("filter_names", words.iter().map(|name| format!("{name}, ")).collect()),
        ("spelled_filters", words.iter().map(|name| format!("spelled({name}), ")).collect()),
        ("searched", texts.iter().map(|name| format!("{thing}.{name}.as_str()")).collect::<Vec<_>>().join(", ")),
        ("searchable", texts.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")),
        ("admits", if words.is_empty() { String::new() } else { "admits, ".to_owned() }),
        ("day", has(&is_date, "Day, ")),
        ("naive", has(&is_date, "NaiveDate, ")),
        ("parsed", if words.is_empty() { String::new() } else { "parsed, ".to_owned() }),
        (
            "required",
            fields
                .iter()
                .skip(1)
                .filter(|field| field.is_line())
                .map(|field| format!(", \"{}\": \"x\"", field.name))
                .collect(),
        ),
    ]
}

/// The types that the fields have of their own.
pub(super) fn types(fields: &[Field], thing: &str) -> String {
    let own = fields.iter().filter(|field| matches!(field.kind, Kind::Line | Kind::Text | Kind::Words(_)));
    own.map(|field| field.of(thing)).collect::<Vec<_>>().join(", ")
}

/// Those that rows name.
pub(super) fn types_of_rows(fields: &[Field], thing: &str) -> String {
    let own = fields.iter().filter(|field| matches!(field.kind, Kind::Line | Kind::Text));
    own.map(|field| field.of(thing)).collect::<Vec<_>>().join(", ")
}
