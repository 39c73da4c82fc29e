//! Invoices over HTTP and in the database. Isolation, bodies, permissions and the document are tested for every route alike.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api_keys::Made;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, Tenant, suite};

const PATH: &str = "/api/v1/billing/invoices";
const CUSTOMERS: &str = "/api/v1/crm/customers";

/// All that must be given.
fn body(bill_to: &str) -> Value {
    let line = json!({ "description": "Work", "quantity": "2.5", "unit_price": 333, "tax_basis_points": 1900 });
    json!({ "bill_to": bill_to, "currency": "EUR", "lines": [line] })
}

/// Drafts an invoice and tells its path.
async fn draft(caller: &Caller, body: Value) -> String {
    caller.post(PATH, body).await.expect(201).header("location").to_owned()
}

/// The service's own role, in a transaction of the tenant.
async fn service_in(suite: &Suite, tenant: &Tenant) -> tokio_postgres::Client {
    let service = crate::harness::connect(&suite.urls.api).await;
    let opening = tenantry_infra::statements::opening(&tenant.scope(), tenantry_app::Access::Write);
    service.batch_execute(&opening).await.unwrap();
    service
}

async fn step(caller: &Caller, path: &str, step: &str) -> Response {
    caller.post(&format!("{path}/{step}"), json!({})).await
}

#[tokio::test]
async fn an_invoice_is_drafted_changed_issued_and_paid() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (owner, stranger) = (suite.tenant(placement).await.owner(), suite.tenant(placement).await.owner());

        let created = owner.post(PATH, body("Ada")).await.expect(201);
        let path = created.header("location").to_owned();
        assert_eq!(owner.get(&path).await.expect(200).json, created.json);
        let amounts = |it: &Value| (it["net"].clone(), it["tax"].clone());
        assert_eq!((amounts(&created.json), &created.json["total"]), ((json!(833), json!(158)), &json!(991)));
        assert_eq!(amounts(&created.json["lines"][0]), (json!(833), json!(158)));
        let changed = owner.patch(&path, json!({ "bill_to": "Bob" })).await.expect(200);
        assert_eq!((&changed.json["bill_to"], changed.header("etag")), (&json!("Bob"), "\"2\""));
        let replaced = owner.put(&path, body("Eve")).await.expect(200);
        assert_eq!((&replaced.json["bill_to"], &replaced.json["version"]), (&json!("Eve"), &json!(3)));
        for refused in [stranger.get(&path).await, stranger.delete(&path).await, step(&stranger, &path, "issue").await]
        {
            refused.expect(404);
        }

        let issued = step(&owner, &path, "issue").await.expect(200).json;
        assert_eq!(
            (&issued["status"], &issued["number"], &issued["reference"]),
            (&json!("issued"), &json!(1), &json!("INV-000001"))
        );
        let paid = step(&owner, &path, "pay").await.expect(200).json;
        assert_eq!((&paid["status"], &paid["version"]), (&json!("paid"), &json!(5)));
        for refused in [
            owner.patch(&path, json!({ "bill_to": "Eve" })).await,
            owner.put(&path, body("Eve")).await,
            owner.delete(&path).await,
            step(&owner, &path, "issue").await,
            step(&owner, &path, "pay").await,
            step(&owner, &path, "void").await,
        ] {
            refused.expect_field(409, "status");
        }
        let gone = draft(&owner, body("x")).await;
        owner.delete(&gone).await.expect(204);
        owner.get(&gone).await.expect(404);
    }
}

#[tokio::test]
async fn numbers_have_no_gap_however_many_are_issued_and_undone_at_once() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let (owner, other) = (tenant.owner(), suite.tenant(placement).await.owner());
        let mut tasks = JoinSet::new();
        for number in 0..24 {
            let owner = owner.clone();
            tasks.spawn(async move {
                let series = if number % 2 == 0 { "A" } else { "B" };
                let mut body = body("Ada");
                body["series"] = json!(series);
                // Every third is issued on the version before, and loses.
                let path = draft(&owner, body).await;
                let tag = if number % 3 == 0 { "\"9\"" } else { "*" };
                let issue = owner.request(Method::POST, &format!("{path}/issue")).header("if-match", tag);
                let answer = issue.json(&json!({})).send().await;
                (series, answer.status, answer.json["number"].as_i64())
            });
        }
        let mut numbers = [("A", BTreeSet::new()), ("B", BTreeSet::new())];
        while let Some(done) = tasks.join_next().await {
            let (series, status, number) = done.unwrap();
            match status {
                200 => {
                    let of = numbers.iter_mut().find(|(name, _)| *name == series).unwrap();
                    assert!(of.1.insert(number.unwrap()), "{series} {number:?} twice");
                }
                412 => {}
                other => panic!("{other}"),
            }
        }
        for (series, numbers) in numbers {
            assert_eq!(numbers, (1..=8).collect(), "{series}");
        }
        // Another tenant begins at the beginning.
        let path = draft(&other, body("Ada")).await;
        assert_eq!(step(&other, &path, "issue").await.expect(200).json["number"], 1);
    }
}

