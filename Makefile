# make help tells what there is. Every target sets up what it needs.

ARGS ?=
PROOF_REQUESTS ?= 100000
PROOF_KILLS ?= 500

READY := .venv/.ready
RESULTS := $(CURDIR)/benchmarks/results
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo check unit test proof docs format lock clean

help:
	@echo "make demo    a release, an update and a rollback on this machine (ARGS=--json)"
	@echo "make test    every test; installs the servers they need when it may"
	@echo "make check   style, types, floors and the unit tests, in a minute"
	@echo "make proof   the full figures, written to benchmarks/results; takes long"
	@echo "make docs    the generated part of the documentation"
	@echo "make format  make the style right"
	@echo "make lock    bring uv.lock up to pyproject.toml"
	@echo "make clean   remove what was made here"

setup: $(READY)

$(READY): pyproject.toml uv.lock scripts/setup-venv
	@scripts/setup-venv

demo: $(READY)
	python examples/demo/demo.py $(ARGS)

check: $(READY)
	ruff check
	ruff format --check
	mypy
	lint-imports
	$(MAKE) --no-print-directory unit

unit: $(READY)
	pytest tests/unit --numprocesses=auto

test: $(READY)
	scripts/setup-tests
	$(MAKE) --no-print-directory unit
	pytest tests --ignore=tests/unit --ignore=tests/compose -m "not alone" --numprocesses=2 \
	  --durations=5
	pytest tests/compose --durations=5
	pytest tests/acceptance -m alone --durations=5

proof: $(READY)
	scripts/setup-tests
	GONOGO_PROOF_REQUESTS=$(PROOF_REQUESTS) GONOGO_PROOF_KILLS=$(PROOF_KILLS) \
	  GONOGO_PROOF_RESULTS=$(RESULTS) pytest tests/acceptance
	GONOGO_PROOF_REQUESTS=$(PROOF_REQUESTS) GONOGO_PROOF_RESULTS=$(RESULTS) \
	  pytest tests/compose/test_release.py tests/compose/test_proxies.py
	GONOGO_PROOF_RESULTS=$(RESULTS) python examples/mlflow/prove.py
	python -m benchmarks.compose
	python benchmarks/startup.py

docs: $(READY)
	python docs/make_reference.py
	python docs/make_images.py

format: $(READY)
	ruff check --fix
	ruff format

lock:
	@test -x .venv/bin/uv || scripts/setup-venv
	uv lock
	scripts/setup-venv

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
