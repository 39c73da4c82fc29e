//! Stock: the sum of its movements, and never less than nothing, whoever takes from it at the same time.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::{Caller, PLACEMENTS, Response, suite};

const PATH: &str = "/api/v1/inventory/stock-movements";
const PRODUCTS: &str = "/api/v1/inventory/products";

async fn product(caller: &Caller) -> String {
    let sku = Uuid::new_v4().to_string();
    let made = caller.post(PRODUCTS, json!({ "name": "Bolt", "sku": sku })).await.expect(201);
    made.json["id"].as_str().unwrap().to_owned()
}

async fn moved(caller: &Caller, product: &str, quantity: i64) -> Response {
    caller.post(PATH, json!({ "product": product, "quantity": quantity, "reason": "correction" })).await
}

async fn stock(caller: &Caller, product: &str) -> i64 {
    caller.get(&format!("{PRODUCTS}/{product}")).await.expect(200).json["stock"].as_i64().unwrap()
}

#[tokio::test]
async fn of_many_who_take_at_once_those_get_something_for_whom_there_is_some() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        let product = product(&owner).await;
        moved(&owner, &product, 10).await.expect(201);

        let mut takers = JoinSet::new();
        for _ in 0..25 {
            let (owner, product) = (owner.clone(), product.clone());
            takers.spawn(async move { moved(&owner, &product, -1).await });
        }
        let (mut served, mut refused) = (0, 0);
        while let Some(answer) = takers.join_next().await {
            let answer = answer.unwrap();
            match answer.status {
                201 => served += 1,
                409 => refused += 1,
                other => panic!("{other}: {}", answer.text),
            }
        }

        assert_eq!((served, refused, stock(&owner, &product).await), (10, 15, 0));
        let movements = owner.get(&format!("{PATH}?product={product}")).await.expect(200).json;
        let sum: i64 = movements["data"].as_array().unwrap().iter().map(|it| it["quantity"].as_i64().unwrap()).sum();
        assert_eq!((movements["data"].as_array().unwrap().len(), sum), (11, 0));
    }
}

#[tokio::test]
async fn nobody_writes_the_stock_or_rewrites_a_movement() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let owner = tenant.owner();
    let product = product(&owner).await;
    let movement = moved(&owner, &product, 5).await.expect(201);

    owner.patch(&format!("{PRODUCTS}/{product}"), json!({ "stock": 7 })).await.expect_field(400, "stock");
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        owner.request(method, movement.header("location")).json(&json!({})).send().await.expect(405);
    }
    // The service's own role, in the tenant's own transaction, may not either.
    let api = crate::harness::connect(&suite.urls.api).await;
    for statement in [
        "update products set stock = 7",
        "update stock_movements set quantity = 7",
        "delete from stock_movements",
        "insert into products (id, name, sku, description, status, stock) values (gen_random_uuid(), 'x', 'x', '', 'active', 7)",
    ] {
        let opening = tenantry_infra::statements::opening(&tenant.scope(), tenantry_app::Access::Write);
        api.batch_execute(&opening).await.unwrap();
        let refused = api.batch_execute(statement).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{statement}: {refused}");
        api.batch_execute("rollback").await.unwrap();
    }
    assert_eq!(stock(&owner, &product).await, 5);
}

#[tokio::test]
async fn anothers_product_is_a_missing_one() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let (owner, stranger) = (suite.tenant(placement).await.owner(), suite.tenant(placement).await.owner());
        let theirs = product(&stranger).await;

        let foreign = moved(&owner, &theirs, 1).await.expect_field(400, "product");
        let missing = moved(&owner, &Uuid::now_v7().to_string(), 1).await.expect_field(400, "product");

        assert_eq!(foreign.without_request_id(), missing.without_request_id());
        assert_eq!(stock(&stranger, &theirs).await, 0);
    }
}

#[tokio::test]
async fn a_product_with_movements_stays_and_a_sku_is_given_once() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let made = owner.post(PRODUCTS, json!({ "name": "Bolt", "sku": "B-1" })).await.expect(201);
    let product = made.json["id"].as_str().unwrap();
    moved(&owner, product, 1).await.expect(201);

    owner.delete(&format!("{PRODUCTS}/{product}")).await.expect(409);
    owner.post(PRODUCTS, json!({ "name": "Nut", "sku": "B-1" })).await.expect_field(409, "sku");
    let nut = owner.post(PRODUCTS, json!({ "name": "Nut", "sku": "N-1" })).await.expect(201);
    owner.patch(nut.header("location"), json!({ "sku": "B-1" })).await.expect_field(409, "sku");
    owner
        .post(PATH, json!({ "product": product, "quantity": 0, "reason": "sale" }))
        .await
        .expect_field(400, "quantity");
}
