//! Temporary: the tests of isolation alone.
#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no readers from outside")]

mod contracts;
mod gate;
mod harness;
mod injection;
mod isolation;
mod plans;
mod rules;
mod statements;
mod stress;
mod unit_of_work;
