//! The two sets of migrations, in their order. `migrations/README.md` says how one is written.

use super::Migration;

macro_rules! migrations {
    ($set:literal: $($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../../../../migrations/", $set, "/", $name, "/up.sql")),
            down: include_str!(concat!("../../../../migrations/", $set, "/", $name, "/down.sql")),
        }),+]
    };
}

/// What is global: once per database.
pub const REGISTRY: &[Migration] = migrations!("registry":
    1 "0001_ledger",
    2 "0002_context",
    3 "0003_tenants",
    4 "0004_credentials",
    5 "0005_directory",
    6 "0006_access",
    7 "0007_browser_sessions",
    8 "0008_api_keys",
    9 "0009_domains",
    10 "0010_security_events",
    11 "0011_accounts",
    12 "0012_acting_grants",
    13 "0013_api_clients",
    14 "0014_invitations",
    15 "0015_lockout",
    16 "0016_second_factors",
    17 "0017_search",
    18 "0018_unaudited",
    19 "0019_stock",
    20 "0020_hardening",
    21 "0021_passkeys",
    22 "0022_client_usage",
    23 "0023_invoices",
    24 "0024_proven_factors",
    25 "0025_codes_of_the_last_factor",
);

/// The tables of tenants: once per schema that has them.
pub const TENANT: &[Migration] = migrations!("tenant":
    1 "0001_audit_events",
    2 "0002_projects",
    3 "0003_tasks",
    4 "0004_audit_actions",
    5 "0005_task_creators",
    6 "0006_lists",
    7 "0007_idempotency_keys",
    8 "0008_documents",
    9 "0009_customers",
    10 "0010_suppliers",
    11 "0011_products",
    12 "0012_stock_movements",
    13 "0013_invoices",
    // xtask new: migrations
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_folder_is_in_its_set_in_the_order_of_its_number() {
        for (folder, set) in [("registry", REGISTRY), ("tenant", TENANT)] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(folder);
            let folders: BTreeSet<String> =
                fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();

            let listed: Vec<&str> = set.iter().map(|migration| migration.name).collect();

            assert_eq!(listed, folders.iter().map(String::as_str).collect::<Vec<_>>());
            for (index, migration) in set.iter().enumerate() {
                assert_eq!(migration.version as usize, index + 1);
                assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
            }
        }
    }
}
