//! The deployable: reads the configuration, puts the parts together, serves, and carries out an operator's commands.
//!
//! May use every other crate. Start reading at [`settings`] and [`serve`](mod@serve); `main.rs` has the commands.

pub mod collector;
mod credentials;
pub mod database;
pub mod key_ring;
pub mod keys;
pub mod logging;
pub mod operations;
pub mod security;
pub mod seed;
pub mod serve;
pub mod services;
pub mod settings;

pub use database::Database;
pub use services::Services;
pub use settings::{Environment, Settings};
