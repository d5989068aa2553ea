# `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROMPT ?= red apple
export PROMPT
ARGS ?=
COMFYUI ?=
COMFYUI_PYTHON ?= $(firstword $(wildcard $(COMFYUI)/venv/bin/python $(COMFYUI)/.venv/bin/python))
PYTEST_ARGS ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup run serve test check lint types contracts docs bench parity test-execution test-comfyui lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Limner needs Python 3.11 or newer; name one with: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' \
	  || { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable .
	@$(BIN)/python -m limner.app.warm
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

setup: $(VENV)/.installed ## make .venv with limner in its bin, pinned by constraints.txt

run: setup ## generate an image on the built-in model: make run PROMPT="cat face, fluent style"
	@$(BIN)/limner generate "$$PROMPT" $(ARGS)

serve: setup ## serve the editor and the API on 127.0.0.1:8188: make serve ARGS="--port 8200"
	@$(BIN)/limner serve $(ARGS)

test: $(VENV)/.developing ## run all tests (gets Chromium and nginx where they are missing and may be had)
	@tools/ensure-chromium
	@tools/ensure-nginx $(VENV)/nginx
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(ARGS)

check: lint types contracts docs ## ruff, types, import contracts and docs: what CI runs beside the tests

lint: $(VENV)/.developing ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developing ## mypy in strict mode
	$(BIN)/mypy

contracts: $(VENV)/.developing ## import-linter: the layers of docs/architecture
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.developing ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.developing ## measure, each figure beside its baseline from the same run
	$(BIN)/python -m bench $(ARGS)

parity: $(VENV)/.developing ## compare Stable Diffusion 1.5 with the reference on a 2 GB checkpoint that it writes first
	$(BIN)/python -m pytest -m parity tests $(ARGS)

test-execution: $(VENV)/.developing ## run ComfyUI's own tests of its engine: make test-execution COMFYUI=/path/to/a/checkout
	$(BIN)/python tools/execution_suite.py "$(COMFYUI)" $(ARGS)

test-comfyui: $(VENV)/.developing ## a real ComfyUI as node library: make test-comfyui COMFYUI=/path COMFYUI_PYTHON=/path/to/python
	LIMNER_TEST_COMFYUI="$(COMFYUI)" LIMNER_TEST_COMFYUI_PYTHON="$(COMFYUI_PYTHON)" \
	  $(BIN)/python -m pytest -m comfyui tests/adoption $(ARGS)
	$(BIN)/python tools/execution_suite.py "$(COMFYUI)" --adopt "$(COMFYUI_PYTHON)"

lock: $(VENV)/.developing ## write constraints.txt from what is installed
	$(BIN)/python tools/lock.py > constraints.txt.new && mv constraints.txt.new constraints.txt

clean: ## remove what the targets made, except .venv
	rm -rf site build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
