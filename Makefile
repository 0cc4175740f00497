# Every target does its own set-up: Python >= 3.11 and Go >= 1.26 are all that must be there.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3

# The virtual environment is cached by what is in it.
LOCK_HASH := $(shell { cat requirements-dev.lock pyproject.toml; $(PYTHON) --version; } 2>/dev/null | cksum | cut -d' ' -f1)
VENV := .cache/venv-$(LOCK_HASH)
BIN := $(VENV)/bin
READY := $(VENV)/.ready

CHART := charts/tierguard
GENERATED := crds $(CHART)/files docs/rules.md

.PHONY: help demo test test-kind unit lint format generate changes verify up down status chaos audit bench bench-scale image lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "tierguard needs Python 3.11 or newer as $(PYTHON); found: $$($(PYTHON) --version 2>&1). Install it, or run: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) (once) …" >&2
	@rm -rf "$(VENV)"
	@$(PYTHON) -m venv "$(VENV)" || \
	  { rm -rf "$(VENV)"; echo "Could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## watch tierguard protect a payment platform on a real control plane (KEEP=1 leaves it up)
	@"$(BIN)/python" -m tests.demo

test: $(READY) ## all tests; those on the control plane too
	@"$(BIN)/python" -m pytest

unit: $(READY) ## the tests that need no control plane
	@"$(BIN)/python" -m pytest tests/unit -m "not cluster"

test-kind: $(READY) ## the end-to-end tests on kind (needs a container engine)
	@"$(BIN)/python" -m pytest tests/e2e --kind

lint: $(READY) ## ruff, mypy, import-linter
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports"

format: $(READY) ## let ruff format and mend what it can
	@"$(BIN)/ruff" check --fix .
	@"$(BIN)/ruff" format .

generate: $(READY) ## crds/ from the models, the chart's files, and docs/rules.md
	@"$(BIN)/python" -m tierguard.api.crd crds
	@mkdir -p $(CHART)/files/crds && cp crds/*.yaml $(CHART)/files/crds/
	@"$(BIN)/python" -m tierguard.controller.webhooks.clock_rules $(CHART)/files/clock.yaml
	@"$(BIN)/python" -m tests.cases.document docs/rules.md

changes: $(READY) ## docs/changes.md, from a run on the control plane
	@TIERGUARD_WRITE_DOCS=1 "$(BIN)/python" -m pytest tests/e2e/test_table.py

verify: generate ## fails when something generated is stale
	@git diff --exit-code -- $(GENERATED) && \
	  test -z "$$(git status --porcelain -- $(GENERATED))" || \
	  { echo "Generated files are stale: run make generate and commit." >&2; exit 1; }

up: $(READY) ## a cluster with tierguard on it, left running; prints the KUBECONFIG to export
	@"$(BIN)/python" -m tests.cluster up

down: $(READY) ## end it
	@"$(BIN)/python" -m tests.cluster down

status: $(READY) ## what of it is running
	@"$(BIN)/python" -m tests.cluster status

chaos: $(READY) ## break everything under load, and show what became of the writes (20 min; CHAOS="--seed 7 --only etcd")
	@"$(BIN)/python" -m tests.chaos $(CHAOS)

audit: $(READY) ## known vulnerabilities of the locked dependencies (needs a network)
	@"$(BIN)/python" -m tests.audit

bench: $(READY) ## what a review costs (10 min; BENCH="--only reviews --document docs/performance.md")
	@"$(BIN)/python" -m tests.bench $(BENCH)

bench-scale: $(READY) ## what ten thousand guarded workloads take (10 min; SCALE="--workloads 2000 --document docs/scale.md")
	@"$(BIN)/python" -m tests.scale $(SCALE)

image: ## build the container image and run it as its own user
	@tests/image/build.sh

lock: ## renew the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --upgrade --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --upgrade --custom-compile-command "make lock" pyproject.toml --group dev -o requirements-dev.lock

clean: ## everything that can be made again, the built control plane included
	rm -rf .cache .cluster
