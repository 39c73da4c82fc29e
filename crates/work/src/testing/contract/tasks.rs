//! What every repository of tasks does.

use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{Day, Limit, Moment, Position, Search, SortKey, SortedPage, SortedQuery, UserId};

use super::projects;
use crate::WorkTx;
use crate::projects::ProjectId;
use crate::tasks::{
    NewTask, Task, TaskDescription, TaskError, TaskId, TaskOrder, TaskPriority, TaskQuery, TaskStatus, TaskTitle,
};
use crate::testing::{new_project, new_task};

pub(super) async fn a_task_comes_back_as_stored(tx: &mut dyn WorkTx, member: UserId) {
    let plain = new_task(project(tx).await);
    let full = NewTask {
        id: TaskId::generate(),
        title: title("Ada's \"rocket\" \\ 100 % _ $1 мир 🦀"),
        description: description("'); drop table tasks; --\n\ttwo\r\nthree "),
        status: TaskStatus::Done,
        priority: TaskPriority::Urgent,
        assignee: Some(member),
        due: Day::parse("2028-02-29").ok(),
        creator: Some(member),
        ..plain.clone()
    };

    for new in [plain, full] {
        let task = insert(tx, &new).await;

        let NewTask { id, project, title, description, status, priority, assignee, due, creator } = new;
        let completed_at = completion(status);
        let (version, created_at, updated_at) = (1, task.created_at, task.created_at);
        let expected = Task {
            id,
            project,
            title,
            description,
            status,
            priority,
            assignee,
            due,
            completed_at,
            creator,
            version,
            created_at,
            updated_at,
        };
        assert_eq!(task, expected);
        assert_eq!(find(tx, id).await.as_ref(), Some(&expected));
        assert_eq!(tx.tasks().find_for_update(id).await.expect("a task is looked up"), Some(expected));
    }
}

pub(super) async fn every_status_and_priority_of_a_task_is_stored(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    for status in TaskStatus::ALL {
        for priority in TaskPriority::ALL {
            let new = NewTask { status: *status, priority: *priority, ..new_task(project) };

            insert(tx, &new).await;

            let stored = find(tx, new.id).await.map(|task| (task.status, task.priority));
            assert_eq!(stored, Some((*status, *priority)));
        }
    }
}

pub(super) async fn the_longest_texts_of_a_task_are_stored(tx: &mut dyn WorkTx, _: UserId) {
    let new = NewTask {
        title: title(&"🦀".repeat(TaskTitle::MAX)),
        description: description(&"🦀".repeat(TaskDescription::MAX)),
        ..new_task(project(tx).await)
    };

    insert(tx, &new).await;

    let texts = find(tx, new.id).await.map(|task| (task.title, task.description));
    assert_eq!(texts, Some((new.title, new.description)));
}

pub(super) async fn an_update_stores_every_field_and_counts_up(tx: &mut dyn WorkTx, member: UserId) {
    let (here, there) = (project(tx).await, project(tx).await);
    let (bystander, task) = (insert(tx, &new_task(here)).await, insert(tx, &new_task(here)).await);
    let wanted = Task {
        project: there,
        title: title("Land it"),
        description: description("softly"),
        status: TaskStatus::Done,
        priority: TaskPriority::High,
        assignee: Some(member),
        due: Day::parse("2028-02-29").ok(),
        completed_at: completion(TaskStatus::Done),
        ..task.clone()
    };

    let changed = update(tx, &wanted).await;

    assert_eq!(changed, Task { version: 2, updated_at: changed.updated_at.max(task.updated_at), ..wanted });
    assert_eq!(find(tx, task.id).await.as_ref(), Some(&changed));
    assert_eq!(find(tx, bystander.id).await, Some(bystander));
    assert_eq!(update(tx, &changed).await.version, 3);
}

