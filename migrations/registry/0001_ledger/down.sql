drop table registry.schema_ledger;
