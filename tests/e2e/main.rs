//! End-to-end tests: one binary, one Postgres, and servers on ports of their own.
//!
//! Start reading at `harness.rs`. Every test makes its own tenants: that is its isolation, and it exercises ours.

#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no readers from outside")]

mod accounts;
mod acting;
mod api_client_usage;
mod api_clients;
mod api_keys;
mod audit;
mod audit_events;
mod auth;
mod bodies;
mod bulk_and_export;
mod conditions;
mod configuration;
mod contracts;
mod conventions;
mod custom_roles;
mod customers;
mod directory;
mod document_urls;
mod documents;
mod examples;
mod factors;
mod feed;
mod files_in_s3;
mod gate;
mod harness;
mod health;
mod hosts;
mod idempotency;
mod injection;
mod invoices;
mod isolation;
mod joining;
mod limits;
mod lists;
mod lockout;
mod members;
mod migrations;
mod oauth;
mod openapi;
mod operators;
mod outage;
mod own_tasks;
mod own_tenant;
mod page_bounds;
mod passkeys;
mod plans;
mod process;
mod production;
mod products;
mod projects;
mod proven_factors;
mod provisioning;
mod queries;
mod required_factors;
mod roles;
mod rules;
mod schemas;
mod sessions;
mod signing_keys;
mod statements;
mod stock_movements;
mod stress;
mod suppliers;
mod suspension;
mod tasks;
mod typescript;
mod unit_of_work;
mod upload_bounds;
// xtask new: resources