pub(super) async fn an_update_empties_what_is_none(tx: &mut dyn WorkTx, member: UserId) {
    let full = NewTask {
        status: TaskStatus::Done,
        assignee: Some(member),
        due: Day::parse("2028-02-29").ok(),
        ..new_task(project(tx).await)
    };
    let task = insert(tx, &full).await;

    let changed = update(
        tx,
        &Task { status: TaskStatus::Blocked, assignee: None, due: None, completed_at: None, ..task.clone() },
    )
    .await;

    assert_eq!((changed.assignee, changed.due, changed.completed_at), (None, None, None));
    assert_eq!(find(tx, task.id).await, Some(changed));
}

pub(super) async fn a_missing_task_is_none(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    let task = insert(tx, &new_task(project)).await;
    let id = TaskId::generate();

    assert_eq!(find(tx, id).await, None);
    assert_eq!(tx.tasks().find_for_update(id).await.expect("a task is looked up"), None);
    assert!(!delete(tx, id).await);
    let refused = tx.tasks().update(&Task { id, ..task }).await;
    assert!(matches!(refused, Err(TaskError::NotFound(missing)) if missing == id), "{refused:?}");
}

pub(super) async fn a_deleted_task_is_gone(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    let (bystander, task) = (insert(tx, &new_task(project)).await, insert(tx, &new_task(project)).await);

    assert!(delete(tx, task.id).await);

    assert!(!delete(tx, task.id).await);
    assert_eq!(find(tx, task.id).await, None);
    assert_eq!(find(tx, bystander.id).await, Some(bystander));
}

pub(super) async fn tasks_come_in_the_order_asked_for(tx: &mut dyn WorkTx, _: UserId) {
    let (project, ids) = some_tasks(tx).await;

    let oldest = list(tx, project, page_of(5, TaskOrder::Oldest, None)).await;
    let newest = list(tx, project, page_of(5, TaskOrder::Newest, None)).await;

    assert_eq!(ids_of(&oldest), ids);
    assert_eq!(ids_of(&newest), ids.into_iter().rev().collect::<Vec<_>>());
}

pub(super) async fn a_page_of_tasks_continues_where_the_last_one_ended(tx: &mut dyn WorkTx, _: UserId) {
    let (project, ids) = some_tasks(tx).await;

    let mut page = list(tx, project, page_of(2, TaskOrder::Newest, None)).await;
    let (mut seen, mut sizes) = (ids_of(&page), vec![page.items.len()]);
    while let Some(last) = page.next {
        page = list(tx, project, page_of(2, TaskOrder::Newest, Some(TaskId::from_uuid(last.id)))).await;
        seen.extend(ids_of(&page));
        sizes.push(page.items.len());
    }

    assert_eq!((seen, sizes), (ids.into_iter().rev().collect(), vec![2, 2, 1]));
}

pub(super) async fn a_list_of_tasks_is_stable_while_rows_come_and_go(tx: &mut dyn WorkTx, _: UserId) {
    let (project, ids) = some_tasks(tx).await;

    let first = list(tx, project, page_of(2, TaskOrder::Newest, None)).await;
    let last = first.next.as_ref().map(|at| TaskId::from_uuid(at.id)).expect("five tasks are more than a page of two");
    insert(tx, &new_task(project)).await;
    delete(tx, last).await;
    let second = list(tx, project, page_of(2, TaskOrder::Newest, Some(last))).await;

    let seen = [ids_of(&first), ids_of(&second)].concat();
    assert_eq!(seen, ids.into_iter().rev().take(4).collect::<Vec<_>>());
}

