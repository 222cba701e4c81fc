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

.PHONY: setup setup-dev demo test test-slow lint format bench

# The stamps are newer than setup.cfg only after an installation that went well.
setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

# Sample cohort -> both stages -> evaluation on the test part -> report.
demo: setup
	$(BIN)/monai-fusion sample-cohort $(COHORT) --participants 60 --size small --seed $(SEED) \
	    --eeg-effect 2.5 --mri-effect 3.0 --overwrite
	$(BIN)/monai-fusion datalist build --name "Synthetic sample cohort" --eeg-dir $(COHORT)/eeg --mri-dir $(COHORT)/mri \
	    --participants $(COHORT)/participants.csv --id-column participant_id --label-column gender --classes M F \
	    --out $(DEMO)/datalist.json --force
	$(RUN) --config_file "['$(BUNDLE)/configs/train.yaml','$(BUNDLE)/configs/demo.yaml']" \
	    --datalist $(DEMO)/datalist.json --output_dir $(DEMO)/run --seed $(SEED)
	$(RUN) --config_file $(BUNDLE)/configs/evaluate.yaml \
	    --datalist $(DEMO)/datalist.json --output_dir $(DEMO)/run
	@echo "The demo's results are in $(DEMO)/run: report.html (open it), metrics.json, predictions.csv, history.csv, model.pt, tensorboard/"

test: setup-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: setup-dev
	$(BIN)/python -m pytest -m slow

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_types_and_imports.py

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# bench_planted_effects.py takes hours: run it by hand (docs/comparing.md).
bench: setup-dev
	for bench in $(filter-out %_planted_effects.py,$(wildcard tests/benchmarks/bench_*.py)); do $(BIN)/python $$bench || exit 1; done
