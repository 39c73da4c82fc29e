//! Temporary: the tests of operations alone.
#![expect(missing_docs, unreachable_pub, reason = "a test binary has no readers from outside")]

mod audit;
mod configuration;
mod harness;
mod migrations;
mod operators;
mod outage;
mod process;
mod production;
mod provisioning;
mod suspension;
