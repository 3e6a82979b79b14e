# Every target sets up .venv from the lock by itself; Python 3.11 or newer and make are all that is needed.
PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13 python,$(shell command -v $(p) >/dev/null 2>&1 && $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Real data for developers: used where the folder exists, and never needed.
ifneq ($(wildcard ../shared/data),)
export QONTRAST_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help install demo study-mini test check format physics physics-page bench claims claims-runs lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "qontrast needs Python 3.11 or newer: none found on PATH; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(STAMP)  ## create .venv and install from the lock

demo: $(STAMP)  ## the main job, end to end, on the embedded data; writes demo/report.html
	$(BIN)/qontrast demo --out demo --overwrite

study-mini: $(STAMP)  ## a whole study, small, within 40 minutes; goes on where it was stopped; writes study-mini/report.html
	$(BIN)/qontrast study recipes/study-mini.yaml --out study-mini --jobs 2

test: $(STAMP)  ## run the tests, one process per core up to four
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: $(STAMP)  ## style, types, import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## let ruff format and mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

physics: $(STAMP)  ## every sequence against its oracle, the prior's draws, real echoes
	PYTHONPATH=tests $(BIN)/python -m oracles

physics-page: $(STAMP)  ## write docs/physics.md and its pictures
	PYTHONPATH=tests $(BIN)/python -m oracles.page

build/peers: $(STAMP) benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ -r benchmarks/requirements.txt
	@touch $@

bench: build/peers  ## speed of views (beside MONAI, TorchIO, cornucopia), signals and training, and memory
	PYTHONPATH=build/peers $(BIN)/python benchmarks/views.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/signals.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/training.py

need-data = for part in anatomies lesions scans/sub-tissue; do test -d "$(QONTRAST_DATA)/$$part" || \
	{ echo "set QONTRAST_DATA to a folder with anatomies/, lesions/ and scans/: $$part is not there (docs/claims.md)"; exit 1; }; done
study = $(BIN)/qontrast study recipes/claims/$(1).yaml --out runs/claims/$(1) --jobs 2

claims-runs: $(STAMP)  ## the runs behind docs/claims.md: about a day on two cores; goes on where it was stopped
	@$(need-data)
	$(call study,main) --fractions 1 3
	$(call study,again-1)
	$(call study,again-2)
	$(BIN)/qontrast finetune segment recipes/claims/supervised.yaml --data $(QONTRAST_DATA)/anatomies --out runs/claims/supervised --resume
	$(call study,ablations)
	$(call study,encoders)
	$(call study,tasks)
	$(call study,lesions) --tasks.lesion.views.pathology.folder $(QONTRAST_DATA)/lesions
	$(BIN)/python claims/after.py runs/claims
	$(call study,main)
	$(call study,second-try) --tasks.lesion.views.pathology.folder $(QONTRAST_DATA)/lesions
	$(BIN)/python claims/strokes.py runs/claims
	$(BIN)/python claims/shipped.py runs/claims
	$(BIN)/python claims/keep.py $(addprefix runs/claims/,main again-1 again-2 ablations encoders tasks lesions supervised real sweeps second-try strokes shipped)

claims: $(STAMP)  ## docs/results.md and its figures from the ledgers in claims/ledgers
	$(BIN)/python claims/page.py

lock: $(STAMP)  ## write requirements.lock from what is installed now
	{ echo '# Written by make lock. torch is the pin: pip takes the build that fits the machine.'; \
	$(BIN)/python -m pip freeze --all --exclude-editable | grep -v '^pip==' | sed 's/+cpu$$//'; } > requirements.lock

clean:  ## remove what was built
	rm -rf $(VENV) demo study-mini build *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
