# Everything happens in .venv; Python 3.11 or later is all that has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := UV_SYSTEM_CERTS=1 VIRTUAL_ENV=$(VENV) $(BIN)/uv
SYNC := $(UV) pip sync -q --require-hashes --link-mode=copy

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt

$(VENV)/.dev: $(BIN)/uv requirements/dev.txt pyproject.toml
	$(SYNC) requirements/dev.txt
	$(UV) pip install -q --no-deps --no-build-isolation -e .
	touch $@
