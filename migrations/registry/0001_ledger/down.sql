drop table registry.schema_ledger;
revoke usage on schema registry from tenantry_platform, tenantry_directory, tenantry_sec;
