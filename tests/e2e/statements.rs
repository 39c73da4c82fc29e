//! The second layer of defence: every statement on a tenant table says whose rows it means. `harness/statements.rs` listens
//! to the whole suite; here it is shown what it lets pass and what not.

use serde_json::json;

use crate::harness::statements::{carries_the_predicate, follow, heard, objection, unfollow};
use crate::harness::{PLACEMENTS, suite};

#[test]
fn a_statement_with_the_predicate_for_every_table_is_good() {
    for good in [
        r#"SELECT "projects"."id" FROM "projects" WHERE ("projects"."tenant_id" = $1)"#,
        r#"SELECT "tasks"."id" FROM "tasks" WHERE ((("tasks"."tenant_id" = $1) AND ("tasks"."id" < $2)) AND ("tasks"."status" = $3)) LIMIT $4"#,
        r#"SELECT "tasks"."id" FROM "tasks" INNER JOIN "projects" ON ("projects"."tenant_id" = $1) WHERE ("tasks"."tenant_id" = $2)"#,
        r#"SELECT "tasks"."id" FROM "tasks" WHERE ("tasks"."tenant_id" = $1) FOR UPDATE"#,
        r#"SELECT "tasks"."id" FROM "tasks" WHERE (("tasks"."tenant_id" = $1) AND (("tasks"."id" < $2) OR ("tasks"."id" > $3)))"#,
        r#"UPDATE "tasks" SET "title" = $1 WHERE (("tasks"."tenant_id" = $2) AND ("tasks"."id" = $3)) RETURNING "tasks"."id""#,
        r#"DELETE FROM "projects" WHERE (("projects"."tenant_id" = $1) AND ("projects"."id" = $2))"#,
        r#"INSERT INTO "projects" ("id", "name") VALUES ($1, $2) RETURNING "projects"."id""#,
    ] {
        assert_eq!(carries_the_predicate(good), Some(true), "{good}");
        assert_eq!(objection(good), None, "{good}");
    }
}

#[test]
fn a_statement_without_it_is_refused() {
    for bad in [
        r#"SELECT "projects"."id" FROM "projects""#,
        r#"SELECT "projects"."id" FROM "projects" WHERE ("projects"."id" = $1)"#,
        r#"SELECT "tasks"."id" FROM "tasks" INNER JOIN "projects" ON true WHERE ("tasks"."tenant_id" = $1)"#,
        r#"SELECT "tasks"."id" FROM "tasks" WHERE ("tasks"."tenant_id" = sec.tenant())"#,
        r#"SELECT "tasks"."id" FROM "tasks" WHERE (("tasks"."tenant_id" = $1) OR ("tasks"."id" = $2))"#,
        r#"SELECT "tasks"."id" FROM "tasks" WHERE (("tasks"."id" = $1) OR (("tasks"."tenant_id" = $2) AND ("tasks"."id" = $3)))"#,
        r#"UPDATE "tasks" SET "title" = $1 WHERE ("tasks"."id" = $2)"#,
        r#"DELETE FROM "projects""#,
        r#"INSERT INTO "projects" ("tenant_id", "id") VALUES ($1, $2)"#,
        r#"INSERT INTO "tasks" ("id") SELECT "tasks"."id" FROM "tasks""#,
        "select * from pooled.tasks",
        "select count(*) from tasks, projects where tasks.tenant_id = $1",
        "table audit_events",
    ] {
        assert_eq!(carries_the_predicate(bad), Some(false), "{bad}");
        assert!(objection(bad).is_some(), "{bad}");
    }
}

#[test]
fn a_statement_on_no_table_of_tenants_needs_none() {
    for other in [r#"SELECT "registry"."tenants"."id" FROM "registry"."tenants""#, "BEGIN READ ONLY", "COMMIT"] {
        assert_eq!(carries_the_predicate(other), None, "{other}");
    }
}

#[tokio::test]
async fn what_the_service_sends_is_heard() {
    let suite = suite().await;
    for placement in PLACEMENTS {
        let tenant = suite.tenant(placement).await;
        let id = tenant.tenant.id.to_string();
        let before = heard();
        follow(&id);

        let owner = tenant.owner();
        let project = owner.project("heard").await;
        owner.task(&project, "heard").await;
        owner.patch(&format!("/api/v1/projects/{project}"), json!({ "name": "again" })).await.expect(200);
        owner.get("/api/v1/projects").await.expect(200);
        owner.delete(&format!("/api/v1/projects/{project}")).await.expect(204);

        let statements = unfollow(&id);
        assert!(heard() >= before + 5);
        for verb in ["UPDATE \"projects\"", "SELECT \"projects\"", "DELETE FROM \"projects\""] {
            assert!(statements.iter().any(|statement| statement.starts_with(verb)), "{verb} in {statements:#?}");
        }
    }
}
