//! What every repository of projects does.

use tenantry_tenancy::{Limit, Order, Page, PageQuery, UserId};

use super::tasks;
use crate::WorkTx;
use crate::projects::{
    NewProject, Project, ProjectChange, ProjectDescription, ProjectId, ProjectName, ProjectQuery, ProjectStatistics,
    ProjectStatus,
};
use crate::tasks::TaskStatus;
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
    let (floor, ids, ceiling) = some_projects(tx).await;

    let oldest = list(tx, None, Order::Oldest, floor, 5).await;
    let newest = list(tx, None, Order::Newest, ceiling, 5).await;

    assert_eq!(ids_of(&oldest), ids);
    assert_eq!(ids_of(&newest), ids.into_iter().rev().collect::<Vec<_>>());
}

pub(super) async fn a_page_of_projects_continues_where_the_last_one_ended(tx: &mut dyn WorkTx, _: UserId) {
    let (floor, ids, _) = some_projects(tx).await;

    let (mut seen, mut sizes, mut after) = (Vec::new(), Vec::new(), Some(floor));
    while let Some(last) = after {
        let page = list(tx, None, Order::Oldest, last, 2).await;
        seen.extend(ids_of(&page));
        sizes.push(page.items.len());
        after = page.next.map(ProjectId::from_uuid);
    }

    assert_eq!((seen, sizes), (ids, vec![2, 2, 1]));
}

pub(super) async fn a_list_of_projects_is_stable_while_rows_come_and_go(tx: &mut dyn WorkTx, _: UserId) {
    let (_, ids, ceiling) = some_projects(tx).await;

    let first = list(tx, None, Order::Newest, ceiling, 2).await;
    let last = first.next.map(ProjectId::from_uuid).expect("five projects are more than a page of two");
    insert(tx, &new_project()).await;
    delete(tx, last).await;
    let second = list(tx, None, Order::Newest, last, 2).await;

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

    let full = list(tx, Some(ProjectStatus::Paused), Order::Oldest, floor, 3).await;

    assert_eq!((ids_of(&full), full.next), (paused, None));
}

pub(super) async fn statistics_count_by_status(tx: &mut dyn WorkTx, _: UserId) {
    let before = statistics(tx).await;
    let project = insert(tx, &NewProject { status: ProjectStatus::Paused, ..new_project() }).await;
    insert(tx, &NewProject { status: ProjectStatus::Paused, ..new_project() }).await;
    insert(tx, &NewProject { status: ProjectStatus::Archived, ..new_project() }).await;
    for status in [TaskStatus::Done, TaskStatus::Todo, TaskStatus::Done] {
        tasks::insert(tx, &crate::tasks::NewTask { status, ..new_task(project.id) }).await;
    }

    let after = statistics(tx).await;

    for status in ProjectStatus::ALL {
        let grown = count(&after.projects, *status) - count(&before.projects, *status);
        let expected = [ProjectStatus::Paused, ProjectStatus::Paused, ProjectStatus::Archived];
        assert_eq!(grown, expected.into_iter().filter(|it| it == status).count() as i64, "projects that are {status}");
    }
    for status in TaskStatus::ALL {
        let grown = count(&after.tasks, *status) - count(&before.tasks, *status);
        let expected = [TaskStatus::Done, TaskStatus::Done, TaskStatus::Todo];
        assert_eq!(grown, expected.into_iter().filter(|it| it == status).count() as i64, "tasks that are {status}");
    }
}
