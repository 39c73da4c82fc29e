//! Answers are bounded in bytes, and by the time a client takes for them.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::documents::{document, put};
use crate::harness::{Caller, PATIENCE, PLACEMENTS, another_instance, eventually, suite};

const MIB: usize = 1024 * 1024;

/// Walks a list to its end: how many items each page has, and every item's id in turn.
async fn walk(caller: &Caller, list: &str) -> (Vec<usize>, Vec<String>) {
    let (mut sizes, mut ids, mut path) = (Vec::new(), Vec::new(), list.to_owned());
    loop {
        let page = caller.get(&path).await.expect(200);
        assert!(page.text.len() < 4 * MIB + 1024, "{path}: {} bytes", page.text.len());
        let data = page.json["data"].as_array().unwrap();
        assert!(!data.is_empty(), "{path}: an empty page");
        ids.extend(data.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        sizes.push(data.len());
        match page.json["next_cursor"].as_str() {
            Some(cursor) => path = format!("{list}&cursor={cursor}"),
            None => return (sizes, ids),
        }
    }
}

fn ids(made: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> = made.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_page_of_large_items_is_cut_and_the_walk_meets_all_of_them() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();
        // 40 kB each.
        let project = json!({ "name": "Moon", "description": "\u{1f980}".repeat(10_000) });
        let mut made = Vec::new();
        for _ in 0..6 {
            let items = json!({ "items": vec![project.clone(); 20] });
            let page = owner.post("/api/v1/projects/bulk", items).await.expect(201);
            made.extend(page.json["data"].as_array().unwrap().clone());
        }

        for list in ["/api/v1/projects?limit=200", "/api/v1/projects?limit=200&sort=name"] {
            let (sizes, mut met) = walk(&owner, list).await;
            assert!(sizes.len() == 2 && (100..110).contains(&sizes[0]), "{list}: {sizes:?}");
            met.sort();
            assert_eq!(met, ids(&made), "{list}");
        }
        let (sizes, mut met) = walk(&owner, "/api/v1/audit-events?limit=200&resource=projects").await;
        assert!(sizes.len() == 2 && (90..110).contains(&sizes[0]), "{sizes:?}");
        met.sort();
        met.dedup();
        assert_eq!(met.len(), made.len(), "every event once");
    }
}

#[tokio::test]
async fn a_page_of_the_largest_invoices_has_few_and_an_export_all() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    // 400 kB each.
    let line =
        json!({ "description": "\u{1f980}".repeat(500), "quantity": "1", "unit_price": 1, "tax_basis_points": 0 });
    let invoice = json!({ "bill_to": "Ada", "currency": "EUR", "lines": vec![line; 200] });
    let mut made = Vec::new();
    for _ in 0..12 {
        made.push(owner.post("/api/v1/billing/invoices", invoice.clone()).await.expect(201).json);
    }

    let (sizes, mut met) = walk(&owner, "/api/v1/billing/invoices?limit=200").await;

    met.sort();
    assert_eq!((sizes.len(), met), (2, ids(&made)), "{sizes:?}");
    let (sizes, _) = walk(&owner, "/api/v1/billing/invoices?limit=5").await;
    assert_eq!(sizes, [5, 5, 2]);
    let request =
        owner.request(reqwest::Method::GET, "/api/v1/billing/invoices").header("accept", "application/x-ndjson");
    assert_eq!(request.send().await.expect(200).text.lines().count(), 12);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_disconnected() {
    let suite = suite().await;
    let (_, hasty) = another_instance(suite.forever(), &[("TENANTRY_HTTP__STALLED_SECONDS", "1")]).await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    let document = document(&owner).await;
    put(&owner, &document, vec![b'x'; 8 * MIB]).await.expect(200);

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(hasty.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let get = format!("GET {document}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", owner.token);
    socket.write_all(get.as_bytes()).await.unwrap();
    socket.readable().await.unwrap();

    // Whoever is gone resets the connection when it is written to.
    let is_gone = || socket.try_write(b"x").is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock);
    eventually("the server is gone", PATIENCE, async || is_gone()).await;
}
