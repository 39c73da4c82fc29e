//! Temporary: the tests of operations alone.
#![expect(missing_docs, unreachable_pub, reason = "a test binary has no readers from outside")]

mod harness;
mod migrations;
