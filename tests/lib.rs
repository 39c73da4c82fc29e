//! Nothing: this package has only the test binary `e2e`.
