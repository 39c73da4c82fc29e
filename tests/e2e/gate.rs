//! The catalogue gate finds every bug there is a rule against, names table and rule, and nothing else.

mod bugs;

use bugs::{BUGS, Bug};
use tenantry_infra::gate::{self, Finding};
use tenantry_infra::migrations::TENANT;
use tenantry_server::{database, serve};
use tokio_postgres::Client;

use crate::harness::databases::OwnDatabase;
use crate::harness::{PLACEMENTS, settings, suite};

#[tokio::test]
async fn each_planted_bug_is_found_and_named_and_nothing_else_is() {
    let suite = suite().await;
    let own = OwnDatabase::new(&suite, "gate").await;
    let tenant = own.tenant(PLACEMENTS[1]).await;
    let admin = own.admin().await;
    let aim = |text: &str| {
        let newest = TENANT.len();
        text.replace("{own}", &tenant.tenant.schema().to_string())
            .replace("{database}", "gate")
            .replace("{newest}", &newest.to_string())
            .replace("{before}", &(newest - 1).to_string())
    };

    // As the service asks it: as its own role, on a connection of its own.
    let platform = database::config("platform_url", &own.database.urls.platform).unwrap();

    assert_eq!(gate::findings(&platform).await.unwrap(), [], "the database is not clean to begin with");
    for Bug { planted, breaks } in BUGS {
        let found = findings(&admin, &aim(planted)).await;

        let mut expected: Vec<_> = breaks.iter().map(|(rule, object)| (aim(rule), aim(object))).collect();
        let found: Vec<_> = found.into_iter().map(|Finding { rule, object }| (rule, object)).collect();
        // Where a bug is everywhere, one finding of the rule stands for all.
        let everywhere: Vec<String> =
            expected.extract_if(.., |(_, object)| object == "*").map(|(rule, _)| rule).collect();
        assert!(everywhere.iter().all(|rule| found.iter().any(|(found, _)| found == rule)), "{planted}: {found:#?}");
        let mut found: Vec<_> = found.into_iter().filter(|(rule, _)| !everywhere.contains(rule)).collect();
        expected.sort();
        found.sort();
        found.dedup();
        assert_eq!(found, expected, "{planted}");
    }
    assert_eq!(gate::findings(&platform).await.unwrap(), [], "a planted bug was left behind");
}

/// A rule that nobody has seen broken may be one that cannot be.
#[test]
fn every_rule_of_the_gate_has_a_planted_bug() {
    let gate = include_str!("../../crates/infra/src/gate.sql");
    let mut rules: Vec<&str> =
        gate.lines().filter_map(|line| line.strip_prefix("select '")?.split("'").next()).collect();
    rules.sort_unstable();
    rules.dedup();
    assert!(rules.len() >= 20);

    for rule in rules {
        let planted = BUGS.iter().any(|bug| bug.breaks.iter().any(|(broken, _)| *broken == rule));
        assert!(planted, "no planted bug breaks: {rule}");
    }
    assert!(BUGS.len() >= 25);
}

#[tokio::test]
async fn a_server_does_not_start_on_a_database_that_does_not_isolate_and_says_why() {
    let suite = suite().await;
    let mut own = OwnDatabase::new(&suite, "broken").await;
    let admin = own.admin().await;
    serve::check(&suite.settings, &own.database).await.unwrap();

    admin.batch_execute("alter table pooled.projects no force row level security").await.unwrap();
    let checked = serve::check(&suite.settings, &own.database).await.unwrap_err();
    let served = serve::serve(&suite.settings, &mut own.database, own.services.clone(), |_| panic!("it serves")).await;

    let expected =
        "the database does not isolate tenants:\n  pooled.projects: a tenant table has row-level security, forced";
    assert_eq!(checked.to_string(), expected);
    assert_eq!(served.unwrap_err().to_string(), expected);
}

/// Where a provider forbids the lockdown, an operator can accept that, and is told what is weaker; nothing else is let pass.
#[tokio::test]
async fn a_missing_lockdown_can_be_accepted_and_nothing_else() {
    let suite = suite().await;
    let own = OwnDatabase::new(&suite, "managed").await;
    let admin = own.admin().await;
    let accepting = settings(&[("TENANTRY_DATABASE__ACCEPT_MISSING_LOCKDOWN", "true")]);
    let gap = "grant execute on function set_config(text, text, boolean) to tenantry_api";
    admin.batch_execute(gap).await.unwrap();

    let refused = serve::check(&suite.settings, &own.database).await.unwrap_err().to_string();
    let weaker = serve::check(&accepting, &own.database).await.unwrap();

    let finding = "tenantry_api calls set_config(text,text,boolean): lockdown: a service role may not call what reaches beyond its transaction";
    assert!(refused.contains(finding), "{refused}");
    assert_eq!(weaker[0], finding);
    admin.batch_execute("drop policy tenant_guard on pooled.tasks").await.unwrap();
    let broken = serve::check(&accepting, &own.database).await.unwrap_err().to_string();
    assert!(broken.contains("pooled.tasks: ") && !broken.contains("set_config"), "{broken}");
}

/// What the gate finds after a bug was planted, which is undone at once.
async fn findings(admin: &Client, planted: &str) -> Vec<Finding> {
    admin
        .batch_execute(&format!(
            "begin; {planted}; set local search_path = pg_catalog; set local role tenantry_platform"
        ))
        .await
        .unwrap();
    let found = gate::findings_on(admin).await.unwrap();
    admin.batch_execute("rollback").await.unwrap();
    found
}
