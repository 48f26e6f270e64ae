# Needs make and Python 3.11 or newer; everything else goes into .venv, exactly as requirements.lock says.
#   make demo    the first honest comparison: stock against sdpa, two seeds
#   make test    lint, types and the quick tests        make slow    the heavier tests
#   make test-oldest     what touches PyTorch, with the oldest PyTorch that pyproject.toml allows
#   make setup   only the environment                   make lock    refresh requirements.lock (UPGRADE=1: newest)
#   make lint    ruff and mypy                          make docs    the documentation, in site/
#   make clean   remove .venv

UV_VERSION := 0.13.8
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv

# 3.11 first: the version that the lock is tested with.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# One test process more than cores: tests wait for servers and processes of their own. Each takes up to 2 GB.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(8, (os.cpu_count() or 1) + 1))')

# uv does not read pip's settings; a package index that pip was given by environment is passed on.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

# Some containers forbid Python to keep what it has compiled; each of hundreds of processes would compile PyTorch again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test quick-tests test-oldest slow lint docs setup lock clean

help:
	@sed -n '/^#   /s/^# //p' Makefile

demo: setup
	$(PY) -m sdpa_exp attention=stock,sdpa seed=0,42 -m $(ARGS)

test slow quick-tests: export YOLO_CONFIG_DIR ?= $(CURDIR)/$(VENV)/ultralytics

# Side by side: mypy keeps one core busy for a minute.
test: setup
	@$(MAKE) --no-print-directory --jobs 2 lint quick-tests

quick-tests: setup
	@mkdir -p $(YOLO_CONFIG_DIR)
	$(PY) -m pytest -m "not slow" -n $(WORKERS) --dist loadgroup $(ARGS)

slow: setup
	@mkdir -p $(YOLO_CONFIG_DIR)
	$(PY) -m pytest -m slow $(ARGS)

# The lock with another PyTorch; its libraries follow from it.
OLDEST := torch==2.11.0 torchvision==0.26.0
OLD := .venv-oldest
test-oldest: $(OLD)/.installed
	@mkdir -p $(OLD)/ultralytics
	YOLO_CONFIG_DIR=$(CURDIR)/$(OLD)/ultralytics $(OLD)/bin/python -m pytest -m "not slow" -n $(WORKERS) --dist loadgroup \
	tests/attention tests/injection tests/evidence tests/measure tests/callbacks $(ARGS)

$(OLD)/.installed: requirements.lock pyproject.toml $(VENV)/.uv
	$(UV) venv --quiet --allow-existing --python $(PY) $(OLD)
	awk '/^[^ ]/ { keep = !/^(torch|torchvision|triton|cuda-[^=]*|nvidia-[^=]*)==/ || /^nvidia-ml-py==/ } keep' \
	requirements.lock >$(OLD)/others.lock
	$(UV) pip install --python $(OLD)/bin/python --no-deps --require-hashes -r $(OLD)/others.lock
	$(UV) pip install --python $(OLD)/bin/python $(OLDEST)
	$(UV) pip install --python $(OLD)/bin/python --no-deps --quiet -e .
	@touch $@

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

docs: setup
	$(PY) -m pages
	$(VENV)/bin/zensical build --strict --clean

setup: $(VENV)/.project

$(VENV)/.uv:
	@test -n "$(PYTHON)" || { echo "No suitable Python found: sdpa_exp needs Python 3.11 or newer with venv and pip." \
	"Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# sync: exactly what the lock holds; what an older lock brought goes. Two packages share their files with others
# (ultralytics, opencv-python), which are removed first where they are there.
$(VENV)/.locked: requirements.lock $(VENV)/.uv
	$(UV) pip sync --python $(PY) --require-hashes --reinstall-package ultralytics-opencv-headless \
	--reinstall-package opencv-python-headless requirements.lock
	@touch $@

$(VENV)/.project: pyproject.toml $(VENV)/.locked
	$(UV) pip install --python $(PY) --no-deps --quiet -e .
	@touch $@

# No header and no notes: the lock names neither hosts nor paths.
lock: $(VENV)/.uv
	$(UV) pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --quiet $(if $(UPGRADE),--upgrade) -o requirements.lock
	$(UV) pip compile docker/mlflow/requirements.in -c requirements.lock --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --quiet | awk 'NR == FNR { ours[$$1]; next } \
	/^[^ ]/ { keep = !($$1 in ours) } keep' requirements.lock - >docker/mlflow/extra.lock
	@! grep -n "://" requirements.lock docker/mlflow/extra.lock

clean:
	rm -rf $(VENV) $(OLD)
