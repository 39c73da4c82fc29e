//! Lists: bounded pages, and cursors that lead through the whole list and nowhere else.

use std::collections::HashSet;

use serde_json::{Value, json};
use tenantry_app::TenantStore;
use tenantry_tenancy::StoreError;
use tenantry_work::WorkTx;
use tenantry_work::projects::ProjectId;
use tenantry_work::tasks::NewTask;
use tenantry_work::testing::{new_project, new_task};

use crate::examples::Examples;
use crate::harness::{Caller, PLACEMENTS, Response, Suite, Tenant, suite};

/// A tenant with much work, so that every list has many pages.
struct Busy {
    owner: Caller,
    project: String,
}

impl Busy {
    /// As many projects as tasks, and all tasks belong to the newest project.
    async fn new(suite: &Suite, tenant: &Tenant, count: usize) -> Self {
        let store: TenantStore = suite.services.store(1).unwrap();
        let project = store.write(&tenant.scope(), async |tx| fill(tx.work(), count).await).await.unwrap();
        Self { owner: tenant.owner(), project: project.to_string() }
    }

    /// Lists that have all of it.
    fn lists(&self) -> [String; 4] {
        [
            "/api/v1/projects".to_owned(),
            "/api/v1/tasks".to_owned(),
            "/api/v1/tasks/by-status?status=todo".to_owned(),
            format!("/api/v1/projects/{}/tasks", self.project),
        ]
    }
}

async fn fill(work: &mut dyn WorkTx, count: usize) -> Result<ProjectId, StoreError> {
    let mut project = work.projects().insert(&new_project()).await?.id;
    for _ in 1..count {
        project = work.projects().insert(&new_project()).await?.id;
    }
    for _ in 0..count {
        let new: NewTask = new_task(project);
        work.tasks().insert(&new, None).await.map_err(StoreError::internal)?;
    }
    Ok(project)
}

/// A list that takes a limit and a cursor, and who may see it.
struct Paged {
    path: String,
    caller: Caller,
    limit: Value,
}

/// Every list there is.
async fn paged(suite: &Suite) -> Vec<Paged> {
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let examples = Examples::new(suite, &tenant).await;
    let mut lists = Vec::new();
    for route in tenantry_api::routes().into_iter().filter(|it| it.method == "GET") {
        let parameters = examples.query_parameters(&route);
        let named = |name: &str| parameters.iter().find(|it| it["name"] == name);
        if let (Some(limit), Some(_)) = (named("limit"), named("cursor")) {
            let (path, caller) = (examples.of(&route).await.path, examples.caller(&route).clone());
            lists.push(Paged { path, caller, limit: limit["schema"].clone() });
        }
    }
    assert!(lists.len() > 12, "only {} lists were found", lists.len());
    lists
}

fn with(path: &str, parameter: &str) -> String {
    format!("{path}{}{parameter}", if path.contains('?') { '&' } else { '?' })
}

fn ids(page: &Response) -> Vec<String> {
    page.json["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

fn cursor(page: &Response) -> Option<&str> {
    page.json["next_cursor"].as_str()
}

/// The address in a `Link` header, exactly as it is written there.
fn link(page: &Response) -> Option<&str> {
    page.header("link").strip_prefix('<')?.strip_suffix(">; rel=\"next\"")
}

#[tokio::test]
async fn a_page_has_50_items_unless_told_otherwise_and_at_most_200() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let busy = Busy::new(&suite, &tenant, 201).await;

    for list in busy.lists() {
        for (path, length, last) in [
            (list.clone(), 50, false),
            (with(&list, "limit=1"), 1, false),
            (with(&list, "limit=200"), 200, false),
            (with(&list, "limit=%32"), 2, false),
        ] {
            let page = busy.owner.get(&path).await.expect(200);

            assert_eq!((ids(&page).len(), cursor(&page).is_none()), (length, last), "{path}");
        }
    }
}

#[tokio::test]
async fn a_limit_outside_its_bounds_is_refused_by_every_list() {
    let suite = suite().await;

    for Paged { path, caller, limit } in paged(&suite).await {
        let bounds = [&limit["minimum"], &limit["maximum"], &limit["default"]].map(Value::as_u64);
        assert_eq!(bounds, [Some(1), Some(200), Some(50)], "{path}");
        for limit in ["0", "201", "-1", "1.5", "1e2", "", "%20", "ten", "0x10", "9".repeat(400).as_str(), "%00", "1%00"]
        {
            caller.get(&with(&path, &format!("limit={limit}"))).await.expect_field(400, "limit");
        }
        for (parameter, most) in [("limit=1", 1), ("limit=200", 200), ("limit=%32", 2)] {
            let page = caller.get(&with(&path, parameter)).await.expect(200);
            assert!(page.json["data"].as_array().unwrap().len() <= most, "{path}");
        }
        let page = caller.get(&path).await.expect(200);
        assert!(page.json["data"].as_array().unwrap().len() <= 50, "{path}");
    }
}

#[tokio::test]
async fn an_exactly_full_page_is_the_last_one() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[1]).await;
    let busy = Busy::new(&suite, &tenant, 6).await;

    for list in busy.lists() {
        let first = busy.owner.get(&with(&list, "limit=3")).await.expect(200);
        let last = busy.owner.get(link(&first).unwrap()).await.expect(200);

        assert_eq!((ids(&last).len(), cursor(&last), last.header("link")), (3, None, ""));
    }
}