/// Makes a task of every combination of two projects, statuses, priorities and assignees, and asks for each with any
/// combination of the filters.
pub(super) async fn filters_combine(tx: &mut dyn WorkTx, member: UserId) {
    let page = page_of(200, TaskOrder::Oldest, Some(TaskId::generate()));
    let (here, there) = (project(tx).await, project(tx).await);
    let mut tasks = Vec::new();
    for bits in 0..16 {
        let new = NewTask {
            status: pick(bits, 1, TaskStatus::Todo, TaskStatus::Blocked),
            priority: pick(bits, 2, TaskPriority::Low, TaskPriority::High),
            assignee: pick(bits, 4, None, Some(member)),
            ..new_task(pick(bits, 8, here, there))
        };
        tasks.push(insert(tx, &new).await);
    }

    for bits in 0..16 {
        let query = TaskQuery {
            status: pick(bits, 1, None, Some(TaskStatus::Blocked)),
            priority: pick(bits, 2, None, Some(TaskPriority::High)),
            assignee: pick(bits, 4, None, Some(member)),
            project: pick(bits, 8, None, Some(there)),
            page: page.clone(),
            ..TaskQuery::default()
        };

        let found = tx.tasks().list(&query).await.expect("tasks are listed");

        // What is filtered for are the second values, so a task matches when it has all of the bits.
        let expected = tasks.iter().zip(0..16).filter(|(_, task)| task & bits == bits).map(|(task, _)| task.clone());
        assert_eq!((found.items, found.next), (expected.collect(), None), "{query:?}");
    }
}

pub(super) async fn tasks_are_sorted_by_what_they_are_asked_to_be(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    let mut made = Vec::new();
    for due in ["2028-02-29", "", "2027-01-01", "9999-12-31", "", "2027-01-01"] {
        made.push(insert(tx, &NewTask { due: Day::parse(due).ok(), ..new_task(project) }).await);
    }

    for order in TaskOrder::ALL {
        let mut expected: Vec<_> = made.iter().map(|task| (order.position(task), task.id)).collect();
        expected.sort_by(|(a, _), (b, _)| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if order.is_descending() {
            expected.reverse();
        }

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = list(tx, project, SortedQuery { after, ..page_of(2, *order, None) }).await;
            seen.extend(ids_of(&page));
            let Some(next) = page.next else { break };
            after = Some(next);
        }

        assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{order}");
    }
}

pub(super) async fn tasks_are_filtered_by_day_words_and_change(tx: &mut dyn WorkTx, _: UserId) {
    let project = project(tx).await;
    let due = NewTask { due: Day::parse("2028-02-29").ok(), ..new_task(project) };
    let due = insert(tx, &NewTask { description: description("Zebra crossing"), ..due }).await;
    insert(tx, &new_task(project)).await;
    let day = |day| Day::parse(day).ok();
    let later = Moment::parse(&(due.updated_at + TimeDelta::seconds(1)).to_rfc3339()).ok();

    for (query, is_found) in [
        (TaskQuery { due_from: day("2028-02-29"), ..TaskQuery::default() }, true),
        (TaskQuery { due_from: day("2028-03-01"), ..TaskQuery::default() }, false),
        (TaskQuery { due_to: day("2028-02-29"), ..TaskQuery::default() }, true),
        (TaskQuery { due_to: day("2028-02-28"), ..TaskQuery::default() }, false),
        (TaskQuery { search: Search::parse("cross zeb").ok(), ..TaskQuery::default() }, true),
        (TaskQuery { updated_since: later, ..TaskQuery::default() }, false),
    ] {
        let found =
            tx.tasks().list(&TaskQuery { project: Some(project), ..query.clone() }).await.expect("tasks are listed");
        let expected = if is_found { vec![due.clone()] } else { vec![] };
        assert_eq!(found.items, expected, "{query:?}");
    }
}

pub(super) async fn several_tasks_are_stored_in_their_order(tx: &mut dyn WorkTx, member: UserId) {
    let project = project(tx).await;
    let statuses = [TaskStatus::Done, TaskStatus::Todo, TaskStatus::Done];
    let new: Vec<_> = statuses.map(|status| NewTask { status, assignee: Some(member), ..new_task(project) }).into();
    let now = DateTime::UNIX_EPOCH;

    let made = tx.tasks().insert_many(&new, now).await.expect("tasks are stored");

    assert_eq!(made.iter().map(|it| it.id).collect::<Vec<_>>(), new.iter().map(|it| it.id).collect::<Vec<_>>());
    assert_eq!(made.iter().map(|it| it.completed_at).collect::<Vec<_>>(), [Some(now), None, Some(now)]);
    assert_eq!(find(tx, new[1].id).await.as_ref(), Some(&made[1]));
}

