# Everything a person or CI does with this project, each in one word. `make` alone lists them.
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv/$(VERSION)
RUN := $(VENV)/bin/python
BENCH ?= --publish
WORKERS ?= 4
MINUTES ?= 5

.PHONY: help setup venv check test demo bench scale soak format lock clean
help: ## list what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 10

setup: ## install the Debian packages that tests and demo need
	@scripts/setup.sh $(SETUP)

venv: $(VENV)/.ready ## make the environment of $(PYTHON), from the lock file

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

check: venv ## lint, formatting and types
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

test: SETUP = --docker
test: setup venv ## run all tests
	$(RUN) -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST)

demo: setup venv ## carry the sample BOMs over a pretend air gap on this machine
	@scripts/demo.sh $(VENV)/bin

bench: setup venv $(VENV)/.plots ## measure, renew the README's figures; BENCH='--mb 100 --scenario a,f' only looks
	$(RUN) -m scripts.bench $(BENCH)

$(VENV)/.plots: requirements-bench.lock $(VENV)/.ready
	$(RUN) -m pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

scale: setup venv ## how time and memory grow from 1,000 images to 10,000
	$(RUN) -m scripts.bench.scale

soak: setup venv ## carry a world through faults for MINUTES; SOAK='--kills 200' for more
	$(RUN) -m scripts.soak --minutes $(MINUTES) $(SOAK)

format: venv ## put all code into its form
	$(RUN) -m ruff check --fix
	$(RUN) -m ruff format

lock: venv ## resolve the dependencies anew, for all supported Pythons
	$(RUN) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --no-emit-index-url --extra dev pyproject.toml -o requirements.lock
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --no-emit-index-url --group bench -c requirements.lock -o requirements-bench.lock

clean: ## remove environments and caches
	rm -rf .venv .trial build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
