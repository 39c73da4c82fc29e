//! The lines of an invoice, and what they add up to.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenantry_tenancy::{json_schema, text};

use crate::money::{GREATEST, LineQuantity, Price, TaxRate, rounded};

text!(
    /// What is sold.
    LineDescription,
    Line,
    500
);

/// Something that is sold. Its amounts follow from it: `quantity × unit_price` is rounded to the minor unit, the tax on that
/// once more, line by line, half away from zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Line {
    /// What.
    pub description: LineDescription,
    /// How much of it.
    pub quantity: LineQuantity,
    /// What one costs, without tax.
    pub unit_price: Price,
    /// Its tax.
    pub tax_basis_points: TaxRate,
}

/// What something costs, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Without tax.
    pub net: i64,
    /// The tax on it.
    pub tax: i64,
}

impl Amounts {
    /// With tax.
    pub const fn total(self) -> i64 {
        self.net + self.tax
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// From an object and nothing else. What is derived also reads an array, as the fields in their order.
impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Line;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Line, A::Error> {
                Line::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Line {
    /// What it costs.
    pub fn amounts(&self) -> Amounts {
        let net = rounded(i128::from(self.quantity.thousandths()) * i128::from(self.unit_price.get()), 1000);
        let tax = rounded(net * i128::from(self.tax_basis_points.get()), 10_000);
        // 10⁶ at 10¹² each are the most there can be.
        let whole = |amount| i64::try_from(amount).expect("a quantity and a price are bounded");
        Amounts { net: whole(net), tax: whole(tax) }
    }
}

/// One to 200 lines that add up to something that can be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lines(Vec<Line>);

/// Why some lines are no [`Lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLines {
    /// None, or too many.
    #[error("must be 1 to {} lines", Lines::MAX)]
    Number,
    /// More than anybody pays, or less than nothing.
    #[error("must add up to no less than 0 and no more than {GREATEST}")]
    Sum,
}

impl Lines {
    /// The greatest number of lines.
    pub const MAX: usize = 200;

    /// Accepts lines whose sums, with tax and without, are from 0 to [`GREATEST`].
    pub fn new(lines: Vec<Line>) -> Result<Self, InvalidLines> {
        if lines.is_empty() || lines.len() > Self::MAX {
            return Err(InvalidLines::Number);
        }
        let (net, tax) = sums(&lines);
        let is_payable = [net, tax, net + tax].iter().all(|sum| (0..=i128::from(GREATEST)).contains(sum));
        if is_payable { Ok(Self(lines)) } else { Err(InvalidLines::Sum) }
    }

    /// The lines.
    pub fn as_slice(&self) -> &[Line] {
        &self.0
    }

    /// What they add up to.
    pub fn sum(&self) -> Amounts {
        let (net, tax) = sums(&self.0);
        let whole = |sum| i64::try_from(sum).expect("lines add up to no more than the greatest amount");
        Amounts { net: whole(net), tax: whole(tax) }
    }
}

/// The sums without tax and of the taxes. Wide enough for any order of the lines: a sum may be greater on its way than it is
/// in the end.
fn sums(lines: &[Line]) -> (i128, i128) {
    let amounts = lines.iter().map(Line::amounts);
    amounts.fold((0, 0), |(net, tax), line| (net + i128::from(line.net), tax + i128::from(line.tax)))
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

json_schema!(Line, {
    use tenantry_tenancy::utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

    let line = ObjectBuilder::new()
        .property("description", LineDescription::schema())
        .property("quantity", LineQuantity::schema())
        .property("unit_price", Price::schema())
        .property("tax_basis_points", TaxRate::schema())
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    ["description", "quantity", "unit_price", "tax_basis_points"].into_iter().fold(line, ObjectBuilder::required)
});
json_schema!(Lines, tenantry_tenancy::schema::list::<Line>(Lines::MAX));

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: &str, price: i64, tax: i64) -> Line {
        Line {
            description: LineDescription::parse("x").unwrap(),
            quantity: quantity.parse().unwrap(),
            unit_price: Price::new(price).unwrap(),
            tax_basis_points: TaxRate::new(tax).unwrap(),
        }
    }

    #[test]
    fn a_line_is_rounded_before_its_tax_and_its_tax_by_itself() {
        for (line, net, tax) in [
            (line("1", 1999, 1900), 1999, 380),
            (line("2.5", 333, 1900), 833, 158),
            (line("0.001", 500, 0), 1, 0),
            (line("0.001", 499, 0), 0, 0),
            (line("3", -100, 700), -300, -21),
            (line("1", -250, 1000), -250, -25),
            (line("1", 5, 1000), 5, 1),
            (line("1000000", 1_000_000_000_000, 10_000), 1_000_000_000_000_000_000, 1_000_000_000_000_000_000),
        ] {
            assert_eq!(line.amounts(), Amounts { net, tax }, "{line:?}");
        }
    }

    #[test]
    fn the_tax_of_many_small_lines_is_the_sum_of_what_each_says() {
        let lines = Lines::new(vec![line("1", 3, 1900); 10]).unwrap();

        assert_eq!(lines.sum(), Amounts { net: 30, tax: 10 }, "a line's 0.57 is 1, and not 5.7 for all of them");
        assert_eq!(lines.sum().total(), 40);
    }

    #[test]
    fn a_sum_may_be_greater_on_its_way_than_in_the_end() {
        // A fixed walk through prices and rates; what is sold for most and taken back leaves the one other line.
        let mut dice = 7_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((dice >> 33) % sides).unwrap()
        };
        for pairs in 1..=99 {
            let rest = line("1", roll(1_000_000), roll(10_001));
            let mut lines = vec![rest.clone()];
            for _ in 0..pairs {
                let (price, tax) = (1_000_000_000_000 - roll(1000), roll(10_001));
                lines.extend([line("1000000", price, tax), line("1000000", -price, tax)]);
            }

            let mixed = Lines::new(lines.clone()).unwrap();
            lines.sort_by_key(|line| line.unit_price.get());
            let rising = Lines::new(lines.clone()).unwrap();
            lines.reverse();
            let falling = Lines::new(lines).unwrap();

            assert_eq!([mixed.sum(), rising.sum(), falling.sum()], [rest.amounts(); 3], "{pairs}");
        }
    }

    #[test]
    fn lines_add_up_to_something_that_can_be_paid() {
        let discounted = [line("1", 100, 0), line("1", -100, 0)];
        assert_eq!(Lines::new(discounted.to_vec()).unwrap().sum(), Amounts::default());
        let too_much = vec![line("1000000", 1_000_000_000_000, 0); 200];
        for (lines, refused) in [
            (vec![], InvalidLines::Number),
            (vec![line("1", 1, 0); 201], InvalidLines::Number),
            (vec![line("1", -1, 0)], InvalidLines::Sum),
            (too_much, InvalidLines::Sum),
            (vec![line("1", 100, 0), line("1", -100, 1900)], InvalidLines::Sum),
        ] {
            assert_eq!(Lines::new(lines), Err(refused));
        }
    }
}
