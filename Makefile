# Association loader
# A bare `make` prints what there is. Each target first installs what it needs into .venv.
BIN := .venv/bin

# The first Python of 3.11 or newer; name yours with: make PYTHON=/path/to/python3
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
NO_PYTHON = Python 3.11 or newer is needed and was not found; name yours with: make $(MAKECMDGOALS) PYTHON=/path/to/python3

# pip is quiet unless it fails; then all that it said is shown.
pip = $(BIN)/python -m pip install --disable-pip-version-check $(1) >.venv/pip.log 2>&1 || { cat .venv/pip.log >&2; exit 1; }

.PHONY: help install lint types test fast test-pythons test-slow test-long audit benchmark demo demo-fleet clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "$(NO_PYTHON)" >&2; exit 1; }
	@echo "Installing into .venv; the first time this takes a minute."
	@$(PYTHON) -m venv .venv
	@$(call pip,--editable .)
	@$(BIN)/python -m compileall -q loader  # pip does so for all but what is editable
	@touch $@

.venv/.test-tools: .venv/.installed
	@echo "Installing the tests' tools."
	@$(call pip,--editable '.[test]')
	@touch $@

install: .venv/.installed ## make .venv and install the loader into it

lint: .venv/.test-tools ## ruff: style and likely mistakes
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

types: .venv/.test-tools ## mypy, strict, of source and tests
	$(BIN)/mypy

# Without them the tests' own modules would be compiled, and their assertions rewritten, by every worker in every run.
export PYTHONDONTWRITEBYTECODE :=

# Both at a time: mypy has one core for half a minute where it has no cache yet, as in a clean checkout.
test: lint ## lint, types and the fast tests
	@$(MAKE) --no-print-directory --jobs 2 types fast

# Three tests at a time on two cores: many of them wait. To rewrite the assertions, so that a failure shows its values,
# takes each process five seconds in a clean checkout: only what failed runs again so.
fast: .venv/.test-tools
	@$(BIN)/python -m compileall -q tests
	$(BIN)/pytest -m "not slow" --assert plain --numprocesses 3 --dist worksteal --quiet || { \
		echo "What failed, again, with its values:"; \
		$(BIN)/pytest -m "not slow" --last-failed --last-failed-no-failures none --quiet; exit 1; }

test-slow: .venv/.test-tools ## the tests that wait, kill and count to a million, and further cases of the fast ones
	$(BIN)/pytest -m slow -o norecursedirs='benchmarks long browser .*' --numprocesses 3 --dist worksteal --quiet

# Other places of Pythons: make test-pythons PYTHONS="/opt/python3.14/bin/python3 ..."
PYTHONS ?=
test-pythons: .venv/.installed ## the fast tests on each Python of 3.11 to 3.14 that is there; says which is not
	@failed=; for version in 3.11 3.12 3.13 3.14; do \
		found=; for name in $(PYTHONS) python$$version $(HOME)/.pyenv/versions/$$version.*/bin/python; do \
			"$$name" -c "import sys; sys.exit(sys.version_info[:2] != ($$(echo $$version | tr . ,)))" 2>/dev/null \
				&& found=$$name && break; done; \
		if [ -z "$$found" ]; then echo "Python $$version: NOT RUN, it was not found"; continue; fi; \
		echo "Python $$version: $$found"; home=.venv/python$$version; \
		[ -x $$home/bin/python ] || "$$found" -m venv $$home; \
		$$home/bin/python -m pip install --disable-pip-version-check --editable '.[test]' >.venv/pip.log 2>&1 \
			|| { cat .venv/pip.log >&2; failed="$$failed $$version"; continue; }; \
		$$home/bin/python -m pytest -m "not slow" --numprocesses 3 --dist worksteal --quiet || failed="$$failed $$version"; \
	done; [ -z "$$failed" ] || { echo "The tests failed on Python$$failed" >&2; exit 1; }

.venv/.benchmark-tools: .venv/.test-tools
	@echo "Installing the clients that the loader is measured against."
	@$(call pip,--editable '.[benchmark]')
	@touch $@

