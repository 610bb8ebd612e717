# Customer Memory. `make` lists what there is; every target makes the environment it needs.

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
# Python to make the environment with; any of these that is 3.11 or later will do.
CANDIDATES = $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3 python)
PIP = PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet
UV = $(or $(shell command -v uv),$(error uv is needed to lock. Install it: https://docs.astral.sh/uv/))
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11

# What builds the project itself: pyproject.toml's build backend, and what that needs for an editable install.
BUILD := hatchling editables

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test test-long test-same lint types lock env-example bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUNTIME) ## Start everything here, with nothing but Python; Ctrl-C stops it. PORT=9000 and the like are settings
	@exec env CUSTOMER_MEMORY_STOP_WITH_PARENT=$$PPID $(BIN)/customer-memory up

demo: $(RUNTIME) ## Start it with an invented shop's customers, in .data/demo, to see memory at once; Ctrl-C stops it
	@exec env CUSTOMER_MEMORY_STOP_WITH_PARENT=$$PPID $(BIN)/customer-memory demo

# In the order of the folders: a service that a folder's tests share ends with them.
test: lint types ## Lint, types, import contracts and every test but the long ones
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-long: $(DEVELOPMENT) ## The tests that take long
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

test-same: $(DEVELOPMENT) ## Traces that both stores must tell and hold the same of: 1,000 of 50 steps
	SAME_EXAMPLES=1000 SAME_STEPS=50 $(BIN)/python -m pytest tests/contract/test_same_on_both.py $(PYTEST_ARGS)

lint: $(DEVELOPMENT) ## Style, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(DEVELOPMENT) ## Types
	$(BIN)/mypy .

bench: $(DEVELOPMENT) ## The benchmarks, all ratios in one run
	$(BIN)/python -m benchmarks

lock: ## Choose the newest versions that fit pyproject.toml, and pin them with their hashes (needs uv)
	printf '%s\n' $(BUILD) | $(COMPILE) --upgrade pyproject.toml - --output-file requirements.lock
	printf '%s\n' $(BUILD) | $(COMPILE) --upgrade pyproject.toml - --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock

env-example: $(RUNTIME) ## Write .env.example anew, from the settings
	$(BIN)/customer-memory settings --env-example > .env.example.new && mv .env.example.new .env.example

clean: ## Remove the environment and all caches; .data, with what customers said, stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock refuses whatever has another hash; the project itself is installed apart, since an editable one has none.
$(RUNTIME): requirements.lock pyproject.toml
	@$(make_venv)
	@echo "Installing what it needs to run (once; some 30 s)"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock requirements.lock pyproject.toml
	@$(make_venv)
	@echo "Installing what it needs to be tested (once; about a minute)"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $(RUNTIME) $@

# An environment whose interpreter has gone is made anew.
define make_venv
$(BIN)/python -c '' 2>/dev/null && exit 0; \
for candidate in $(CANDIDATES); do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	if ! $$candidate -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$candidate cannot make environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$candidate --version)"; \
	exec $$candidate -m venv --clear $(VENV); \
done; \
echo "Python 3.11 or later is needed; tried: $(CANDIDATES). Install it, or name it: make $(MAKECMDGOALS) PYTHON=..." >&2; \
exit 1
endef