#[tokio::test]
async fn a_walk_meets_everything_once_while_rows_come_and_go() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        for sort in ["-created_at", "created_at"] {
            let tenant = suite.tenant(placement).await;
            let busy = Busy::new(&suite, &tenant, 30).await;
            let list = with("/api/v1/tasks", &format!("sort={sort}"));
            let all = ids(&busy.owner.get(&with(&list, "limit=200")).await.expect(200));
            let (mut met, mut deleted, mut path) = (Vec::new(), HashSet::new(), with(&list, "limit=4"));

            loop {
                let page = busy.owner.get(&path).await.expect(200);
                met.extend(ids(&page));
                let Some(next) = link(&page) else { break };
                path = next.to_owned();
                if met.len() < 20 {
                    // One that was met, at which the cursor stands, and one that was not; and two that are new.
                    let unmet = all.iter().find(|id| !met.contains(id) && !deleted.contains(*id)).unwrap();
                    for id in [met.last().unwrap(), unmet] {
                        busy.owner.delete(&format!("/api/v1/tasks/{id}")).await.expect(204);
                        deleted.insert(id.clone());
                    }
                    busy.owner.task(&busy.project, "new").await;
                    busy.owner.task(&busy.project, "new").await;
                }
            }

            let distinct: HashSet<&String> = met.iter().collect();
            assert_eq!(distinct.len(), met.len(), "something was met twice: {sort}");
            let stayed: Vec<&String> = all.iter().filter(|id| !deleted.contains(*id) || met.contains(id)).collect();
            let old: Vec<&String> = met.iter().filter(|id| all.contains(id)).collect();
            assert_eq!(old, stayed, "{sort}");
            assert_eq!(met.len() > stayed.len(), sort == "created_at", "what is new comes last");
        }
    }
}

#[tokio::test]
async fn a_list_comes_in_the_order_asked_for() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let busy = Busy::new(&suite, &tenant, 5).await;

    for list in busy.lists() {
        let newest = ids(&busy.owner.get(&with(&list, "sort=-created_at")).await.expect(200));
        let oldest = ids(&busy.owner.get(&with(&list, "sort=created_at")).await.expect(200));

        assert!(newest.iter().rev().eq(&oldest) && oldest.is_sorted(), "{list}");
        assert_eq!(ids(&busy.owner.get(&list).await.expect(200)), newest);
        for sort in ["", "color", "-color", "created_at,name", "%2Bcreated_at", "--created_at", "CREATED_AT", "id%00"] {
            busy.owner.get(&with(&list, &format!("sort={sort}"))).await.expect_field(400, "sort");
        }
    }
}

#[tokio::test]
async fn the_link_to_the_next_page_is_good_as_it_is() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let busy = Busy::new(&suite, &tenant, 5).await;

    for list in busy.lists() {
        let all = ids(&busy.owner.get(&with(&list, "sort=created_at")).await.expect(200));
        let first = busy.owner.get(&with(&list, "limit=2&sort=created_at")).await.expect(200);

        let next = busy.owner.get(link(&first).unwrap()).await.expect(200);
        let last = busy.owner.get(link(&next).unwrap()).await.expect(200);

        assert_eq!([ids(&first), ids(&next), ids(&last)].concat(), all);
        assert!(link(&first).unwrap().contains(cursor(&first).unwrap()));
        assert_eq!((cursor(&last), link(&last)), (None, None));
    }
}