benchmark: .venv/.benchmark-tools ## figures against other clients, as a table; BENCHMARK_OUTPUT=FILE keeps it
	@$(BIN)/python -m compileall -q loader tests/benchmarks
	@$(BIN)/python -m tests.benchmarks

audit: .venv/.test-tools ## known vulnerabilities in what is installed; needs the network, and says when it has none
	@$(BIN)/python tests/security/audit.py

.venv/.schedulers: tests/long/schedulers.txt .venv/.test-tools
	@echo "Installing Airflow and Prefect into .venv/schedulers; this takes a few minutes."
	@$(BIN)/python -m venv .venv/schedulers
	@.venv/schedulers/bin/python -m pip install --disable-pip-version-check --requirement tests/long/schedulers.txt \
		>.venv/pip.log 2>&1 || { cat .venv/pip.log >&2; exit 1; }
	@touch $@

.venv/.installers: tests/long/installers.txt .venv/.test-tools
	@echo "Installing pipx, uv and what checks files for Docker, Kubernetes and SLURM into .venv/installers."
	@$(BIN)/python -m venv .venv/installers
	@.venv/installers/bin/python -m pip install --disable-pip-version-check --requirement tests/long/installers.txt \
		>.venv/pip.log 2>&1 || { cat .venv/pip.log >&2; exit 1; }
	@touch $@

.venv/.remote: .venv/.test-tools
	@echo "Installing what opens buckets and servers, and an S3 server."
	@$(call pip,--editable '.[test-long]')
	@touch $@

# OpenSSH's server, for data that is read over sftp; on Debian it is installed where it is missing, and not started.
.PHONY: sftp-server
sftp-server:
	@PATH="$$PATH:/usr/sbin" command -v sshd >/dev/null || { \
		apt-get update -qq && RUNLEVEL=1 apt-get install --yes -qq openssh-server >/dev/null; } \
		|| { echo "make test-long needs the command sshd: install openssh-server" >&2; exit 1; }

# The tools that check a crontab and systemd's units, and shells; on Debian they are installed where they are missing.
.PHONY: system-tools
system-tools:
	@for name in crontab systemd-analyze zsh fish; do command -v $$name >/dev/null || missing=1; done; \
		[ -z "$$missing" ] || { apt-get update -qq && apt-get install --yes -qq cron systemd zsh fish >/dev/null; } \
		|| { echo "make test-long needs crontab, systemd-analyze, zsh and fish: install cron, systemd and them" >&2; exit 1; }

# PostgreSQL, for inputs by SQL; on Debian it is installed where it is missing. A test starts a server of its own.
.PHONY: postgresql
postgresql:
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
		apt-get update -qq && RUNLEVEL=1 apt-get install --yes -qq postgresql >/dev/null; } \
		|| { echo "make test-long needs the command postgres: install postgresql" >&2; exit 1; }

test-long: .venv/.test-tools .venv/.schedulers .venv/.remote .venv/.installers system-tools sftp-server postgresql ## those that take many minutes: kills, simulated nights, real schedulers
	$(BIN)/pytest tests/long -o norecursedirs='.*' --quiet -s

test-browser: .venv/.test-tools ## the report in a real browser, Debian's Chromium if there is none yet
	@$(BIN)/python tests/browser/chromium.py
	$(BIN)/pytest tests/browser -o norecursedirs='.*' --quiet

demo: .venv/.installed ## a simulated HubSpot, the samples loaded into it, the results shown
	@$(BIN)/python samples/demo.py

.venv/.fleet: .venv/.installed
	@echo "Installing Dask."
	@$(call pip,--editable '.[fleet]')
	@touch $@

demo-fleet: .venv/.fleet ## twelve simulated HubSpot accounts, loaded as a fleet, with the table of what each is doing
	@$(BIN)/python samples/demo_fleet.py

clean: ## remove what the targets above made
	rm -rf .venv demo demo-fleet
