# A bare `make` prints what there is. Everything is installed into .venv by the first target that needs it.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help install lint types test test-slow demo clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.installed: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; name yours with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

install: .venv/.installed ## make .venv and install the loader and its tests' tools

lint: .venv/.installed ## ruff: style and likely mistakes
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

types: .venv/.installed ## mypy, strict, of source and tests
	$(BIN)/mypy

test: lint types ## lint, types and the fast tests
	$(BIN)/pytest --numprocesses 2 --quiet

test-slow: .venv/.installed ## the tests that wait, kill and count to a million
	$(BIN)/pytest tests/slow -o norecursedirs='.*' --quiet

demo: .venv/.installed ## a sandbox HubSpot, the samples loaded into it, the results shown
	$(BIN)/python samples/demo.py

clean: ## remove what the targets above made
	rm -rf .venv demo
