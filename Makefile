# make demo    run the whole pipeline on generated drives, in about eight minutes
# make test    run the tests and the examples in docstrings
# make check   lint, types, tests, and what runs on the car on the other Pythons of this machine: what CI runs
# make docs    write the generated pages, and the generated parts of pages
# make site    build the pages as a web site, site/index.html; a warning is an error
# make matrix  test the wheel on other Pythons, numpys and donkeycars, and with each extra alone; CELLS="..." of them
# make picture draw the picture of the README, from generated drives
# make arm64   run what runs on the car on an emulated Pi 4 and Pi 5; needs root, qemu-user-static and mmdebstrap
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
# The top-level folders with code, from package_dir of setup.cfg.
FOLDERS := $(shell sed -n '/^package_dir/,/^[^ ]/s/^ .* = //p' setup.cfg)

OTHERS := 3.10 3.12 3.13
IN_A_CAR := tests/parts/test_vehicle.py tests/parts/test_stock_cars.py tests/parts/test_car_config.py \
  tests/parts/test_live_page.py

# Two processes of one thread each, which get whole files of tests: the fixtures of a file are made once.
PYTEST := -m pytest -n 2 --dist loadfile
test others: export OMP_NUM_THREADS := 1

.PHONY: demo test check lint types others docs site picture matrix arm64 install

demo: install
	rm -rf demo
	$(BIN)/mle-uvad demo --out demo

# The examples run on the installed package: from here, its modules would be imported under their folders' names. The
# modules of edge/backends that need TensorRT cannot be imported, which is why import errors are ignored.
test: install
	cd $(VENV) && bin/python -m pytest -q -c $(CURDIR)/setup.cfg --doctest-modules --doctest-ignore-import-errors \
	  --pyargs mle_uvad
	$(BIN)/python $(PYTEST)

check: lint types site others test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# On a regular install: an editable one hides this layout from mypy, which then checks nothing.
types: install
	cd $(VENV) && bin/mypy --config-file $(CURDIR)/setup.cfg -p mle_uvad
	cd tests && $(abspath $(BIN))/mypy --config-file $(CURDIR)/setup.cfg --explicit-package-bases .

docs: install
	$(BIN)/python docs/make_cli.py > docs/cli.md
	$(BIN)/python docs/make_architecture.py
	$(BIN)/python docs/make_reliability.py

site: install
	$(BIN)/sphinx-build -q -W --keep-going -E -d $(VENV)/doctrees -c docs . site

picture: install
	$(BIN)/python docs/make_picture.py

# First the tests of what runs on the car, without torch and donkeycar, on numpy 1.26 and 2. Then the tests in stock
# cars and of the live page in Chromium, with the donkeycar that pip chooses: 5.0.0 on Python 3.10, 5.4.0 on 3.12 and
# 3.13. A missing Python is skipped.
others: $(VENV)/bundle
	for version in $(OTHERS); do \
	  python=$$(ls $$HOME/.pyenv/versions/$$version.*/bin/python 2> /dev/null | tail -n 1); \
	  python=$${python:-python$$version}; \
	  $$python -c '' 2> /dev/null || { echo "no Python $$version here"; continue; }; \
	  $$python -m venv --clear $(VENV)/$$version && \
	  $(VENV)/$$version/bin/pip install -qq . pytest pytest-xdist && \
	  $(VENV)/$$version/bin/python $(PYTEST) -q --bundle $(VENV)/bundle/lens tests/edge tests/calibration tests/parts \
	  && $(VENV)/$$version/bin/pip install -qq '.[donkeycar]' albumentations && \
	  $(VENV)/$$version/bin/python $(PYTEST) -q --bundle $(VENV)/bundle/lens $(IN_A_CAR) || exit 1; \
	done
	rm -rf build *.egg-info

# Not part of `check`: it installs some thirty environments.
matrix: $(VENV)/bundle
	$(BIN)/python tests/matrix.py $(VENV)/matrix $(VENV)/bundle/lens $(CELLS)
	rm -rf build *.egg-info

# Not part of `check`: it needs root, the emulator and access to Debian's packages.
arm64: $(VENV)/bundle
	tests/arm64.sh $(VENV) $(VENV)/bundle/lens
	rm -rf build *.egg-info

$(VENV)/bundle: $(VENV)/installed tests/hand_made.py
	rm -rf $@
	$(BIN)/python tests/hand_made.py $@

install: $(VENV)/installed

$(VENV)/requirements: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --upgrade pip
	$(BIN)/pip install -qq -c constraints.txt '.[train,export,report,mcap,donkeycar,docs,dev]'
	# tests/edge/test_real_signatures.py and tests/parts/test_luma_camera.py read these 4 MB, and are skipped without
	# them. --no-deps: the dependencies are gigabytes or exist only on a Raspberry Pi, and the tests do not need them.
	-$(BIN)/pip install -qq --no-deps -c constraints.txt tensorrt_cu13_bindings nvidia-cuda-runtime picamera2
	touch $@

$(VENV)/installed: $(VENV)/requirements $(shell find $(FOLDERS) -name '*.py')
	$(BIN)/pip install -qq --no-deps --force-reinstall .
	rm -rf build *.egg-info
	touch $@
