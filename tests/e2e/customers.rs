//! Customers over HTTP. Isolation, bodies, permissions and the document are tested for every route alike.

use serde_json::json;

use crate::harness::{PLACEMENTS, suite};

const PATH: &str = "/api/v1/crm/customers";

#[tokio::test]
async fn a_customer_is_created_shown_changed_replaced_and_deleted() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (owner, stranger) = (suite.tenant(placement).await.owner(), suite.tenant(placement).await.owner());

        let created = owner.post(PATH, json!({ "name": "Ada" })).await.expect(201);
        let path = created.header("location").to_owned();
        assert_eq!(owner.get(&path).await.expect(200).json, created.json);
        let changed = owner.patch(&path, json!({ "name": "Bob" })).await.expect(200);
        assert_eq!((&changed.json["name"], changed.header("etag")), (&json!("Bob"), "\"2\""));
        let replaced = owner.put(&path, json!({ "name": "Eve" })).await.expect(200);
        assert_eq!((&replaced.json["name"], &replaced.json["version"]), (&json!("Eve"), &json!(3)));
        stranger.get(&path).await.expect(404);
        stranger.delete(&path).await.expect(404);
        owner.delete(&path).await.expect(204);
        owner.get(&path).await.expect(404);
    }
}

#[tokio::test]
async fn customers_are_found_sorted_and_made_at_once() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let items = json!({ "items": [{ "name": "Gamma ray" }, { "name": "Alpha ray" }, { "name": "Beta" }] });
        owner.post(&format!("{PATH}/bulk"), items).await.expect(201);

        let page = owner.get(&format!("{PATH}?q=RAY&sort=name")).await.expect(200).json;

        let found: Vec<_> = page["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(found, ["Alpha ray", "Gamma ray"]);
    }
}

#[tokio::test]
async fn a_customer_has_an_address_that_mail_can_be_sent_to_and_a_number_of_one_line() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let reached = json!({ "name": "Ada", "email": "Ada@Example.com", "phone": "+44 20 7946 0018" });

        let made = owner.post(PATH, reached).await.expect(201);
        let path = made.header("location").to_owned();
        assert_eq!((&made.json["email"], &made.json["phone"]), (&json!("ada@example.com"), &json!("+44 20 7946 0018")));
        for (field, bad) in [
            ("email", "call Bob"),
            ("email", ""),
            ("email", "ada@example.com\n"),
            ("phone", ""),
            ("phone", "1\n2"),
            ("phone", &"1".repeat(51)),
        ] {
            owner.patch(&path, json!({ field: bad })).await.expect_field(400, field);
            owner.post(PATH, json!({ "name": "Ada", field: bad })).await.expect_field(400, field);
        }
        let changed = owner.patch(&path, json!({ "email": null })).await.expect(200).json;
        assert_eq!((&changed["email"], &changed["phone"]), (&json!(null), &json!("+44 20 7946 0018")));
        let replaced = owner.put(&path, json!({ "name": "Ada" })).await.expect(200).json;
        assert_eq!((&replaced["email"], &replaced["phone"]), (&json!(null), &json!(null)));
    }
}
