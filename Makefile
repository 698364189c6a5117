# Set-up, checks and the demonstration. Needs Python 3.10 to 3.13, make and git; nothing else.

PYTHON ?= $(firstword $(foreach name,python3.12 python3.11 python3.13 python3.10 python3, \
	$(shell $(name) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first used: that halves the installation's time.
PIP_FLAGS := --quiet --disable-pip-version-check --no-compile

# Finds what in a page shuts out readers who do not see it, or use no mouse; for the tests alone.
AXE := axe-core@4.10.3

.PHONY: demo test check format bench axe docs pictures clean

demo: $(VENV)/demo.installed
	$(BIN)/cohortium demo

test: $(VENV)/dev.installed
	$(BIN)/python -m pytest

check: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.installed
	$(BIN)/python benchmarks/ring_product.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/minibatch.py

axe: .axe/$(AXE).installed

.axe/$(AXE).installed:
	npm install --silent --no-audit --no-fund --prefix .axe $(AXE)
	touch $@

docs: $(VENV)/dev.installed
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs
	@echo "The documentation is build/docs/index.html"

# The README's pictures; the report's needs Chromium.
pictures: $(VENV)/dev.installed
	$(BIN)/python docs/pictures/make_pictures.py

clean:
	rm -rf $(VENV) .axe build dist *.egg-info src/*.egg-info

$(VENV)/created:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.13 was found; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# Each stamp is as new as pyproject.toml: a change of dependencies installs again.
$(VENV)/demo.installed: $(VENV)/created pyproject.toml
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[demo]'
	touch $@

$(VENV)/dev.installed: $(VENV)/created pyproject.toml
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[demo,dev]'
	touch $@
