# Every target sets up what it needs: .venv is made on the first call and again when the dependencies change.
# Variables: PYTHON=python3.12 (for .venv)  JOBS=2 (notebooks at a time)  NB="01 03" (only these notebooks)  ALL=1
PYTHON ?= python3
JOBS ?= 2
BIN = .venv/bin
READY = .venv/ready
PY = $(BIN)/python

# Two jobs on a laptop's cores: more than one thread each would only make them wait for one another.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: course test lab notebooks student slides bench pins clean distclean help

course: $(READY) ## run every notebook, write readable pages to build/course (NB=01 runs only that one)
	@$(PY) tools/course.py --jobs $(JOBS) $(NB)

test: $(READY) ## check style, run the unit tests, re-run the notebooks and compare them with what is stored
	@$(PY) -m ruff check .
	@$(PY) -m pytest -n $(JOBS) --dist loadscope --nbval tests $(wildcard notebooks)

lab: $(READY) ## open JupyterLab on the first notebook
	@$(PY) -m jupyter lab --config=tools/lab_config.py notebooks/00_start_here.ipynb

notebooks: $(READY) ## re-run the changed notebooks and store their outputs in place (NB=01 forces one, ALL=1 all)
	@$(PY) tools/store.py --jobs $(JOBS) $(if $(ALL),--all) $(NB)
	@$(PY) tools/pictures.py

student: $(READY) ## write the edition without solutions, and a zip of it, to build/student
	@$(PY) tools/student.py

slides: $(READY) ## turn the notebooks into slides that need no network, in build/slides
	@$(PY) tools/slides.py $(NB)

bench: $(READY) ## run the benchmarks one after another (long)
	@found=; for script in benchmarks/[!_]*.py; do \
		test -f "$$script" || continue; found=1; echo "== $$script"; $(PY) "$$script" || exit 1; \
	done; test -n "$$found" || echo "There are no benchmarks yet: benchmarks/ has no script."

pins: ## write constraints.txt anew with the newest versions that fit together (needs uv and a network)
	@$(PYTHON) tools/pins.py

clean: ## remove build/ and caches, never .venv or data
	@rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find course_utils tests tools benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
		-prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## clean, and remove .venv too
	@rm -rf .venv

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 || \
		{ echo "There is no $(PYTHON) here: install Python 3.11 or newer, or name yours with make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) tools/setup_env.py