#[tokio::test]
async fn a_number_whose_transaction_is_undone_is_the_next_ones() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let (first, second) = (draft(&owner, body("Ada")).await, draft(&owner, body("Bob")).await);
        let id = first.rsplit('/').next().unwrap();
        let service = service_in(&suite, &tenant).await;
        let issue = format!(
            "update invoices set status = 'issued', issued_on = '2028-01-01', due = '2028-01-01' where id = '{id}' and tenant_id = sec.tenant() returning number"
        );
        assert_eq!(service.query_one(&issue, &[]).await.unwrap().get::<_, i64>(0), 1);
        service.batch_execute("rollback").await.unwrap();

        assert_eq!(step(&owner, &second, "issue").await.expect(200).json["number"], 1);
    }
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_what_is_issued() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let path = draft(&owner, body("Ada")).await;
        step(&owner, &path, "issue").await.expect(200);
        let id = path.rsplit('/').next().unwrap().to_owned();
        let one = format!("where id = '{id}' and tenant_id = sec.tenant()");
        for (statement, refusal) in [
            (format!("update invoices set bill_to = 'Eve' {one}"), "invoices_fixed"),
            (format!("update invoices set lines = '[{{}}]' {one}"), "invoices_fixed"),
            (format!("update invoices set status = 'draft' {one}"), "invoices_fixed"),
            (
                format!("update invoices set status = 'paid', settled_on = '2028-01-01', net = 1 {one}"),
                "invoices_fixed",
            ),
            (format!("delete from invoices {one}"), "invoices_fixed"),
            (format!("update invoices set number = 9 {one}"), "permission denied"),
            (format!("update invoices set reference = 'X' {one}"), "permission denied"),
            ("update invoice_series set last = 9 where tenant_id = sec.tenant()".to_owned(), "permission denied"),
            ("delete from invoice_series where tenant_id = sec.tenant()".to_owned(), "permission denied"),
        ] {
            let service = service_in(&suite, &tenant).await;
            let refused = service.batch_execute(&statement).await.unwrap_err();
            let refused = refused.as_db_error().unwrap();
            let words = format!("{} {}", refused.constraint().unwrap_or_default(), refused.message());
            assert!(words.contains(refusal), "{statement}: {words}");
        }
        // What the service may do, the same way.
        let service = service_in(&suite, &tenant).await;
        let void = format!("update invoices set status = 'void', settled_on = '2028-01-01' {one}");
        assert_eq!(service.execute(&void, &[]).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn an_invoice_is_for_a_customer_of_the_same_tenant() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (owner, other) = (suite.tenant(placement).await.owner(), suite.tenant(placement).await.owner());
        let customer = json!({ "name": "Ada Ltd", "address": "1 Main Street" });
        let made = |caller: Caller| {
            let customer = customer.clone();
            async move { caller.post(CUSTOMERS, customer).await.expect(201).json["id"].clone() }
        };
        let (own, alien) = (made(owner.clone()).await, made(other.clone()).await);
        let of = |customer: &Value, bill_to: &str| {
            let mut body = body(bill_to);
            body["customer"] = customer.clone();
            body
        };

        let made = owner.post(PATH, of(&own, "")).await.expect(201);
        assert_eq!(made.json["bill_to"], "Ada Ltd\n1 Main Street");
        let path = made.header("location").to_owned();
        for bill_to in ["", "Eve"] {
            let unknown = owner.post(PATH, of(&alien, bill_to)).await.expect_field(400, "customer");
            let nobody =
                owner.post(PATH, of(&json!(uuid::Uuid::now_v7()), bill_to)).await.expect_field(400, "customer");
            assert_eq!(unknown.json["errors"], nobody.json["errors"]);
        }
        owner.patch(&path, json!({ "customer": alien })).await.expect_field(400, "customer");
        let listed = owner.get(&format!("{PATH}?customer={}", own.as_str().unwrap())).await.expect(200).json;
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        let one = format!("{CUSTOMERS}/{}", own.as_str().unwrap());
        owner.delete(&one).await.expect(409);
        owner.patch(&path, json!({ "customer": null })).await.expect(200);
        owner.delete(&one).await.expect(204);
    }
}

