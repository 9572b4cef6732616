.DEFAULT_GOAL := help
.PHONY: help test cluster fmt deny setup interop fuzz faults bench bench-replicas bench-million bench-quick

help: ## says what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

test: ## all tests, and everything a change must pass
	@bash scripts/test.sh

interop: setup ## only the clients of others and the browser, against what cargo builds
	cargo build --workspace --bins --examples --locked
	.venv/bin/python -m pytest -c interop/python/pytest.ini interop/python
	node --test --test-reporter=spec interop/node/*.test.js interop/browser/*.test.js

setup: ## what the tests need beside Rust
	@bash scripts/setup-test.sh

fuzz: ## every parser of outside input under libFuzzer, SECONDS each (60)
	@SECONDS_EACH=$(or $(SECONDS),60) TARGETS="$(TARGETS)" bash scripts/fuzz.sh

faults: setup ## kills the program, cuts its power, fills its disk, takes its database, some 220 minutes; FAULTS=, STORE=, SEED=, ROUNDS=
	cargo build -p countersign-server --bin countersign --locked
	.venv/bin/python faults/run.py $(if $(STORE),--store $(STORE)) $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(FAULTS)

cluster: ## two replicas over PostgreSQL behind a proxy, on this machine, until Ctrl-C; PORT=8000 is the proxy's
	cargo build --release --locked -p countersign-server
	@python3 scripts/cluster.py --port $(or $(PORT),8000)

fmt: ## formats the code
	cargo fmt --all

deny: ## licences, sources, advisories and double versions, by cargo-deny
	cargo deny --all-features check

bench: ## measures ours beside its peers, and writes benches/results.md: some 14 minutes after the first build
	python3 benches/run.py

bench-replicas: ## one and two replicas over PostgreSQL beside SQLite, and how fast they hear of each other: some 6 minutes
	cargo build --profile dist --locked -p countersign-server -p countersign-bench
	python3 benches/replicas.py

bench-million: ## a million users and a million live grants beside few, in both engines: some 25 minutes and 4 GB
	cargo build --profile dist --locked -p countersign-server -p countersign-bench
	python3 benches/million.py

bench-quick: ## `make bench` with less of everything, in 3 minutes; the results go to a temporary folder
	python3 benches/run.py --quick
