# Every target makes its own environment first (scripts/setup); nothing needs to be activated.
# ARGS is handed on: make test ARGS="-k cursor", make demo ARGS="--help".

VENV := $(or $(TILLBRIDGE_VENV),.venv)
PYTHON := "$(VENV)/bin/python"

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak mutants bench lint format types imports check clean env env-dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: env-dev ## the environment with all that tests and linters need

demo: env ## both vendors on loopback, a day of trade carried over, and the proof
	@"$(VENV)/bin/tillbridge" demo $(ARGS)

test: env-dev ## all tests, on all cores
	@$(PYTHON) -m pytest -n auto --dist loadfile $(ARGS)

soak: env-dev ## the simulation with many seeds: make soak SEEDS=10000 FIRST_SEED=1
	@PYTHONPATH=tests $(PYTHON) -m simulation.soak

mutants: env-dev ## plant bugs in a copy of the heart, and see the simulation catch each
	@PYTHONPATH=tests $(PYTHON) -m simulation.mutants $(ARGS)

bench: env-dev ## speed and memory beside three peers: make bench ARGS="--quick"
	@scripts/setup --bench
	@PYTHONPATH=tests $(PYTHON) -m bench $(ARGS)

lint: env-dev ## style and formatting
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

format: env-dev ## put the formatting right
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

types: env-dev ## strict type checks
	@$(PYTHON) -m mypy

imports: env-dev ## imports point down only
	@"$(VENV)/bin/lint-imports"

check: lint types imports test ## all four

clean: ## caches, builds, and the environment
	@rm -rf build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@if [ -f "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

env:
	@scripts/setup

env-dev:
	@scripts/setup --dev
