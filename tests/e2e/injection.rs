//! Somebody has found a hole and puts SQL of their own into a query of the service: the database does not let them across.
//!
//! The attacks run as the role `tenantry_api`, in a transaction opened by the very message that the service sends, by the
//! extended protocol, as the service's queries do. Read `attacks.rs`.

mod attacks;
mod session;
mod victim;

use attacks::{COPIES, EXPRESSIONS, REFUSED_EXPRESSIONS, REFUSED_STATEMENTS, STATEMENTS};
use session::Session;
use tenantry_app::Access;
use tenantry_infra::statements::opening;
use tenantry_tenancy::Placement;
use uuid::Uuid;
use victim::Victim;

use crate::harness::databases::OwnDatabase;
use crate::harness::{PLACEMENTS, connect, suite};
use crate::isolation::rows;

#[tokio::test]
async fn no_expression_crosses() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for (attackers, victims) in pairs() {
        let attacker = suite.tenant(attackers).await;
        let victim = Victim::new(suite.tenant(victims).await, &admin, &suite.urls.api).await;
        let session = Session::open(&suite.urls.api, &attacker, &victim).await;
        let before = rows(&admin, &victim.tenant).await;

        for expression in EXPRESSIONS {
            let outcome = session.evaluate(expression).await;
            assert_eq!(outcome.won(&victim, &attacker), None, "{attackers} against {victims}: {expression}");
        }
        for expression in REFUSED_EXPRESSIONS {
            let outcome = session.evaluate(expression).await;
            assert_eq!(outcome.won(&victim, &attacker), None, "{attackers} against {victims}: {expression}");
            assert_eq!(outcome.refused.as_deref(), Some("42501"), "{expression}");
        }

        assert_eq!(rows(&admin, &victim.tenant).await, before);
        assert!(!victim.session.is_closed(), "the victim's session was ended");
        let outside = session.client.query("select * from projects", &[]).await;
        assert!(outside.is_err(), "a context is left on the connection: {outside:?}");
    }
}

#[tokio::test]
async fn no_statement_crosses() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for (attackers, victims) in pairs() {
        let attacker = suite.tenant(attackers).await;
        let victim = Victim::new(suite.tenant(victims).await, &admin, &suite.urls.api).await;
        let before = rows(&admin, &victim.tenant).await;

        let mut session = Session::open(&suite.urls.api, &attacker, &victim).await;
        let copies = COPIES.iter().map(std::slice::from_ref);
        for statements in STATEMENTS.iter().copied().chain(copies) {
            let outcome = session.send(statements).await;
            assert_eq!(outcome.won(&victim, &attacker), None, "{attackers} against {victims}: {statements:?}");
        }
        for statement in REFUSED_STATEMENTS {
            let outcome = session.send(&[statement]).await;
            assert_eq!(outcome.won(&victim, &attacker), None, "{attackers} against {victims}: {statement}");
            let refused = outcome.refused.as_deref();
            assert!(matches!(refused, Some("42501" | "42601" | "0A000")), "{statement}: {refused:?}");
        }

        assert_eq!(rows(&admin, &victim.tenant).await, before);
    }
}

/// An id that another tenant uses is free, so that nobody learns which ids exist by trying to take them.
#[tokio::test]
async fn an_id_of_another_tenant_can_be_taken() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for (attackers, victims) in pairs() {
        let attacker = suite.tenant(attackers).await;
        let victim = Victim::new(suite.tenant(victims).await, &admin, &suite.urls.api).await;
        let mut session = Session::open(&suite.urls.api, &attacker, &victim).await;
        let before = rows(&admin, &victim.tenant).await;
        let project = "insert into projects (id, name, description, status) values ('{project}', 'mine', '', 'active')";
        let task = "insert into tasks (id, project_id, title, description, status, priority)
                    values ('{task}', '{project}', 'mine', '', 'todo', 'low')";

        let taken = session.send(&[project, task]).await;
        let twice = session.send(&[project, project]).await;

        assert_eq!((taken.refused.as_deref(), taken.won(&victim, &attacker)), (None, None));
        // By then it is the attacker's own.
        assert_eq!((twice.refused.as_deref(), twice.won(&victim, &attacker)), (Some("23505"), None));
        assert_eq!(rows(&admin, &victim.tenant).await, before);
    }
}

