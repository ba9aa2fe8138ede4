# Everything that a person or a machine does with this tree. `make` alone lists it.
#
# Needs Python 3.11 or newer with pip; node and npm only for the test with the JavaScript client. All else is fetched into
# .venv from requirements/*.lock, once, and again when a lock changes.

PYTHON ?= python3
ARGS ?=
CYCLES ?= 100
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
# What is never imported need not be compiled: that is three quarters of the time.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile
# What a server imports is compiled here, and all else when it is first imported; even where the environment forbids
# every program to keep that, since a server would compile for longer than it takes to start otherwise.
COMPILE := @$(BIN)/python -c 'import asgi, ops.serve'
unexport PYTHONDONTWRITEBYTECODE
# A lock names versions and hashes only, so the indexes that this machine is set up with must not colour it.
PIP_COMPILE := env -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m piptools compile --quiet --no-config \
	--generate-hashes --allow-unsafe --strip-extras --no-emit-options

# The second release of the Python client, for one acceptance test; a folder of its own, since two cannot be installed.
OLD_CLIENT := $(VENV)/centrifuge-0.6.0
JS_CLIENT := tests/acceptance

# A stamp is written when its step has wholly succeeded, so an interrupted one is done again.
RUNTIME_READY := $(VENV)/.runtime-ready
DEVELOPMENT_READY := $(VENV)/.development-ready
OLD_CLIENT_READY := $(OLD_CLIENT)/.ready
JS_CLIENT_READY := $(JS_CLIENT)/node_modules/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install run test coverage faults bench lint format lock clean js-client

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME_READY) ## start a server with its data in ./data, on http://127.0.0.1:8000
	@exec $(BIN)/palaver serve $(ARGS)

install: $(DEVELOPMENT_READY) $(OLD_CLIENT_READY) js-client ## set up everything, run nothing

# Three processes keep two cores busy, since many tests wait; a file's tests stay together as long as nobody is idle.
test: install ## run all tests (ARGS="-k recovery" for some)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

coverage: install ## run all tests and measure the branches that they take
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)

faults: install ## kill servers under load, for long (CYCLES=100)
	$(BIN)/python -m pytest tests/faults --cycles $(CYCLES) -o faulthandler_timeout=0 $(ARGS)

bench: $(DEVELOPMENT_READY) ## measure this server and what one would use instead
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(DEVELOPMENT_READY) ## check style and types
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

format: $(DEVELOPMENT_READY) ## lay the code out
	$(BIN)/python -m ruff check --fix-only
	$(BIN)/python -m ruff format

lock: $(DEVELOPMENT_READY) ## write requirements/*.lock anew (ARGS=--upgrade for newer releases)
	$(PIP_COMPILE) $(ARGS) --build-deps-for editable --output-file requirements/runtime.lock pyproject.toml
	$(PIP_COMPILE) $(ARGS) --build-deps-for editable --extra dev --extra bench \
		--constraint requirements/runtime.lock --output-file requirements/dev.lock pyproject.toml
	$(PIP_COMPILE) $(ARGS) --constraint requirements/runtime.lock \
		--output-file requirements/centrifuge-0.6.0.lock requirements/centrifuge-0.6.0.in
	$(PIP_COMPILE) $(ARGS) --output-file requirements/pip.lock requirements/pip.in

clean: ## remove all that was installed or built; ./data stays
	rm -rf $(VENV) build dist *.egg-info $(JS_CLIENT)/node_modules
	rm -rf .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Palaver needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)."; \
		echo "Name another one, for example: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes -r requirements/pip.lock

$(RUNTIME_READY): requirements/runtime.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements/runtime.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	$(COMPILE)
	@touch $@

# The development lock holds all of the runtime's, in the same versions.
$(DEVELOPMENT_READY): requirements/dev.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements/dev.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	$(COMPILE)
	@touch $(RUNTIME_READY) $@

$(OLD_CLIENT_READY): requirements/centrifuge-0.6.0.lock | $(DEVELOPMENT_READY)
	@rm -rf $(OLD_CLIENT)
	$(PIP_INSTALL) --no-deps --require-hashes --target $(OLD_CLIENT) -r requirements/centrifuge-0.6.0.lock
	@touch $@

js-client:
	@if command -v npm >/dev/null; then $(MAKE) --silent $(JS_CLIENT_READY); \
	else echo "npm is not here: the test with the JavaScript client will be skipped"; fi

$(JS_CLIENT_READY): $(JS_CLIENT)/package-lock.json
	npm ci --prefix $(JS_CLIENT) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
