# `make run` and `make test` do everything; `make help` lists the rest.
# All installing happens in scripts/bootstrap.py, which is safe to start twice and to interrupt.
SHELL := /bin/sh
# The locks have packages for these versions. Of several Pythons the user's own is taken, else the newest.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
    $$p -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo $$p; break; }; done)
endif
BIN := .venv/bin
WORKERS ?= 4  # of the tests: some of their time is waiting, so that four keep two cores busy

# Hundreds of processes import the same modules, whose compiled form some containers are set up not to keep.
KEEP_COMPILED := PYTHONDONTWRITEBYTECODE=
# What tests write and read is UTF-8, whatever the locale of their user.
IN_UTF8 := PYTHONUTF8=1

.DEFAULT_GOAL := help
.PHONY: help .venv .venv-run run test test-long lint bench lock clean

help: ## Show the targets
	@grep -E '^[.a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([.a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

define bootstrap
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.11, 3.12, 3.13 or 3.14 is here. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' || { echo "$(PYTHON) is not Python 3.11, 3.12, 3.13 or 3.14. Name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" scripts/bootstrap.py $(1)
endef

.venv: ## Make the whole environment, tests and linters included
	$(call bootstrap,dev)

.venv-run:
	$(call bootstrap,run)

run: .venv-run ## One swarm decision on real prices, traced: no key, no network
	@$(BIN)/moondev trade EURUSD --swarm

test: .venv ## All tests, by WORKERS=4 processes (ARGS="tests/unit -x" and the like go to pytest)
	@$(KEEP_COMPILED) $(IN_UTF8) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-long: .venv ## All tests, in full what is long by nature: random examples, fuzzed inputs, kill rounds
	@$(KEEP_COMPILED) $(IN_UTF8) MOONDEV_TEST_LONG=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --timeout 3600 $(ARGS)

lint: .venv ## Formatting, lint, types, import contracts, no call round the factory, names and lengths
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo \
	    && $(BIN)/python scripts/check_direct_calls.py && $(BIN)/python scripts/check_names.py

bench: .venv ## Overhead of a traced call beside raw SDKs and Langfuse's own wrapper
	@$(BIN)/python benchmarks/overhead.py $(ARGS)

lock: .venv ## Resolve the locks again from pyproject.toml
	@$(BIN)/python scripts/lock.py

clean: ## Remove the environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