/// The database itself refuses a reference to another tenant's row, and in the same words as one to no row.
#[tokio::test]
async fn a_foreign_key_tells_a_foreign_row_from_a_missing_one_as_little_as_the_service_does() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for (attackers, victims) in pairs() {
        let attacker = suite.tenant(attackers).await;
        let victim = Victim::new(suite.tenant(victims).await, &admin, &suite.urls.api).await;
        let client = connect(&suite.urls.api).await;
        let mut answers = Vec::new();

        for project in [victim.aim("{project}", &attacker), Uuid::now_v7().to_string()] {
            client.batch_execute(&opening(&attacker.scope(), Access::Write)).await.unwrap();
            let insert = format!(
                "insert into tasks (id, project_id, title, description, status, priority)
                 values (gen_random_uuid(), '{project}', 'x', '', 'todo', 'low')"
            );
            let refused = client.execute(&insert, &[]).await.unwrap_err();
            answers.push(format!("{:?}", refused.as_db_error()).replace(&project, "…"));
            client.batch_execute("rollback").await.unwrap();
        }

        assert!(answers[0].contains("tasks_project_fkey"), "{answers:?}");
        assert_eq!(answers[0], answers[1]);
    }
}

/// The control of why no text may ever go into a simple message: there, the context can be changed, and the battery sees it.
#[tokio::test]
async fn in_a_simple_message_the_second_statement_would_cross() {
    let suite = suite().await;
    let admin = suite.admin().await;
    for (attackers, victims) in pairs() {
        let attacker = suite.tenant(attackers).await;
        let victim = Victim::new(suite.tenant(victims).await, &admin, &suite.urls.api).await;
        let mut session = Session::open(&suite.urls.api, &attacker, &victim).await;
        let stacked = "select 1; set local app.tenant = '{victim}'; select * from {schema}.projects";

        let refused = session.send(&[stacked]).await;
        assert_eq!(refused.refused.as_deref(), Some("42601"));

        session.client.batch_execute(&opening(&attacker.scope(), Access::Write)).await.unwrap();
        let messages = session.client.simple_query(&victim.aim(stacked, &attacker)).await.unwrap();
        assert!(format!("{messages:?}").contains(&victim.canary));
        let alone = session.send(&["set local app.tenant = '{victim}'"]).await;
        assert!(alone.won(&victim, &attacker).is_some());
    }
}

/// The control of the battery: where the lockdown is undone, or nobody is held by policies, the same attacks succeed.
#[tokio::test]
async fn the_same_attacks_succeed_on_a_database_without_protection() {
    let suite = suite().await;
    let own = OwnDatabase::new(&suite, "unprotected").await;
    let admin = own.admin().await;
    admin.batch_execute("grant execute on all functions in schema pg_catalog to tenantry_api").await.unwrap();
    let superuser = own.database.urls.admin.clone().unwrap();

    for (attackers, victims) in [(Placement::Pooled, Placement::Schema), (Placement::Schema, Placement::Pooled)] {
        let attacker = own.tenant(attackers).await;
        let victim = Victim::new(own.tenant(victims).await, &admin, &own.database.urls.api).await;

        let mut session = Session::open(&own.database.urls.api, &attacker, &victim).await;
        let by_functions = wins(&mut session, REFUSED_EXPRESSIONS, &[]).await;
        let mut session = Session::open(&superuser, &attacker, &victim).await;
        let unbound = wins(&mut session, EXPRESSIONS, STATEMENTS).await;

        for known in [
            "set_config('app.tenant', '{victim}', true)",
            "(with x as materialized (select set_config('app.tenant', '{victim}', true)) select string_agg(name, ',') from x, {schema}.projects)",
            "(select string_agg(pg_stat_get_backend_activity(b), ',') from pg_stat_get_backend_idset() b)",
        ] {
            assert!(by_functions.contains(&known), "{known} is not among {by_functions:#?}");
        }
        assert!(unbound.len() >= 40, "only {unbound:#?}");
    }
}

/// The attacks that succeed. What they change is undone, because here it would hurt others.
async fn wins(
    session: &mut Session<'_>,
    expressions: &[&'static str],
    statements: &[&[&'static str]],
) -> Vec<&'static str> {
    session.end = "rollback";
    let mut wins = Vec::new();
    for expression in expressions {
        let outcome = session.evaluate(expression).await;
        wins.extend(outcome.won(session.victim, session.attacker).map(|_| *expression));
    }
    for statements in statements {
        let outcome = session.send(statements).await;
        wins.extend(outcome.won(session.victim, session.attacker).map(|_| statements[0]));
    }
    wins
}

/// The battery is at least as large as it was promised.
#[test]
fn the_battery_has_many_attacks() {
    assert!(EXPRESSIONS.len() + REFUSED_EXPRESSIONS.len() >= 48);
    assert!(STATEMENTS.len() + REFUSED_STATEMENTS.len() >= 48);
}

fn pairs() -> impl Iterator<Item = (Placement, Placement)> {
    PLACEMENTS.into_iter().flat_map(|attackers| PLACEMENTS.map(|victims| (attackers, victims)))
}
