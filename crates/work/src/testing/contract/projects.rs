//! What every repository of projects does.

use std::collections::BTreeSet;

use tenantry_tenancy::{Limit, Moment, Position, Search, SortKey, SortedPage, SortedQuery, UserId};

use super::tasks;
use crate::WorkTx;
use crate::projects::{
    NewProject, Project, ProjectChange, ProjectDescription, ProjectId, ProjectName, ProjectOrder, ProjectQuery,
    ProjectStatistics, ProjectStatus,
};
use crate::tasks::{NewTask, TaskStatus};
use crate::testing::{new_project, new_task};

pub(super) async fn a_project_comes_back_as_stored(tx: &mut dyn WorkTx, _: UserId) {
    let new = NewProject {
        name: name("Ada's \"moon\" \\ 100 % _ $1 мир 🦀"),
        description: description("'); drop table projects; --\n\ttwo\r\nthree "),
        status: ProjectStatus::Paused,
        ..new_project()
    };

    let project = insert(tx, &new).await;

    let NewProject { id, name, description, status } = new;
    let (created_at, updated_at) = (project.created_at, project.created_at);
    let expected = Project { id, name, description, status, version: 1, created_at, updated_at };
    assert_eq!(project, expected);
    assert_eq!(find(tx, id).await, Some(expected));
}

pub(super) async fn every_status_of_a_project_is_stored(tx: &mut dyn WorkTx, _: UserId) {
    for status in ProjectStatus::ALL {
        let project = insert(tx, &NewProject { status: *status, ..new_project() }).await;

        assert_eq!(find(tx, project.id).await.map(|project| project.status), Some(*status));
    }
}

pub(super) async fn the_longest_texts_of_a_project_are_stored(tx: &mut dyn WorkTx, _: UserId) {
    let new = NewProject {
        name: name(&"🦀".repeat(ProjectName::MAX)),
        description: description(&"🦀".repeat(ProjectDescription::MAX)),
        ..new_project()
    };

    insert(tx, &new).await;

    let texts = find(tx, new.id).await.map(|project| (project.name, project.description));
    assert_eq!(texts, Some((new.name, new.description)));
}

pub(super) async fn an_update_changes_only_the_fields_given_and_counts_up(tx: &mut dyn WorkTx, _: UserId) {
    let (bystander, project) = (insert(tx, &new_project()).await, insert(tx, &new_project()).await);
    let name = ProjectChange { name: Some(name("Mars")), ..ProjectChange::default() };
    let description = ProjectChange { description: Some(description("far")), ..ProjectChange::default() };
    let status = ProjectChange { status: Some(ProjectStatus::Completed), ..ProjectChange::default() };

    let mut expected = project;
    for (change, version) in [(name, 2), (description, 3), (status, 4)] {
        let changed = update(tx, expected.id, &change).await.expect("the project is there");

        // Within a transaction a store's time may stand still, but it never runs backwards.
        expected = Project {
            name: change.name.unwrap_or(expected.name),
            description: change.description.unwrap_or(expected.description),
            status: change.status.unwrap_or(expected.status),
            version,
            updated_at: changed.updated_at.max(expected.updated_at),
            ..expected
        };
        assert_eq!(changed, expected);
        assert_eq!(find(tx, expected.id).await, Some(changed));
    }
    assert_eq!(find(tx, bystander.id).await, Some(bystander));
}

pub(super) async fn a_missing_project_is_none(tx: &mut dyn WorkTx, _: UserId) {
    let id = ProjectId::generate();
    let change = ProjectChange { status: Some(ProjectStatus::Paused), ..ProjectChange::default() };

    assert_eq!(find(tx, id).await, None);
    assert_eq!(update(tx, id, &change).await, None);
    assert!(!delete(tx, id).await);
}

pub(super) async fn a_deleted_project_is_gone(tx: &mut dyn WorkTx, _: UserId) {
    let (bystander, project) = (insert(tx, &new_project()).await, insert(tx, &new_project()).await);

    assert!(delete(tx, project.id).await);

    assert!(!delete(tx, project.id).await);
    assert_eq!(find(tx, project.id).await, None);
    assert_eq!(find(tx, bystander.id).await, Some(bystander));
}