pub(super) async fn a_task_of_an_unknown_project_is_refused(tx: &mut dyn WorkTx, _: UserId) {
    let unknown = ProjectId::generate();

    let refused = tx.tasks().insert(&new_task(unknown), None).await;

    assert!(matches!(refused, Err(TaskError::ProjectUnknown(id)) if id == unknown), "{refused:?}");
}

pub(super) async fn a_move_to_an_unknown_project_is_refused(tx: &mut dyn WorkTx, _: UserId) {
    let (project, unknown) = (project(tx).await, ProjectId::generate());
    let task = insert(tx, &new_task(project)).await;

    let refused = tx.tasks().update(&Task { project: unknown, ..task }).await;

    assert!(matches!(refused, Err(TaskError::ProjectUnknown(id)) if id == unknown), "{refused:?}");
}

pub(super) async fn the_id_of_a_task_is_given_once(tx: &mut dyn WorkTx, _: UserId) {
    let new = new_task(project(tx).await);
    insert(tx, &new).await;

    let refused = tx.tasks().insert(&new, None).await;

    assert!(matches!(refused, Err(TaskError::Store(_))), "{refused:?}");
}

/// Stores a task, finished if that is its status.
pub(super) async fn insert(tx: &mut dyn WorkTx, new: &NewTask) -> Task {
    tx.tasks().insert(new, completion(new.status)).await.expect("a task is stored")
}

pub(super) async fn find(tx: &mut dyn WorkTx, id: TaskId) -> Option<Task> {
    tx.tasks().find(id).await.expect("a task is looked up")
}

async fn update(tx: &mut dyn WorkTx, task: &Task) -> Task {
    tx.tasks().update(task).await.expect("a task is changed")
}

async fn delete(tx: &mut dyn WorkTx, id: TaskId) -> bool {
    tx.tasks().delete(id).await.expect("a task is deleted")
}

async fn list(tx: &mut dyn WorkTx, project: ProjectId, page: SortedQuery<TaskOrder>) -> SortedPage<Task> {
    let query = TaskQuery { project: Some(project), page, ..TaskQuery::default() };
    tx.tasks().list(&query).await.expect("tasks are listed")
}

async fn project(tx: &mut dyn WorkTx) -> ProjectId {
    projects::insert(tx, &new_project()).await.id
}

/// A project with five tasks, in the order of their ids.
async fn some_tasks(tx: &mut dyn WorkTx) -> (ProjectId, Vec<TaskId>) {
    let project = project(tx).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(insert(tx, &new_task(project)).await.id);
    }
    (project, ids)
}

/// A time with microseconds, which is what every store keeps, exactly for what is done.
fn completion(status: TaskStatus) -> Option<DateTime<Utc>> {
    (status == TaskStatus::Done).then(|| DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_767_225_600_123_456))
}

fn page_of(limit: u64, order: TaskOrder, after: Option<TaskId>) -> SortedQuery<TaskOrder> {
    let behind = |id: TaskId| Position { key: SortKey::Id, id: id.as_uuid() };
    SortedQuery { after: after.map(behind), limit: Limit::new(limit).expect("1 to 200"), order }
}

fn ids_of(page: &SortedPage<Task>) -> Vec<TaskId> {
    page.items.iter().map(|task| task.id).collect()
}

/// The first value, or the second where `bits` has `bit`.
fn pick<T>(bits: u8, bit: u8, first: T, second: T) -> T {
    if bits & bit == 0 { first } else { second }
}

fn title(raw: &str) -> TaskTitle {
    TaskTitle::parse(raw).expect("a clean line")
}

fn description(raw: &str) -> TaskDescription {
    TaskDescription::parse(raw).expect("clean paragraphs")
}
