# `make` lists the targets. Everything runs inside .venv, made from requirements.lock.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Threads that wait sleep: jobs share cores.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help setup demo test lint check deep bench bench-full real studies clean lock

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --compile-bytecode --require-hashes -r requirements.lock
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps -e .
	@touch $@

setup: $(STAMP)  ## make .venv with the console script .venv/bin/clawback

demo: setup  ## simulate a marketplace, train, score, decide; prints where the results are
	$(VENV)/bin/clawback demo

test: setup  ## all tests
	$(RUN) -m pytest -q -n 2 --dist loadfile

lint: setup  ## formatting, lint, types, layers
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports

check: lint test  ## what CI runs, without the demo

deep: setup  ## the laws with many random examples
	HYPOTHESIS_PROFILE=deep $(RUN) -m pytest -q -n 2 tests/features tests/data tests/models

bench: setup  ## speed at 1 M events, in ratios; writes artifacts/figures/bench.json
	$(RUN) -m tests.benchmarks.run --events 1000000

bench-full: setup  ## speed at 10 M events
	$(RUN) -m tests.benchmarks.run --events 10000000

real: setup  ## train and score on Online Retail II; writes artifacts/figures/real.json
	$(RUN) -m tests.real.run --test

studies: setup  ## how far from the ceiling; writes artifacts/figures/studies.json
	$(RUN) -m tests.studies.run

lock: setup  ## resolve requirements.lock again
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock

clean:  ## remove what was generated
	rm -rf artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis
