# Everything is set up in .venv; nothing but make and Python 3.11 or newer (with venv) is needed.
# What only runs Postroom (demo, serve) installs requirements.lock, all else requirements-dev.lock.
#   make demo      a running post room with a list, three members and printed credentials
#   make serve     the server with your settings, e.g. make serve ARGS="--config postroom.toml"
#   make test      the whole test suite         make soak   the long versions
#   make lint      ruff and mypy                make bench  measure against Postfix
#   make openapi   write docs/openapi.json anew from the route table
#   make lock      write the lock files anew from pyproject.toml (UPGRADE=--upgrade for newer versions)

SHELL := /bin/sh
.DEFAULT_GOAL := venv
.PHONY: venv demo serve test lint bench soak torture openapi lock clean

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)
WORKERS ?= auto
TESTS ?= tests
ARGS ?=
UPGRADE ?=

BIN := .venv/bin
RUN := .venv/.installed-to-run
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

venv: $(STAMP)

# A dot a second tells that pip is at work; its own bars are many lines each.
INSTALL = sh -c '"$$@" & pid=$$!; trap "kill $$pid" INT TERM; \
	while kill -0 $$pid 2>/dev/null; do printf . >&2; sleep 1; done; echo >&2; wait $$pid' -

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "Postroom needs Python 3.11 or newer; none was found (make PYTHON=/path/to/python3)"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Postroom needs Python 3.11 or newer; '$(PYTHON)' is not"; exit 1; } >&2
	@echo "Setting up .venv"
	@$(PYTHON) -m venv .venv || { \
		rm -rf .venv; \
		echo "could not make .venv; on Debian: apt-get install python3-venv"; exit 1; } >&2

$(RUN): requirements.lock pyproject.toml | $(BIN)/python
	@printf "Installing what Postroom needs to run (once, about 110 MB) " >&2
	@$(INSTALL) $(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP): requirements-dev.lock pyproject.toml | $(BIN)/python
	@printf "Installing what Postroom and its tests need (once, about 300 MB) " >&2
	@$(INSTALL) $(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(RUN)

demo: $(RUN)
	@$(BIN)/postroom demo $(ARGS)

serve: $(RUN)
	@$(BIN)/postroom serve $(ARGS)

# Hundreds of processes start in the tests: modules are compiled once, whatever the environment says.
COMPILING := env -u PYTHONDONTWRITEBYTECODE

test: $(STAMP)
	@$(BIN)/python -m compileall -q config storage admin_api gateway benchmarks
	@$(COMPILING) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup $(TESTS)

soak: $(STAMP)
	@$(COMPILING) $(BIN)/python -m pytest -q -m soak --timeout 3600 $(TESTS)

# Kill -9 under load, 1,000 times; about an hour.
torture: $(STAMP)
	@TORTURE_ROUNDS=1000 $(COMPILING) $(BIN)/python -m pytest -q -m soak -k many_kills tests/soak

lint: $(STAMP)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

bench: $(STAMP)
	@$(BIN)/python -m benchmarks $(ARGS)

openapi: $(STAMP)
	@$(BIN)/python -c 'import sys; from admin_api.routes import ROUTES; \
		from admin_api.openapi.document import document_bytes; \
		sys.stdout.buffer.write(document_bytes(ROUTES))' > docs/openapi.json

# The locks hold versions and hashes for every platform, and no address of any index.
COMPILE = .venv/lock/bin/uv pip compile pyproject.toml --no-config --quiet --universal \
	--python-version 3.11 --generate-hashes --no-header $(UPGRADE)

lock:
	@test -x .venv/lock/bin/uv || { $(PYTHON) -m venv .venv/lock \
		&& .venv/lock/bin/python -m pip --disable-pip-version-check -qq install uv==0.13.9; }
	@$(COMPILE) --extra install -o requirements.lock
	@$(COMPILE) --extra dev -c requirements.lock -o requirements-dev.lock

clean:
	@rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
