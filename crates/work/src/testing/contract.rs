//! The contract: what every store of the module does, checked on an open transaction.
//!
//! Run each check of [`ALL`] in a transaction of its own, in a tenant of its own or in one with other work, and undo the
//! transaction afterwards: a check may end with a refused write, after which Postgres commits nothing.
//!
//! ```
//! use tenantry_tenancy::UserId;
//! use tenantry_work::WorkTx;
//! use tenantry_work::testing::contract;
//!
//! async fn keeps_the_contract<Tx: WorkTx>(begin: impl AsyncFn(UserId) -> Tx) {
//!     for (name, check) in contract::ALL {
//!         println!("{name}");
//!         let member = UserId::generate();
//!         let mut tx = begin(member).await;
//!         check(&mut tx, member).await;
//!     }
//! }
//! ```

#![expect(clippy::indexing_slicing, reason = "a contract that is not kept fails the test that runs it")]

mod documents;
mod members;
mod projects;
mod tasks;

use std::pin::Pin;

use tenantry_tenancy::UserId;

use crate::WorkTx;

/// Checks one behaviour in a tenant that has this member. Panics if the store behaves otherwise.
pub type Check = for<'a> fn(&'a mut dyn WorkTx, UserId) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

// A check that is not listed here is dead code, which the compiler reports.
macro_rules! all {
    ($($resource:ident { $($check:ident),+ $(,)? })+) => {
        /// Every check, by the name of its behaviour.
        pub const ALL: &[(&str, Check)] =
            &[$($((stringify!($check), |tx, member| Box::pin($resource::$check(tx, member)))),+),+];
    };
}

all! {
    documents {
        a_document_comes_back_as_stored,
        an_update_of_a_document_stores_its_content_and_counts_up,
        deleting_a_project_deletes_its_documents,
        documents_are_filtered_by_project,
        a_blob_is_kept_once,
        what_is_kept_is_released_and_not_given_up,
        what_nobody_waits_for_or_points_at_is_doomed,
        a_document_of_an_unknown_project_is_refused,
    }
    members {
        a_member_is_told_from_a_stranger,
    }
    projects {
        a_project_comes_back_as_stored,
        every_status_of_a_project_is_stored,
        the_longest_texts_of_a_project_are_stored,
        an_update_changes_only_the_fields_given_and_counts_up,
        a_missing_project_is_none,
        a_deleted_project_is_gone,
        deleting_a_project_deletes_its_tasks,
        projects_come_in_the_order_asked_for,
        a_page_of_projects_continues_where_the_last_one_ended,
        a_list_of_projects_is_stable_while_rows_come_and_go,
        projects_are_filtered_by_status,
        projects_are_sorted_by_what_they_are_asked_to_be,
        projects_are_found_by_the_beginnings_of_their_words,
        projects_are_filtered_by_when_they_were_changed,
        several_projects_are_stored_in_their_order,
        existing_projects_are_told_from_missing_ones,
        statistics_count_by_status,
        statistics_leave_out_what_there_is_none_of,
        the_id_of_a_project_is_given_once,
    }
    tasks {
        a_task_comes_back_as_stored,
        every_status_and_priority_of_a_task_is_stored,
        the_longest_texts_of_a_task_are_stored,
        an_update_stores_every_field_and_counts_up,
        an_update_empties_what_is_none,
        a_missing_task_is_none,
        a_deleted_task_is_gone,
        tasks_come_in_the_order_asked_for,
        a_page_of_tasks_continues_where_the_last_one_ended,
        a_list_of_tasks_is_stable_while_rows_come_and_go,
        filters_combine,
        tasks_are_sorted_by_what_they_are_asked_to_be,
        tasks_are_filtered_by_day_words_and_change,
        several_tasks_are_stored_in_their_order,
        a_task_of_an_unknown_project_is_refused,
        a_move_to_an_unknown_project_is_refused,
        the_id_of_a_task_is_given_once,
    }
}