#[tokio::test]
async fn a_cursor_allows_another_limit() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let busy = Busy::new(&suite, &tenant, 5).await;
    let first = busy.owner.get("/api/v1/tasks?limit=1").await.expect(200);

    let rest = busy.owner.get(&format!("/api/v1/tasks?limit=4&cursor={}", cursor(&first).unwrap())).await.expect(200);

    assert_eq!((ids(&rest).len(), cursor(&rest)), (4, None));
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_only() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let busy = Busy::new(&suite, &tenant, 3).await;
    let stranger = suite.tenant(PLACEMENTS[0]).await.owner();
    let viewer = tenant.caller(tenantry_tenancy::Role::Viewer);
    let member = tenant.user(tenantry_tenancy::Role::Member);
    let project = &busy.project;

    let projects = busy.owner.get("/api/v1/projects?limit=1").await.expect(200);
    let projects = cursor(&projects).unwrap();
    let tasks = busy.owner.get("/api/v1/tasks?limit=1").await.expect(200);
    let tasks = cursor(&tasks).unwrap();

    for path in [
        format!("/api/v1/projects?status=active&cursor={projects}"),
        format!("/api/v1/projects?sort=created_at&cursor={projects}"),
        format!("/api/v1/tasks?cursor={projects}"),
        format!("/api/v1/projects?cursor={tasks}"),
        format!("/api/v1/tasks?sort=created_at&cursor={tasks}"),
        format!("/api/v1/tasks?status=todo&cursor={tasks}"),
        format!("/api/v1/tasks?priority=medium&cursor={tasks}"),
        format!("/api/v1/tasks?assignee={member}&cursor={tasks}"),
        format!("/api/v1/tasks?project={project}&cursor={tasks}"),
        format!("/api/v1/tasks/by-status?status=todo&cursor={tasks}"),
        format!("/api/v1/projects/{project}/tasks?cursor={tasks}"),
    ] {
        busy.owner.get(&path).await.expect_field(400, "cursor");
    }
    stranger.get(&format!("/api/v1/projects?cursor={projects}")).await.expect_field(400, "cursor");
    // A colleague may go on where the owner stopped: the cursor is the tenant's. The default order is an order like any.
    viewer.get(&format!("/api/v1/projects?cursor={projects}")).await.expect(200);
    viewer.get(&format!("/api/v1/projects?sort=-created_at&cursor={projects}")).await.expect(200);
}

#[tokio::test]
async fn a_cursor_that_nobody_gave_is_refused() {
    let suite = suite().await;
    let tenant = suite.tenant(PLACEMENTS[0]).await;
    let busy = Busy::new(&suite, &tenant, 3).await;

    for list in busy.lists() {
        let page = busy.owner.get(&with(&list, "limit=1")).await.expect(200);
        let good = cursor(&page).unwrap();
        let flipped = good.replacen(|_| true, if good.starts_with('A') { "B" } else { "A" }, 1);
        let long = "A".repeat(5_000);
        let id = ids(&page).remove(0);
        for bad in [
            "",
            "x",
            "%00",
            "null",
            "0",
            "%2F",
            "A=",
            &good[1..],
            &good[..22],
            &flipped,
            &long,
            &id,
            &format!("{good}A"),
            &format!("{good}="),
            &format!("{good}%00"),
            &format!("%20{good}"),
        ] {
            busy.owner.get(&with(&list, &format!("cursor={bad}"))).await.expect_field(400, "cursor");
        }
        busy.owner.get(&with(&list, &format!("cursor={good}"))).await.expect(200);
    }
}

#[tokio::test]
async fn a_cursor_that_nobody_gave_is_refused_by_every_list() {
    let suite = suite().await;
    let owner = suite.tenant(PLACEMENTS[0]).await.owner();
    for name in ["Moon", "Mars"] {
        owner.project(name).await;
    }
    let page = owner.get("/api/v1/projects?limit=1").await.expect(200);
    let (alien, long) = (cursor(&page).unwrap(), "A".repeat(5_000));

    for Paged { path, caller, .. } in paged(&suite).await {
        for bad in ["", "x", "%00", "null", "0", "%2F", "A=", alien, &alien[1..], &long] {
            caller.get(&with(&path, &format!("cursor={bad}"))).await.expect_field(400, "cursor");
        }
    }
}

#[tokio::test]
async fn an_empty_list_is_empty() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let owner = suite.tenant(placement).await.owner();

        for list in ["/api/v1/projects", "/api/v1/tasks", "/api/v1/tasks/by-status?status=done"] {
            let page = owner.get(list).await.expect(200);

            assert_eq!((&page.json, page.header("link")), (&json!({ "data": [], "next_cursor": null }), ""));
        }
    }
}
