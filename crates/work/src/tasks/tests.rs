//! The rules of tasks, tried on repositories in memory.

use std::sync::Arc;

use tenantry_tenancy::Expected;
use tenantry_tenancy::clock::FixedClock;

use super::*;
use crate::testing::{MANAGER, MemoryWork, MockWork, new_project, new_task};

const NOW: FixedClock = FixedClock(DateTime::UNIX_EPOCH);
const LATER: FixedClock = FixedClock(DateTime::from_timestamp(86_400, 0).unwrap());

#[tokio::test]
async fn a_task_may_be_nobodys() {
    let (mut tx, project) = work().await;

    let task = create(&mut tx, &NOW, &new_task(project)).await.unwrap();

    assert_eq!((task.assignee, task.completed_at, task.version), (None, None, 1));
    assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
}

#[tokio::test]
async fn a_task_may_be_a_members() {
    let (mut tx, project) = work().await;
    let ada = UserId::generate();
    tx.add_member(ada);

    let task = create(&mut tx, &NOW, &NewTask { assignee: Some(ada), ..new_task(project) }).await.unwrap();

    assert_eq!(task.assignee, Some(ada));
}

#[tokio::test]
async fn a_task_made_for_a_stranger_is_refused_and_not_stored() {
    let (mut tx, project) = work().await;
    let stranger = UserId::generate();
    let new = NewTask { assignee: Some(stranger), ..new_task(project) };

    let refused = create(&mut tx, &NOW, &new).await;

    assert!(matches!(refused, Err(TaskError::AssigneeUnknown(user)) if user == stranger), "{refused:?}");
    assert_eq!(tx.tasks().find(new.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_task_of_an_unknown_project_is_refused() {
    let (mut tx, _) = work().await;
    let unknown = ProjectId::generate();

    let refused = create(&mut tx, &NOW, &new_task(unknown)).await;

    assert!(matches!(refused, Err(TaskError::ProjectUnknown(id)) if id == unknown), "{refused:?}");
}

#[tokio::test]
async fn a_task_made_done_is_completed_at_once() {
    let (mut tx, project) = work().await;

    let task = create(&mut tx, &NOW, &NewTask { status: TaskStatus::Done, ..new_task(project) }).await.unwrap();

    assert_eq!(task.completed_at, Some(NOW.0));
}

#[tokio::test]
async fn completing_says_when() {
    let (mut tx, task) = work_with_task().await;

    let completed = complete(&mut tx, &LATER, MANAGER, task.id, &Expected::ANY).await.unwrap();

    let expected = Task { status: TaskStatus::Done, completed_at: Some(LATER.0), version: 2, ..task };
    assert_eq!(completed, expected);
    assert_eq!(show(&mut tx, expected.id).await.unwrap(), expected);
}

#[tokio::test]
async fn completing_twice_changes_nothing() {
    let (mut tx, task) = work_with_task().await;
    let completed = complete(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY).await.unwrap();

    let again = complete(&mut tx, &LATER, MANAGER, task.id, &Expected::ANY).await.unwrap();

    assert_eq!(again, completed);
    assert_eq!(show(&mut tx, task.id).await.unwrap(), completed);
}

#[tokio::test]
async fn a_done_task_keeps_its_time_when_something_else_changes() {
    let (mut tx, task) = work_with_task().await;
    complete(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY).await.unwrap();
    let urgent = TaskChange { priority: Some(TaskPriority::Urgent), ..TaskChange::default() };

    let changed = change(&mut tx, &LATER, MANAGER, task.id, &Expected::ANY, urgent).await.unwrap();

    assert_eq!((changed.completed_at, changed.version), (Some(NOW.0), 3));
}

#[tokio::test]
async fn reopening_clears_when_it_was_completed() {
    for status in TaskStatus::ALL.iter().copied().filter(|status| *status != TaskStatus::Done) {
        let (mut tx, task) = work_with_task().await;
        complete(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY).await.unwrap();

        let reopened = change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, to_status(status)).await.unwrap();

        assert_eq!((reopened.status, reopened.completed_at), (status, None));
    }
}

#[tokio::test]
async fn completing_after_reopening_says_the_later_time() {
    let (mut tx, task) = work_with_task().await;
    complete(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY).await.unwrap();
    change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, to_status(TaskStatus::Todo)).await.unwrap();

    let completed = complete(&mut tx, &LATER, MANAGER, task.id, &Expected::ANY).await.unwrap();

    assert_eq!(completed.completed_at, Some(LATER.0));
}

#[tokio::test]
async fn changing_nothing_keeps_the_version() {
    let (mut tx, task) = work_with_task().await;
    let same = TaskChange {
        project: Some(task.project),
        title: Some(task.title.clone()),
        description: Some(task.description.clone()),
        status: Some(task.status),
        priority: Some(task.priority),
        assignee: Some(task.assignee),
        due: Some(task.due),
    };

    for nothing in [TaskChange::default(), same] {
        assert_eq!(change(&mut tx, &LATER, MANAGER, task.id, &Expected::ANY, nothing).await.unwrap(), task);
    }

    assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
}

#[tokio::test]
async fn a_change_sets_each_field_given_and_empties_what_is_given_empty() {
    let (mut tx, task) = work_with_task().await;
    let there = tx.projects().insert(&new_project()).await.unwrap().id;
    let (ada, due) = (UserId::generate(), Day::parse("2028-02-29").ok());
    tx.add_member(ada);
    let (title, description) = (TaskTitle::parse("Land").unwrap(), TaskDescription::parse("softly").unwrap());
    let full = TaskChange {
        project: Some(there),
        title: Some(title.clone()),
        description: Some(description.clone()),
        status: Some(TaskStatus::Blocked),
        priority: Some(TaskPriority::High),
        assignee: Some(Some(ada)),
        due: Some(due),
    };
    let empty = TaskChange { assignee: Some(None), due: Some(None), ..TaskChange::default() };

    let filled = change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, full).await.unwrap();
    let emptied = change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, empty).await.unwrap();

    let (status, priority, assignee) = (TaskStatus::Blocked, TaskPriority::High, Some(ada));
    let expected = Task { project: there, title, description, status, priority, assignee, due, version: 2, ..task };
    assert_eq!(filled, expected);
    assert_eq!(emptied, Task { assignee: None, due: None, version: 3, ..expected });
}

