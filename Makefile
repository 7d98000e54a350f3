PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STORE ?= store
PORT ?= 4200
REPORTS_PORT ?= 4280
DEVICE ?= cpu

# One thread a process: several busy processes on few cores are many times slower with more.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE ?= 1
export DO_NOT_TRACK := 1

.PHONY: run test test-fast dev docs lint format bench objectives scale verify up down clean

run: $(READY)  ## the whole pipeline on the built-in defaults; ends with a report
	$(BIN)/atom run --store $(STORE)

# A file of tests runs in one process, so that it shares what it sets up.
TEST := $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test: $(READY)  ## the test suite, on up to four cores
	$(TEST)

test-fast: $(READY)  ## without what needs a pipeline, a server or a browser; for the edit loop
	$(TEST) -m "not slow"

dev: $(READY)  ## what a contributor needs: tests, lint, documentation
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,docs]'

docs: $(READY)  ## the documentation in site/; a broken link fails
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/zensical build --clean --strict

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## every hot path beside the plain way, as a table, Parquet and a plot
	$(BIN)/python tests/benchmarks/bench.py --device $(DEVICE)

AVERAGED := tuning.average_log_prob=true

objectives: $(READY)  ## every objective of tuning side by side, three seeds each; an hour and a half
	$(BIN)/atom tune sweep --seeds 3 --store outputs/objectives-store -o outputs/objectives \
		--set rounds=1 --set on_policy.steps=0 --set validation.prompts_per_task=0 \
		--try tuning.loss_type=ipo --try tuning.loss_type=dpo --try tuning.loss_type=hinge --try tuning.loss_type=kto --try tuning.loss_type=sft \
		--try tuning.loss_type=kto_unpaired \
		--try "tuning.loss_type=orpo $(AVERAGED) tuning.beta=0.25" --try "tuning.loss_type=simpo $(AVERAGED) tuning.beta=2" \
		--try "tuning.loss_type=ipo $(AVERAGED) tuning.sft_weight=0 tuning.max_drift=100" --try "tuning.loss_type=ipo tuning.num_train_epochs=5" \
		--try on_policy.steps=90 --try "on_policy.steps=90 on_policy.advantage=grpo"

scale: $(READY)  ## the pipeline at the paper's size, a tenth and a hundredth of it: time, memory, disk; about an hour
	$(BIN)/python tests/benchmarks/scale.py

verify: $(READY)  ## every figure that the project claims, from scratch; fails where one is missed
	$(BIN)/python tests/benchmarks/verify.py
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[blazepose]'
	$(BIN)/python tests/benchmarks/verify_legibility.py
	$(BIN)/python tests/benchmarks/verify_service.py
	$(BIN)/python tests/benchmarks/verify_reading.py
	$(BIN)/python tests/benchmarks/verify_captions.py
	$(BIN)/python tests/benchmarks/verify_motiongpt.py
	$(BIN)/python tests/benchmarks/verify_formats.py
	$(BIN)/python tests/benchmarks/verify_glb.py
	$(BIN)/python tests/benchmarks/verify_orchestration.py
	$(BIN)/python tests/benchmarks/verify_operating.py
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[notebook]'
	$(BIN)/python tests/benchmarks/verify_notebook.py

up: $(READY)  ## a Prefect server with workers, all deployments, automations and a report server
	$(BIN)/python -m flows.operate up --store $(STORE) --port $(PORT) --reports-port $(REPORTS_PORT)

down: $(READY)  ## stops what `make up` started; the data stay
	$(BIN)/python -m flows.operate down

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
