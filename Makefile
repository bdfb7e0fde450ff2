# Everything sets itself up in .venv; nothing but python3 (3.11 or later), make and pip is needed.
PYTHON ?= python3
BIN := .venv/bin
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
# Tests of one file stay together: they share what takes long to make.
ON_TWO_CORES := --numprocesses 2 --dist loadfile

.PHONY: demo federation test test-all lint format clean help
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: .venv/installed ## train a shared model in a synthetic Chongqing, ask for scores, write the report
	$(BIN)/yurong demo

federation: .venv/installed ## a bureau, six departments and two banks as separate nodes over TLS, until Ctrl-C
	$(BIN)/yurong federation

test: .venv/installed lint ## lint, layers, types, and every test but the slow ones; what CI runs
	$(BIN)/pytest $(ON_TWO_CORES) -m "not slow"

test-all: .venv/installed lint ## the same with the slow ones, long end-to-end runs
	$(BIN)/pytest $(ON_TWO_CORES)

lint: .venv/installed ## ruff, formatting, layers, dependencies and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/mypy

format: .venv/installed ## put the code into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## forget the environment and everything that was made
	rm -rf .venv yurong-demo yurong-demo.unfinished yurong-federation *.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
