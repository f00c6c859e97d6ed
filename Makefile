# make demo    the whole way on generated drives, in some six minutes
# make test    the tests
# make arm64   the car's path on an emulated Pi 4 and Pi 5; needs root and Debian's qemu-user-static and mmdebstrap
# make check   lint, types, tests, and the car's path on the other Pythons of this machine: what CI runs
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
FOLDERS := package edge calibration parts optics training export evaluation cli

OTHERS := 3.10 3.12 3.13
IN_A_CAR := tests/parts/test_vehicle.py tests/parts/test_stock_cars.py tests/parts/test_car_config.py

.PHONY: demo test check lint types others arm64 install

demo: install
	rm -rf demo
	$(BIN)/mle-uvad demo --out demo

test: install
	$(BIN)/python -m pytest

check: lint types others test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# On the regular install: an editable one hides this layout from mypy, which then checks nothing.
types: install
	cd $(VENV) && bin/mypy --config-file $(CURDIR)/setup.cfg -p mle_uvad

# What runs on the car, without torch and donkeycar, on numpy 1.26 and 2; then in the stock cars of the donkeycar that
# pip takes for this Python: 5.0.0 on 3.10, 5.4.0 on 3.12 and 3.13. A Python that is absent is passed over.
others: $(VENV)/bundle
	for version in $(OTHERS); do \
	  python=$$(ls $$HOME/.pyenv/versions/$$version.*/bin/python 2> /dev/null | tail -n 1); \
	  python=$${python:-python$$version}; \
	  $$python -c '' 2> /dev/null || { echo "no Python $$version here"; continue; }; \
	  $$python -m venv --clear $(VENV)/$$version && \
	  $(VENV)/$$version/bin/pip install -qq . pytest && \
	  $(VENV)/$$version/bin/python -m pytest -q --bundle $(VENV)/bundle/lens tests/edge tests/calibration tests/parts \
	  && $(VENV)/$$version/bin/pip install -qq '.[donkeycar]' albumentations && \
	  $(VENV)/$$version/bin/python -m pytest -q --bundle $(VENV)/bundle/lens $(IN_A_CAR) || exit 1; \
	done
	rm -rf build *.egg-info

# Not part of `check`: a fresh machine may lack the root rights, the emulator or the way to Debian's packages.
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
	$(BIN)/pip install -qq -c constraints.txt '.[train,export,report,donkeycar,dev]'
	# 4 MB that tests/edge/test_real_signatures.py and tests/parts/test_luma_camera.py look at; without them these are
	# passed over. What they depend on are gigabytes, or only to be had on a Raspberry Pi, and not needed for that.
	-$(BIN)/pip install -qq --no-deps -c constraints.txt tensorrt_cu13_bindings nvidia-cuda-runtime picamera2
	touch $@

$(VENV)/installed: $(VENV)/requirements $(shell find $(FOLDERS) -name '*.py')
	$(BIN)/pip install -qq --no-deps --force-reinstall .
	rm -rf build *.egg-info
	touch $@