#[tokio::test]
async fn who_may_not_read_customers_is_told_nothing_of_them() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let customer = json!({ "name": "Ada Ltd", "address": "1 Main Street" });
        let customer = owner.post(CUSTOMERS, customer).await.expect(201).json["id"].clone();
        let scopes = ["invoices:read", "invoices:write"];
        let clerk = Made::by(&owner, &scopes).await.key;
        let mut unaddressed = body("");
        unaddressed["customer"] = customer.clone();
        let mut addressed = body("Ada");
        addressed["customer"] = customer.clone();

        let refused = clerk.post(PATH, unaddressed.clone()).await.expect_field(400, "bill_to");
        assert!(!refused.text.contains("Ada Ltd"), "{}", refused.text);
        let path = draft(&clerk, addressed.clone()).await;
        clerk.put(&path, unaddressed.clone()).await.expect_field(400, "bill_to");
        let items = json!({ "items": [addressed, unaddressed] });
        let refused = clerk.post(&format!("{PATH}/bulk"), items).await.expect(400).json;
        assert_eq!(
            (&refused["errors"][0]["field"], refused["errors"].as_array().unwrap().len()),
            (&json!("items[1].bill_to"), 1)
        );
        assert_eq!(clerk.get(PATH).await.expect(200).json["data"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn drafts_are_addressed_to_their_customers_or_told_why_not() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let mut customers = Vec::new();
        for address in ["1 Main Street".to_owned(), "x".repeat(2000)] {
            let customer = json!({ "name": "Ada Ltd", "address": address });
            customers.push(owner.post(CUSTOMERS, customer).await.expect(201).json["id"].clone());
        }
        let of = |customer: &Value| {
            let mut body = body("");
            body["customer"] = customer.clone();
            body
        };
        let (short, long, none) = (of(&customers[0]), of(&customers[1]), of(&json!(uuid::Uuid::now_v7())));

        owner.post(PATH, long.clone()).await.expect_field(400, "bill_to");
        let path = draft(&owner, short.clone()).await;
        owner.put(&path, long.clone()).await.expect_field(400, "bill_to");
        let items = json!({ "items": [short, long, none] });
        let refused = owner.post(&format!("{PATH}/bulk"), items).await.expect(400).json;
        let fields: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|it| &it["field"]).collect();
        assert_eq!(fields, ["items[1].bill_to", "items[2].customer"]);
        let items = json!({ "items": [short, body("Bob"), short] });
        let made = owner.post(&format!("{PATH}/bulk"), items).await.expect(201).json;
        let printed: Vec<_> = made["data"].as_array().unwrap().iter().map(|it| &it["bill_to"]).collect();
        assert_eq!(printed, ["Ada Ltd\n1 Main Street", "Bob", "Ada Ltd\n1 Main Street"]);
    }
}

#[tokio::test]
async fn what_adds_up_is_accepted_in_any_order() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let line =
        |price: i64| json!({ "description": "x", "quantity": "1000000", "unit_price": price, "tax_basis_points": 0 });
    let mut body = body("Ada");
    body["lines"] =
        (0..20).map(|number| line(if number < 10 { 1_000_000_000_000 } else { -1_000_000_000_000 })).collect();

    let made = owner.post(PATH, body).await.expect(201).json;

    assert_eq!((&made["net"], &made["total"]), (&json!(0), &json!(0)));
    assert_eq!(owner.get(PATH).await.expect(200).json["data"][0], made);
}