#[tokio::test]
async fn giving_a_task_to_a_stranger_is_refused() {
    let (mut tx, task) = work_with_task().await;
    let stranger = UserId::generate();
    let given = TaskChange { assignee: Some(Some(stranger)), ..TaskChange::default() };

    let refused = change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, given).await;

    assert!(matches!(refused, Err(TaskError::AssigneeUnknown(user)) if user == stranger), "{refused:?}");
    assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
}

#[tokio::test]
async fn a_task_of_somebody_who_left_can_still_be_completed() {
    let (mut tx, project) = work().await;
    let ada = UserId::generate();
    tx.add_member(ada);
    let task = create(&mut tx, &NOW, &NewTask { assignee: Some(ada), ..new_task(project) }).await.unwrap();
    tx.remove_member(ada);

    let completed = complete(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY).await.unwrap();

    assert_eq!((completed.status, completed.assignee), (TaskStatus::Done, Some(ada)));
}

#[tokio::test]
async fn moving_a_task_to_an_unknown_project_is_refused() {
    let (mut tx, task) = work_with_task().await;
    let unknown = ProjectId::generate();
    let moved = TaskChange { project: Some(unknown), ..TaskChange::default() };

    let refused = change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, moved).await;

    assert!(matches!(refused, Err(TaskError::ProjectUnknown(id)) if id == unknown), "{refused:?}");
    assert_eq!(show(&mut tx, task.id).await.unwrap(), task);
}

#[tokio::test]
async fn a_change_locks_the_task_it_reads() {
    let (_, task) = work_with_task().await;
    let (read, id) = (task.clone(), task.id);
    let mut tx = MockWork::default();
    tx.tasks.expect_find_for_update().once().returning(move |_| Ok(Some(read.clone())));
    tx.tasks.expect_update().once().returning(|task| Ok(task.clone()));

    let completed = complete(&mut tx, &NOW, MANAGER, id, &Expected::ANY).await.unwrap();

    assert_eq!(completed, Task { status: TaskStatus::Done, completed_at: Some(NOW.0), ..task });
}

