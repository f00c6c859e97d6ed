# make demo    the whole way on generated drives, in some six minutes
# make test    the tests
# make check   lint, types, tests: what CI runs
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
FOLDERS := package edge calibration parts optics training export evaluation cli

.PHONY: demo test check lint types install

demo: install
	rm -rf demo
	$(BIN)/mle-uvad demo --out demo

test: install
	$(BIN)/python -m pytest

check: lint types test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# On the regular install: an editable one hides this layout from mypy, which then checks nothing.
types: install
	cd $(VENV) && bin/mypy --config-file $(CURDIR)/setup.cfg -p mle_uvad

install: $(VENV)/installed

$(VENV)/requirements: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --upgrade pip
	$(BIN)/pip install -qq -c constraints.txt '.[train,export,report,donkeycar,dev]'
	touch $@

$(VENV)/installed: $(VENV)/requirements $(shell find $(FOLDERS) -name '*.py')
	$(BIN)/pip install -qq --no-deps --force-reinstall .
	rm -rf build *.egg-info
	touch $@
