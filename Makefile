# Everything happens in .venv; Python 3.11 or later is all that has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := UV_SYSTEM_CERTS=1 VIRTUAL_ENV=$(VENV) $(BIN)/uv
INSTALL := $(UV) pip install -q --require-hashes --link-mode=copy -r
PYTEST := $(BIN)/pytest -q -n 2 --dist worksteal
COVERING := tests/unit tests/property tests/contract
EDITABLE := $(UV) pip install -q --no-deps --no-build-isolation -e .

.PHONY: demo test lint types layers openapi lock clean

demo: $(VENV)/.local  ## deploy to the embedded local cloud and move money
	$(BIN)/tallystick demo $(if $(KEEP),--keep)

test: lint types layers  ## run every check
	@# measuring coverage would slow down the others, and these alone have to cover every branch
	$(PYTEST) $(COVERING) --cov --cov-report term
	$(PYTEST) tests $(COVERING:%=--ignore %)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

openapi: $(VENV)/.dev  ## write the contract anew from the code
	$(BIN)/tallystick openapi

lock: $(BIN)/uv  ## pin every requirement anew, with hashes and without the names of hosts
	$(COMPILE) --extra local --extra dev -o requirements/dev.txt
	$(COMPILE) --extra local -c requirements/dev.txt -o requirements/local.txt
	$(COMPILE) -c requirements/dev.txt -o layers/dependencies/requirements.txt

clean:
	rm -rf $(VENV) build cdk.out

COMPILE := $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml

$(BIN)/uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.local: $(BIN)/uv requirements/local.txt pyproject.toml
	$(INSTALL) requirements/local.txt
	$(EDITABLE)
	@touch $@

$(VENV)/.dev: $(BIN)/uv requirements/dev.txt pyproject.toml
	$(INSTALL) requirements/dev.txt
	$(EDITABLE)
	@touch $@ $(VENV)/.local