#[tokio::test]
async fn whoever_does_not_manage_changes_their_own_tasks_only() {
    let (mut tx, project) = work().await;
    let (ada, bob) = (UserId::generate(), UserId::generate());
    tx.add_member(bob);
    let new = NewTask { creator: Some(ada), assignee: Some(bob), ..new_task(project) };
    let task = create(&mut tx, &NOW, &new).await.unwrap();
    let of = |user| Editor { user, manages: false };

    for stranger in [of(Some(UserId::generate())), of(None)] {
        let refused = [
            change(&mut tx, &NOW, stranger, task.id, &Expected::ANY, to_status(TaskStatus::Blocked)).await.map(drop),
            complete(&mut tx, &NOW, stranger, task.id, &Expected::ANY).await.map(drop),
            delete(&mut tx, stranger, task.id, &Expected::ANY).await,
        ];
        for refused in refused {
            assert!(matches!(refused, Err(TaskError::NotOwn(id)) if id == task.id), "{refused:?}");
        }
    }
    assert_eq!(show(&mut tx, task.id).await.unwrap(), task);

    for editor in [of(Some(ada)), of(Some(bob)), MANAGER] {
        complete(&mut tx, &NOW, editor, task.id, &Expected::ANY).await.unwrap();
        change(&mut tx, &NOW, editor, task.id, &Expected::ANY, to_status(TaskStatus::Todo)).await.unwrap();
    }
    delete(&mut tx, of(Some(bob)), task.id, &Expected::ANY).await.unwrap();
}

#[tokio::test]
async fn a_task_that_nobody_made_and_nobody_does_is_nobodys() {
    let (mut tx, task) = work_with_task().await;
    let somebody = Editor { user: Some(UserId::generate()), manages: false };

    let refused = complete(&mut tx, &NOW, somebody, task.id, &Expected::ANY).await;

    assert!(matches!(refused, Err(TaskError::NotOwn(_))), "{refused:?}");
    assert!(!Editor { user: None, manages: false }.may_change(&task));
}

#[tokio::test]
async fn a_missing_task_is_not_found() {
    let (mut tx, task) = work_with_task().await;
    delete(&mut tx, MANAGER, task.id, &Expected::ANY).await.unwrap();

    let refused = [
        show(&mut tx, task.id).await.map(drop),
        change(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY, TaskChange::default()).await.map(drop),
        complete(&mut tx, &NOW, MANAGER, task.id, &Expected::ANY).await.map(drop),
        delete(&mut tx, MANAGER, task.id, &Expected::ANY).await,
    ];

    for result in refused {
        assert!(matches!(result, Err(TaskError::NotFound(missing)) if missing == task.id), "{result:?}");
    }
}

#[tokio::test]
async fn the_tasks_of_a_deleted_project_are_gone() {
    let (mut tx, task) = work_with_task().await;

    projects::delete(&mut tx, task.project, &Expected::ANY).await.unwrap();

    assert!(matches!(show(&mut tx, task.id).await, Err(TaskError::NotFound(_))));
}

#[tokio::test]
async fn the_list_of_a_project_shows_its_tasks_only() {
    let (mut tx, task) = work_with_task().await;
    let elsewhere = tx.projects().insert(&new_project()).await.unwrap().id;
    tx.tasks().insert(&new_task(elsewhere), None).await.unwrap();
    let blocked = NewTask { status: TaskStatus::Blocked, ..new_task(task.project) };
    let blocked = tx.tasks().insert(&blocked, None).await.unwrap();
    let filter = TaskQuery { status: Some(TaskStatus::Blocked), project: Some(elsewhere), ..TaskQuery::default() };

    let all = list_of_project(&mut tx, task.project, &TaskQuery::default()).await.unwrap();
    let filtered = list_of_project(&mut tx, task.project, &filter).await.unwrap();

    assert_eq!(all.items, [blocked.clone(), task]);
    assert_eq!(filtered.items, [blocked]);
}

