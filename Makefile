# slawatch: `make run` and `make test` need nothing but Python 3.11 or newer.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input install --no-compile
ARGS    ?=
# Tests run in so many processes: most that start real ones wait longer than they compute. Cases of properties and
# kills are few, TEST_SEEDS, TEST_KILLS and HYPOTHESIS_PROFILE=nightly ask for more.
WORKERS ?= 4
SPREAD  := -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run test test-compiled compiled lint format docs dashboards bench lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

run: $(VENV)/.run ## set up, start the daemon with simulated shops on a store in var/, print its address
	@exec $(BIN)/slawatch demo --data var/demo $(ARGS)

test: $(VENV)/.dev ## set up and run every test this machine can run; CI=true allows no skip
	$(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-compiled: compiled ## the tests of what decides, over the compiled modules
	TEST_COMPILED=1 $(COMPILED) $(BIN)/python -m pytest $(SPREAD) --override-ini 'pythonpath=build/compiled .' $(DECIDES) $(ARGS)

compiled: build/.compiled ## the modules through which every event goes as machine code, in build/compiled (needs a C compiler)

lint: $(VENV)/.dev ## ruff, formatting and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put the code in its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## make the reference of commands from the commands
	$(BIN)/python -m monitor.commands.reference > docs/cli.md

dashboards: $(VENV)/.dev ## make the dashboards of Grafana from their code
	$(BIN)/python -m deploy.grafana.code

bench: compiled ## the bars, each beside its reference, in one run, over the compiled modules
	$(COMPILED) $(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/.dev ## resolve the lock files anew from pyproject.toml
	$(BIN)/pip-compile $(LOCK) --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## remove what the other targets made, and the data in var/
	rm -rf $(VENV) var build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The lock names no host: where packages come from is this machine's pip configuration.
LOCK := --quiet --generate-hashes --all-build-deps --allow-unsafe --strip-extras --no-emit-index-url \
        --no-emit-trusted-host --no-emit-find-links --no-emit-options --no-header --annotation-style line

# Modules of build/compiled come before those of the checkout, also in what a benchmark or test starts.
COMPILED := PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/compiled:$(CURDIR)
SOURCES  := $(shell find monitor rules alerting -type f -not -path '*/__pycache__/*')
DECIDES  := tests/oracle tests/properties tests/rules tests/runtime/test_real_shard.py tests/runtime/test_show.py \
            tests/shard tests/sources tests/workbench

build/.compiled: $(SOURCES) setup.py $(VENV)/.dev
	@rm -rf build
	@SLAWATCH_COMPILE=1 $(PIP) --compile --no-deps --no-build-isolation --target build/compiled .
	@touch $@

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV), once"
	@$(PIP) --require-hashes --no-deps --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "installing what tests need into $(VENV), once"
	@$(PIP) --require-hashes --no-deps --requirement requirements-dev.lock
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no python3.11 found: install Python 3.11 or newer, or say make PYTHON=/path/to/python" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"{sys.executable} is Python {sys.version.split()[0]}: slawatch needs 3.11 or newer (make PYTHON=/path/to/python)")'
	@$(PYTHON) -m venv $(VENV)