pub(super) async fn deleting_a_project_deletes_its_tasks(tx: &mut dyn WorkTx, _: UserId) {
    let (bystander, project) = (insert(tx, &new_project()).await, insert(tx, &new_project()).await);
    let kept = tasks::insert(tx, &new_task(bystander.id)).await;
    let task = tasks::insert(tx, &new_task(project.id)).await;

    assert!(delete(tx, project.id).await);

    assert_eq!(tasks::find(tx, task.id).await, None);
    assert_eq!(tasks::find(tx, kept.id).await, Some(kept));
}

pub(super) async fn projects_come_in_the_order_asked_for(tx: &mut dyn WorkTx, _: UserId) {
    let (floor, ids) = some_projects(tx).await;

    let oldest = list(tx, None, page_of(5, ProjectOrder::Oldest, Some(floor))).await;
    let newest = list(tx, None, page_of(5, ProjectOrder::Newest, None)).await;

    assert_eq!(ids_of(&oldest), ids);
    assert_eq!(ids_of(&newest), ids.into_iter().rev().collect::<Vec<_>>());
}

pub(super) async fn a_page_of_projects_continues_where_the_last_one_ended(tx: &mut dyn WorkTx, _: UserId) {
    let (floor, ids) = some_projects(tx).await;

    let (mut seen, mut sizes, mut next) = (Vec::new(), Vec::new(), Some(floor));
    while let Some(after) = next {
        let page = list(tx, None, page_of(2, ProjectOrder::Oldest, Some(after))).await;
        seen.extend(ids_of(&page));
        sizes.push(page.items.len());
        next = page.next.map(|at| ProjectId::from_uuid(at.id));
    }

    assert_eq!((seen, sizes), (ids, vec![2, 2, 1]));
}

pub(super) async fn a_list_of_projects_is_stable_while_rows_come_and_go(tx: &mut dyn WorkTx, _: UserId) {
    let (_, ids) = some_projects(tx).await;

    let first = list(tx, None, page_of(2, ProjectOrder::Newest, None)).await;
    let last =
        first.next.as_ref().map(|at| ProjectId::from_uuid(at.id)).expect("five projects are more than a page of two");
    insert(tx, &new_project()).await;
    delete(tx, last).await;
    let second = list(tx, None, page_of(2, ProjectOrder::Newest, Some(last))).await;

    let seen = [ids_of(&first), ids_of(&second)].concat();
    assert_eq!(seen, ids.into_iter().rev().take(4).collect::<Vec<_>>());
}

pub(super) async fn projects_are_filtered_by_status(tx: &mut dyn WorkTx, _: UserId) {
    let floor = ProjectId::generate();
    let mut paused = Vec::new();
    for _ in 0..3 {
        insert(tx, &new_project()).await;
        paused.push(insert(tx, &NewProject { status: ProjectStatus::Paused, ..new_project() }).await.id);
    }

    let full = list(tx, Some(ProjectStatus::Paused), page_of(3, ProjectOrder::Oldest, Some(floor))).await;

    assert_eq!((ids_of(&full), full.next), (paused, None));
}

pub(super) async fn projects_are_sorted_by_what_they_are_asked_to_be(tx: &mut dyn WorkTx, _: UserId) {
    let word = ProjectId::generate().to_string().replace('-', "");
    let mut made = Vec::new();
    for title in ["b", "a", "c", "b", "a"] {
        let new = NewProject { name: name(title), description: description(&word), ..new_project() };
        made.push(insert(tx, &new).await);
    }

    for order in ProjectOrder::ALL {
        let mut expected: Vec<_> = made.iter().map(|project| (order.position(project), project.id)).collect();
        expected.sort_by(|(a, _), (b, _)| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if order.is_descending() {
            expected.reverse();
        }

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = SortedQuery { after, ..page_of(2, *order, None) };
            let query = ProjectQuery { search: Search::parse(&word).ok(), page, ..ProjectQuery::default() };
            let page = tx.projects().list(&query).await.expect("projects are listed");
            seen.extend(ids_of(&page));
            let Some(next) = page.next else { break };
            after = Some(next);
        }

        assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{order}");
    }
}

