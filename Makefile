# Two commands: `make search` and `make test`. Each makes the virtual environment on first use.
PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/mosaic
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: search test test-slow lint all clean

search: $(READY)
	$(BIN)/moesaic search --data mosaic --budget 3m --out $(OUT)

test: $(READY)
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

all: lint test test-slow

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'moesaic needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