#[tokio::test]
async fn the_list_of_a_missing_project_is_not_found() {
    let (mut tx, _) = work_with_task().await;
    let unknown = ProjectId::generate();

    let refused = list_of_project(&mut tx, unknown, &TaskQuery::default()).await;

    assert!(matches!(refused, Err(ProjectError::NotFound(id)) if id == unknown), "{refused:?}");
}

#[tokio::test]
async fn a_failure_of_the_store_is_no_missing_task() {
    let mut tx = MockWork::default();
    tx.tasks.expect_find_for_update().once().returning(|_| Err(StoreError::unavailable("no route")));

    let refused = complete(&mut tx, &NOW, MANAGER, TaskId::generate(), &Expected::ANY).await;

    assert!(matches!(refused, Err(TaskError::Store(StoreError::Unavailable(_)))), "{refused:?}");
}

#[test]
fn a_status_and_a_priority_are_read_from_their_own_words_only() {
    for (status, word) in TaskStatus::ALL.iter().zip(["todo", "in_progress", "blocked", "done", "cancelled"]) {
        assert_eq!((word.parse(), status.as_str()), (Ok(*status), word));
    }
    for (priority, word) in TaskPriority::ALL.iter().zip(["low", "medium", "high", "urgent"]) {
        assert_eq!((word.parse(), priority.as_str()), (Ok(*priority), word));
    }
    for word in ["", "Done", "in-progress", "done "] {
        assert!(word.parse::<TaskStatus>().is_err() && word.parse::<TaskPriority>().is_err(), "{word:?}");
    }
}

/// A tenant with one project.
async fn work() -> (MemoryWork, ProjectId) {
    let mut tx = MemoryWork::new(Arc::new(NOW));
    let project = tx.projects().insert(&new_project()).await.unwrap();
    (tx, project.id)
}

/// A tenant with one project, which has one task, which is not begun.
async fn work_with_task() -> (MemoryWork, Task) {
    let (mut tx, project) = work().await;
    let task = tx.tasks().insert(&new_task(project), None).await.unwrap();
    (tx, task)
}

fn to_status(status: TaskStatus) -> TaskChange {
    TaskChange { status: Some(status), ..TaskChange::default() }
}

#[tokio::test]
async fn a_change_made_from_another_version_changes_nothing() {
    let (mut tx, task) = work_with_task().await;
    let first = Expected::one_of(vec![task.version]);
    let done = complete(&mut tx, &NOW, MANAGER, task.id, &first).await.unwrap();

    let stale = [
        change(&mut tx, &NOW, MANAGER, task.id, &first, to_status(TaskStatus::Blocked)).await.map(drop),
        complete(&mut tx, &NOW, MANAGER, task.id, &first).await.map(drop),
        delete(&mut tx, MANAGER, task.id, &first).await,
    ];

    assert!(stale.iter().all(|it| matches!(it, Err(TaskError::Stale(_)))), "{stale:?}");
    assert_eq!(show(&mut tx, task.id).await.unwrap(), done);
}

#[tokio::test]
async fn several_tasks_are_all_made_or_none_is() {
    let (mut tx, project) = work().await;
    let (ada, missing) = (UserId::generate(), ProjectId::generate());
    let good = new_task(project);
    let assigned = NewTask { assignee: Some(ada), ..new_task(project) };
    let lost = new_task(missing);

    let refused = create_many(&mut tx, &NOW, &[good.clone(), assigned.clone(), lost]).await;

    let Err(TaskError::Items(faults)) = refused else { panic!("{refused:?}") };
    assert!(
        matches!(&faults[..], [(1, TaskError::AssigneeUnknown(user)), (2, TaskError::ProjectUnknown(id))] if *user == ada && *id == missing),
        "{faults:?}"
    );
    assert_eq!(tx.tasks().list(&TaskQuery::default()).await.unwrap().items, []);
    tx.add_member(ada);
    let made = create_many(&mut tx, &NOW, &[good, assigned]).await.unwrap();
    assert_eq!(made.len(), 2);
}
