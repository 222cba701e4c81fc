# Set-up and daily commands. A fresh machine needs Python 3.11 or newer, make and a network (PyPI); nothing else.
# Windows without make: the README gives the same steps as plain commands.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BUNDLE := bundles/brain_eeg_mri_classification
RUN := $(BIN)/python -m monai.bundle run
DEMO ?= runs/demo
COHORT ?= $(DEMO)/cohort
SEED ?= 1337

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-slow lint docs dist lock format bench

help:  ## what make can do here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## / ## /' | awk -F ' ## ' '{printf "make %-10s %s\n", $$1, $$2}'

# The stamps are newer than setup.cfg only after an installation that went well.
setup: $(VENV)/.installed  ## .venv with the program (PyTorch: several GB)
setup-dev: $(VENV)/.installed-dev  ## the same with everything for the tests

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

demo: setup  ## synthetic cohort -> both training stages -> evaluation -> report.html
	$(BIN)/monai-fusion sample-cohort $(COHORT) --participants 60 --size small --seed $(SEED) \
	    --eeg-effect 2.5 --mri-effect 3.0 --confound age=0.5 --overwrite
	$(BIN)/monai-fusion datalist build --name "Synthetic sample cohort" --eeg-dir $(COHORT)/eeg --mri-dir $(COHORT)/mri \
	    --participants $(COHORT)/participants.csv --id-column participant_id --label-column gender --classes M F \
	    --columns age --out $(DEMO)/datalist.json --force --yes
	$(RUN) --config_file "['$(BUNDLE)/configs/train.yaml','$(BUNDLE)/configs/demo.yaml']" \
	    --datalist $(DEMO)/datalist.json --output_dir $(DEMO)/run --seed $(SEED)
	$(RUN) --config_file "['$(BUNDLE)/configs/inference.yaml','$(BUNDLE)/configs/evaluate.yaml']" \
	    --datalist $(DEMO)/datalist.json --output_dir $(DEMO)/run
	@echo "The demo's results are in $(DEMO)/run: report.html (open it), metrics.json, predictions.csv, history.csv, model.pt, tensorboard/"

test: setup-dev  ## the fast tests (10 to 20 minutes on 2 cores, by the processor)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: setup-dev  ## the long ones (half an hour to an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

lint: setup-dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_types_and_imports.py

# A plain build prints an advertisement of the theme's successor, which the variable switches off.
docs: setup-dev  ## the documentation's site: open site/index.html, no server or network needed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "The site is in site: open site/index.html"

# The time of the commit, so that the same commit gives the same bits; the time of the build where there is no git.
dist: setup-dev  ## source archive and wheel, into dist/
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) $(BIN)/python -m build

lock: setup-dev  ## requirements-lock.txt from the versions in .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python tools/write_lock.py

format: setup-dev  ## what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# bench_planted_effects.py takes hours: run it by hand (docs/comparing.md).
bench: setup-dev  ## ratios of speed against references
	for bench in $(filter-out %_planted_effects.py,$(wildcard tests/benchmarks/bench_*.py)); do $(BIN)/python $$bench || exit 1; done