#[tokio::test]
async fn texts_that_were_stored_within_other_bounds_are_still_shown() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let owner = tenant.owner();
        let path = draft(&owner, body("Ada")).await;
        let customer = owner.post(CUSTOMERS, json!({ "name": "Ada" })).await.expect(201);
        let supplier = owner.post("/api/v1/inventory/suppliers", json!({ "name": "Ada" })).await.expect(201);
        let service = service_in(&suite, &tenant).await;
        for statement in [
            "update invoices set bill_to = repeat('x', 10000), notes = repeat('x', 10000) where tenant_id = sec.tenant()",
            "update customers set email = 'call Bob', phone = repeat('1', 60) || E'\\n2' where tenant_id = sec.tenant()",
            "update suppliers set email = 'call Bob', phone = repeat('1', 60) || E'\\n2' where tenant_id = sec.tenant()",
        ] {
            assert_eq!(service.execute(statement, &[]).await.unwrap(), 1);
        }
        service.batch_execute("commit").await.unwrap();

        assert_eq!(owner.get(&path).await.expect(200).json["notes"].as_str().unwrap().len(), 10_000);
        for path in [customer.header("location"), supplier.header("location")] {
            let shown = owner.get(path).await.expect(200).json;
            assert_eq!((&shown["email"], shown["phone"].as_str().unwrap().len()), (&json!("call Bob"), 62));
            let renamed = owner.patch(path, json!({ "name": "Bob" })).await.expect(200).json;
            assert_eq!(renamed["email"], "call Bob");
        }
    }
}

#[tokio::test]
async fn an_invoice_is_printed_as_html_in_which_no_text_is_markup() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let path = draft(&owner, body("<script>alert('x')</script>\nMain & Co")).await;
    step(&owner, &path, "issue").await.expect(200);

    let page = owner.request(Method::GET, &path).header("accept", "text/html,application/json;q=0.9").send().await;

    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    for part in
        ["Invoice INV-000001", "2.5", "3.33 EUR", "19.00 %", "8.33 EUR", "1.58 EUR", "9.91 EUR", "Main &amp; Co"]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("<script"));
    let again =
        owner.request(Method::GET, &path).header("accept", "text/html").header("if-none-match", page.header("etag"));
    assert_eq!(again.send().await.status, 304);
    assert_eq!(owner.get(&path).await.expect(200).header("content-type"), "application/json");
}

#[tokio::test]
async fn what_cannot_be_invoiced_is_named() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[1]).await.owner();
    let with = |field: &str, value: Value| {
        let mut body = body("Ada");
        body[field] = value;
        body
    };
    let line = |field: &str, value: Value| {
        let mut line = body("Ada")["lines"][0].clone();
        line[field] = value;
        with("lines", json!([line]))
    };
    for (body, field) in [
        (with("currency", json!("eur")), "currency"),
        (with("currency", json!("XXX")), "currency"),
        (with("series", json!("a b")), "series"),
        (with("due", json!("2028-02-30")), "due"),
        (with("lines", json!([])), "lines"),
        (with("number", json!(7)), "number"),
        (with("status", json!("paid")), "status"),
        (line("quantity", json!("0")), "lines[0].quantity"),
        (line("quantity", json!(1)), "lines[0].quantity"),
        (line("unit_price", json!(1.5)), "lines[0].unit_price"),
        (line("unit_price", json!(-1)), "lines"),
        (line("tax_basis_points", json!(10_001)), "lines[0].tax_basis_points"),
        (line("net", json!(1)), "lines[0].net"),
    ] {
        owner.post(PATH, body).await.expect_field(400, field);
    }
    let nobody = draft(&owner, body("")).await;
    step(&owner, &nobody, "issue").await.expect_field(409, "bill_to");
    let late = draft(&owner, with("due", json!("2020-01-01"))).await;
    step(&owner, &late, "issue").await.expect_field(409, "due");
}

#[tokio::test]
async fn invoices_are_found_sorted_exported_and_made_at_once() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let items = json!({ "items": [body("Gamma ray"), body("Alpha ray"), body("Beta")] });
        let made = owner.post(&format!("{PATH}/bulk"), items).await.expect(201).json;
        for place in [2, 1, 0] {
            let path = format!("{PATH}/{}", made["data"][place]["id"].as_str().unwrap());
            step(&owner, &path, "issue").await.expect(200);
        }

        let page = owner.get(&format!("{PATH}?q=RAY&sort=reference")).await.expect(200).json;
        let found: Vec<_> = page["data"].as_array().unwrap().iter().map(|it| it["bill_to"].as_str().unwrap()).collect();
        assert_eq!(found, ["Alpha ray", "Gamma ray"]);
        let page = owner.get(&format!("{PATH}?q=inv-000001&status=issued")).await.expect(200).json;
        assert_eq!((&page["data"][0]["bill_to"], page["data"].as_array().unwrap().len()), (&json!("Beta"), 1));
        let csv = owner.request(Method::GET, PATH).header("accept", "text/csv").send().await;
        assert_eq!((csv.status, csv.text.lines().count()), (200, 4));
    }
}