pub(super) async fn projects_are_found_by_the_beginnings_of_their_words(tx: &mut dyn WorkTx, _: UserId) {
    let word = ProjectId::generate().to_string().replace('-', "");
    let titles = ["Ärger im Café", "moon-landing", "Moon", "x"];
    let mut made = Vec::new();
    for title in titles {
        made.push(
            insert(tx, &NewProject { name: name(title), description: description(&word), ..new_project() }).await.id,
        );
    }
    let change = ProjectChange { name: Some(name("Mars")), ..ProjectChange::default() };
    update(tx, made[3], &change).await;

    for (searched, found) in [
        ("moon", vec![made[1], made[2]]),
        ("MOO land", vec![made[1]]),
        ("oon", vec![]),
        ("mars", vec![made[3]]),
        ("x", vec![]),
        ("cafe\u{301}", vec![]),
        ("CAFÉ ärg", vec![made[0]]),
        ("%", vec![]),
    ] {
        let Ok(search) = Search::parse(&format!("{searched} {word}")) else { continue };
        let page = page_of(200, ProjectOrder::Oldest, None);
        let query = ProjectQuery { search: Some(search), page, ..ProjectQuery::default() };
        let page = tx.projects().list(&query).await.expect("projects are listed");
        let found = if searched == "%" { made.clone() } else { found };
        assert_eq!(ids_of(&page), found, "{searched}");
    }
    delete(tx, made[1]).await;
    let query = ProjectQuery { search: Search::parse(&format!("landing {word}")).ok(), ..ProjectQuery::default() };
    assert_eq!(tx.projects().list(&query).await.expect("projects are listed").items, []);
}

pub(super) async fn projects_are_filtered_by_when_they_were_changed(tx: &mut dyn WorkTx, _: UserId) {
    let project = insert(tx, &new_project()).await;
    let at = |seconds| {
        let time = project.updated_at + chrono::TimeDelta::seconds(seconds);
        Moment::parse(&time.to_rfc3339()).ok()
    };

    for (updated_since, is_found) in [(at(0), true), (at(1), false)] {
        let page = page_of(200, ProjectOrder::Newest, None);
        let query = ProjectQuery { updated_since, page, ..ProjectQuery::default() };
        let found = tx.projects().list(&query).await.expect("projects are listed");
        assert_eq!(ids_of(&found).contains(&project.id), is_found, "{updated_since:?}");
    }
}

pub(super) async fn several_projects_are_stored_in_their_order(tx: &mut dyn WorkTx, _: UserId) {
    let new: Vec<_> = ["c", "a", "b"].map(|title| NewProject { name: name(title), ..new_project() }).into();

    let made = tx.projects().insert_many(&new).await.expect("projects are stored");

    assert_eq!(made.iter().map(|it| it.id).collect::<Vec<_>>(), new.iter().map(|it| it.id).collect::<Vec<_>>());
    assert_eq!(find(tx, new[1].id).await.as_ref(), Some(&made[1]));
    assert_eq!(tx.projects().insert_many(&[]).await.expect("nothing is stored"), []);
}

pub(super) async fn existing_projects_are_told_from_missing_ones(tx: &mut dyn WorkTx, _: UserId) {
    let (project, missing) = (insert(tx, &new_project()).await.id, ProjectId::generate());

    let existing =
        tx.projects().lock_existing(&BTreeSet::from([project, missing])).await.expect("projects are looked up");

    assert_eq!(existing, BTreeSet::from([project]));
}

