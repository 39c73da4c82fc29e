# Everything a developer types. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test lint check bench

CARGO ?= cargo
# A killed `make` must not leave a server on the port: where there is setpriv, the kernel tells it.
WITH_MAKE := $(shell setpriv --pdeathsig TERM true 2>/dev/null && echo setpriv --pdeathsig TERM)

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

run: ## Start everything: a private PostgreSQL, three seeded tenants, the API on 127.0.0.1:8000
	@scripts/ensure-postgres
	$(WITH_MAKE) $(CARGO) run -p tenantry-server -- serve

# The tests of the commands build the program that the end-to-end tests start. Those come last: their summary ends the run.
test: ## Run every test, on a temporary PostgreSQL
	@scripts/ensure-postgres --test
	$(CARGO) test --workspace --lib --bins --test servers --test commands --test generator
	$(CARGO) test --workspace --doc
	$(CARGO) test --workspace --test e2e

lint: ## Formatting, clippy, documentation
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

check: lint ## The same, and the rules of the architecture, which `make test` checks too
	$(CARGO) xtask check

bench: ## Measure the server against pgbench; wants a quiet machine
	@scripts/ensure-postgres --test
	$(CARGO) xtask bench
