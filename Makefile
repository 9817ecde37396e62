# All set-up is done by the targets themselves; they need Python 3.10 or newer and make.
#
#   make demo PYTHON=python3.12     with another Python
#   make test VENV=.envs/3.12       in another virtual environment
#   make test PYTEST=-v             with more options of pytest
#   make test WORKERS=0             one test after the other
#   make airflow-test AIRFLOW=2.11  the tests of the Airflow integration, on Airflow 3.3, 3.1 or 2.11

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-core test lint quick version slow bench accept core docs picture wheel constraints clean \
	airflow airflow-test airflow-slow airflow-bench airflow-constraints

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$each" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo "$$each" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints/dev.txt
EXAMPLES := examples/profilerkit-tracemalloc examples/profilerkit-sqlite-blob
# Most tests wait for processes of their own; some of the slow ones keep a processor busy.
WORKERS ?= 3
BUSY_WORKERS ?= 2
PYTEST ?=

# What a Python itself may make different: recordings, kills, forks, signals and hooks. How captures are
# read and shown is the same everywhere.
DEPENDS_ON_PYTHON := tests/session tests/survival tests/cli/test_whole_recording.py \
	$(patsubst %,tests/memray/test_memray_%.py,recording neighbours reading) \
	$(patsubst %,tests/cpu/test_cpu_%.py,recording neighbours) tests/cpu/test_pyinstrument_engine.py \
	$(patsubst %,tests/transparency/test_%.py,processes signals hooks endings)
AIRFLOW ?= 3.3
# The newest of a major version may be named by that alone.
override AIRFLOW := $(patsubst 2,2.11,$(patsubst 3,3.3,$(AIRFLOW)))
AIRFLOW_VENV ?= .envs/airflow-$(AIRFLOW)
# Airflow 2 runs on no Python newer than 3.12.
AIRFLOW_PYTHON ?= $(shell for each in python3.11 python3.12 python3.10 "$$HOME"/.pyenv/versions/3.11.*/bin/python; do \
	"$$each" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo "$$each" && break; done)

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-19s %s\n", $$1, $$2}'

demo: $(AIRFLOW_VENV)/.ready ## Run a real Airflow whose demo DAGs are profiled (AIRFLOW=2: Airflow 2.11)
	$(AIRFLOW_VENV)/bin/python tools/demo_airflow.py

demo-core: $(VENV)/.ready-to-run ## Record a small ETL, kill a second run of it, and show both
	$(BIN)/python tools/demo.py

test: lint quick ## Check style and types, then run all tests but the slow ones

setup: $(VENV)/.ready-to-test ## Make the virtual environment and install everything for the tests

lint: $(VENV)/.ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

quick: $(VENV)/.ready-to-test ## Run all tests but the slow ones
	$(BIN)/pytest tests examples -m "not slow" -n $(WORKERS) --dist loadfile $(PYTEST)

version: $(VENV)/.ready-to-test ## Run the tests that depend on the Python, for another one
	$(BIN)/pytest $(DEPENDS_ON_PYTHON) -m "not slow" -n $(WORKERS) --dist worksteal $(PYTEST)

slow: $(VENV)/.ready-to-test ## Run the slow tests: kills by the hundred, races by the minute
	$(BIN)/pytest tests examples -m slow -n $(BUSY_WORKERS) --dist loadfile $(PYTEST)

bench: $(VENV)/.ready-to-bench ## Run every benchmark against its bar
	$(BIN)/python tools/bench.py

accept: $(VENV)/.ready-to-bench ## Run what docs/acceptance.toml lists and print pass, miss or absent
	$(BIN)/python tools/accept.py --workers $(BUSY_WORKERS) $(ACCEPT)

docs: $(VENV)/.ready-for-docs ## Build the site into site/ with every link checked
	$(BIN)/zensical build --strict

picture: $(VENV)/.ready-to-run ## Draw docs/images/show.svg from a run that is killed
	$(BIN)/python tools/picture.py docs/images/show.svg

wheel: $(VENV)/.ready-to-test ## Build the wheel into dist/ and check what is in it
	rm -rf dist
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python tools/check_wheel.py dist/*.whl

core: wheel ## Test the core with its own dependencies alone
	$(BIN)/python tools/core_alone.py dist/*.whl

constraints: ## Resolve constraints/dev.txt again (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.10 --extra all --extra dev --upgrade \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o constraints/dev.txt

airflow: $(AIRFLOW_VENV)/.ready ## Make the environment with Airflow $(AIRFLOW)

airflow-test: $(AIRFLOW_VENV)/.ready ## Run the tests of the Airflow integration on Airflow $(AIRFLOW), but the slow ones
	$(AIRFLOW_VENV)/bin/python -m pytest tests/airflow -m "not slow" $(PYTEST)

airflow-slow: $(AIRFLOW_VENV)/.ready ## Run its slow tests: Celery with Redis and Postgres, the shipped examples
	$(AIRFLOW_VENV)/bin/python -m pytest tests/airflow -m slow $(PYTEST)

airflow-bench: ## Measure what it costs a task, side by side with others
	$(MAKE) airflow AIRFLOW=2.11 AIRFLOW_VENV=.envs/airflow-bench
	.envs/airflow-bench/bin/python -m pip --disable-pip-version-check install --quiet --no-deps airflow-memray==0.1.1
	.envs/airflow-bench/bin/python benchmarks/airflow_cost.py

airflow-constraints: ## Resolve constraints/airflow-$(AIRFLOW).txt again (needs uv)
	uv pip compile constraints/airflow-$(AIRFLOW).in --python-version 3.11 --upgrade \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o constraints/airflow-$(AIRFLOW).txt

clean: ## Remove what these targets made
	rm -rf .venv .envs .demo dist build site .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

# -- what each virtual environment needs ---------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer with venv was found. Name one: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-to-run: pyproject.toml constraints/dev.txt | $(BIN)/python
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation -e '.[memray,cpu,web]'
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready-to-run $(shell find $(wildcard $(EXAMPLES)) -name '*.py' -o -name pyproject.toml)
	$(PIP) --no-build-isolation -e '.[memray,cpu,web,test]'
	$(PIP) --no-build-isolation $(wildcard $(EXAMPLES))
	@touch $@

$(VENV)/.ready-to-bench: $(VENV)/.ready-to-test
	$(PIP) --no-build-isolation -e '.[bench]'
	@touch $@

$(VENV)/.ready-for-docs: $(VENV)/.ready-to-run
	$(PIP) --no-build-isolation -e '.[docs]'
	@touch $@

$(AIRFLOW_VENV)/.ready: pyproject.toml constraints/airflow-$(AIRFLOW).txt
	@test -n "$(AIRFLOW_PYTHON)" || { echo "No Python 3.10 to 3.12 was found. Name one: make $(MAKECMDGOALS) AIRFLOW_PYTHON=/path/to/python"; exit 1; }
	$(AIRFLOW_PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/python -m pip --disable-pip-version-check install --quiet uv
	$(AIRFLOW_VENV)/bin/uv pip install --quiet --python $(AIRFLOW_VENV)/bin/python --no-deps -r constraints/airflow-$(AIRFLOW).txt
	$(AIRFLOW_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@
