# clean-corpus: what a newcomer and a developer run. `make help` lists it.
# Needs Python 3.11 or newer, git and make, nothing else. PYTHON=python3.12 chooses an interpreter.

VENV := .venv
BIN := $(VENV)/bin
RAW ?= raw/
CLEAN ?= clean/
# `make test PYTEST_ARGS="-x tests/dedup"` runs a part. Tests of one `xdist_group` share a process (and its server).
PYTEST_ARGS ?=
WORKERS ?= auto
# Those that make their own documents; the others in bench/ are given data and say so.
BENCHES ?= cleaning dedup incremental report

.DEFAULT_GOAL := help
.PHONY: help demo test torture lint format bench constraints clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed  ## install, clean the sample corpus in raw/, say where the report is
	@$(BIN)/clean-corpus $(RAW) $(CLEAN)
	@echo "Open $(CLEAN)report.html in a browser, or decide with: $(BIN)/clean-corpus review $(CLEAN)"

test: $(VENV)/.installed-test  ## install what the tests need and run them all
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

torture: $(VENV)/.installed-test  ## the long crash and limit tests
	@$(BIN)/python -m pytest -m torture $(PYTEST_ARGS)

lint: $(VENV)/.installed-lint  ## ruff, mypy --strict and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-lint  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.installed-bench  ## measure against peers on generated documents (a few minutes)
	@for script in $(BENCHES); do echo "== bench/$$script.py"; $(BIN)/python bench/$$script.py || exit 1; done

# Every pin, of every extra, for every platform and every Python from 3.11. No addresses: where packages come from
# is the business of whoever installs.
constraints:  ## resolve the dependencies again and write constraints.txt
	@command -v uv >/dev/null || { echo "make constraints needs uv on the PATH: pip install uv" >&2; exit 1; }
	@uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-header --no-annotate \
		pyproject.toml --output-file constraints.txt
	@if grep -nE '://|^-' constraints.txt; then echo "constraints.txt must name packages only" >&2; exit 1; fi
	@echo "constraints.txt: $$(wc -l < constraints.txt) pins"

clean:  ## remove the environment and what runs left behind (never raw/)
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find $(CLEAN) -mindepth 1 -not -name .gitkeep -delete

# The environment. A stamp file says that an install is done; a change of dependencies makes it stale.
$(VENV)/.made:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
		for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
			if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$name; break; fi; \
		done; \
	fi; \
	if [ -z "$$python" ] || ! $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "clean-corpus needs Python 3.11 or newer ($$(python3 --version 2>/dev/null || echo 'no python3 found')). Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) || { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

# $(1): what to install. Byte code is made on first use, which saves a third of the time.
define install
	@echo "Installing $(1) (the first time: a minute or two)"
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e "$(1)"
	@touch $@
endef

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.)

$(VENV)/.installed-test: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.[test])
	@touch $(VENV)/.installed

$(VENV)/.installed-lint: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.[lint])

$(VENV)/.installed-bench: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.[bench])
