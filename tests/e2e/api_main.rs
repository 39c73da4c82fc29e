//! Temporary: the tests of the API alone.
#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no readers from outside")]

mod auth;
mod bodies;
mod conventions;
mod examples;
mod harness;
mod health;
mod lists;
mod openapi;
mod projects;
mod queries;
mod roles;
mod schemas;
mod tasks;