pub(super) async fn statistics_count_by_status(tx: &mut dyn WorkTx, _: UserId) {
    let before = statistics(tx).await;
    let project = insert(tx, &new_project()).await;
    for status in [ProjectStatus::Archived, ProjectStatus::Paused, ProjectStatus::Archived] {
        insert(tx, &NewProject { status, ..new_project() }).await;
    }
    for status in [TaskStatus::Done, TaskStatus::Todo, TaskStatus::Done] {
        tasks::insert(tx, &NewTask { status, ..new_task(project.id) }).await;
    }

    let after = statistics(tx).await;

    let projects = [(ProjectStatus::Active, 1), (ProjectStatus::Paused, 1), (ProjectStatus::Archived, 2)];
    assert_eq!(growth(&before.projects, &after.projects), projects);
    assert_eq!(growth(&before.tasks, &after.tasks), [(TaskStatus::Todo, 1), (TaskStatus::Done, 2)]);
}

pub(super) async fn statistics_leave_out_what_there_is_none_of(tx: &mut dyn WorkTx, _: UserId) {
    insert(tx, &new_project()).await;

    let ProjectStatistics { projects, tasks } = statistics(tx).await;

    assert!(!projects.is_empty());
    assert!(projects.iter().all(|(_, number)| *number > 0), "{projects:?}");
    assert!(tasks.iter().all(|(_, number)| *number > 0), "{tasks:?}");
}

pub(super) async fn the_id_of_a_project_is_given_once(tx: &mut dyn WorkTx, _: UserId) {
    let new = new_project();
    insert(tx, &new).await;

    assert!(tx.projects().insert(&new).await.is_err());
}

pub(super) async fn insert(tx: &mut dyn WorkTx, new: &NewProject) -> Project {
    tx.projects().insert(new).await.expect("a project is stored")
}

async fn find(tx: &mut dyn WorkTx, id: ProjectId) -> Option<Project> {
    tx.projects().find(id).await.expect("a project is looked up")
}

async fn update(tx: &mut dyn WorkTx, id: ProjectId, change: &ProjectChange) -> Option<Project> {
    tx.projects().update(id, change).await.expect("a project is changed")
}

async fn delete(tx: &mut dyn WorkTx, id: ProjectId) -> bool {
    tx.projects().delete(id).await.expect("a project is deleted")
}

async fn list(
    tx: &mut dyn WorkTx,
    status: Option<ProjectStatus>,
    page: SortedQuery<ProjectOrder>,
) -> SortedPage<Project> {
    tx.projects().list(&ProjectQuery { status, page, ..ProjectQuery::default() }).await.expect("projects are listed")
}

async fn statistics(tx: &mut dyn WorkTx) -> ProjectStatistics {
    tx.projects().statistics().await.expect("projects and tasks are counted")
}

/// An id behind those of all other projects, and five projects behind it.
async fn some_projects(tx: &mut dyn WorkTx) -> (ProjectId, Vec<ProjectId>) {
    let floor = ProjectId::generate();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(insert(tx, &new_project()).await.id);
    }
    (floor, ids)
}

fn page_of(limit: u64, order: ProjectOrder, after: Option<ProjectId>) -> SortedQuery<ProjectOrder> {
    let behind = |id: ProjectId| Position { key: SortKey::Id, id: id.as_uuid() };
    SortedQuery { after: after.map(behind), limit: Limit::new(limit).expect("a small page"), order }
}

fn ids_of(page: &SortedPage<Project>) -> Vec<ProjectId> {
    page.items.iter().map(|project| project.id).collect()
}

/// By how much each kind has grown, without those that have not.
fn growth<K: Copy + PartialEq>(before: &[(K, i64)], after: &[(K, i64)]) -> Vec<(K, i64)> {
    let count = |kind: K| before.iter().find(|(it, _)| *it == kind).map_or(0, |(_, number)| *number);
    after.iter().map(|(kind, number)| (*kind, number - count(*kind))).filter(|(_, grown)| *grown != 0).collect()
}

fn name(raw: &str) -> ProjectName {
    ProjectName::parse(raw).expect("a clean line")
}

fn description(raw: &str) -> ProjectDescription {
    ProjectDescription::parse(raw).expect("clean paragraphs")
}
