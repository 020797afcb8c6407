# Every target sets up what it needs: .venv is made on the first call, again when the dependencies change, and repaired
# when its Python is gone or a package is missing.
# Variables: PYTHON=python3.12 (for .venv)  JOBS=2 (notebooks at a time)  NB="01 evidence/03" (only these notebooks)
#            ALL=1 (the evidence, too)  OUT=/tmp/out (in place of build/, where the project cannot be written to)
PYTHON ?= python3
JOBS ?= 2
OUT ?= build
BIN = .venv/bin
READY = .venv/ready
PY = $(BIN)/python

# Two jobs on a laptop's cores: more than one thread each would only make them wait for one another.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
# Another search path, another backend for figures, an ASCII terminal, asserts switched off: none is to change what runs.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONOPTIMIZE PYTHONWARNINGS MPLBACKEND
export PYTHONIOENCODING = utf-8
export PYTHONUTF8 = 1

.DEFAULT_GOAL := help
.PHONY: course test lab notebooks student slides site bench gpu calibrate pins clean distclean help

course: $(READY) ## run the notebooks, write readable pages to build/course (NB=01 only that one, ALL=1 the evidence, too)
	@$(PY) tools/course.py --jobs "$(JOBS)" --out "$(OUT)/course" $(if $(ALL),--all) $(NB)

test: $(READY) ## check style, run the unit tests, compare every notebook with what is stored (NB=03 only that notebook)
	@$(PY) tools/verify.py --jobs "$(JOBS)" --out "$(OUT)" $(NB)

lab: $(READY) ## open JupyterLab on the first notebook
	@$(PY) -m jupyter lab --config=tools/lab_config.py notebooks/00_start_here.ipynb

notebooks: $(READY) ## re-run the changed notebooks and store their outputs in place (NB=evidence/03 forces one, ALL=1 all)
	@$(PY) tools/store.py --jobs "$(JOBS)" $(if $(ALL),--all) $(NB)
	@$(PY) tools/pictures.py

student: $(READY) ## write the edition without solutions, and a zip of it, to build/student
	@$(PY) tools/student.py --out "$(OUT)/student"

slides: $(READY) ## turn the course's notebooks into slides that need no network, in build/slides
	@$(PY) tools/slides.py --out "$(OUT)/slides" $(NB)

site: $(READY) ## make one site of all notebooks and of the package, with search, in build/site (after make course)
	@$(PY) tools/website.py --course "$(OUT)/course" --out "$(OUT)/site"

bench: $(READY) ## run the benchmarks one after another (long)
	@found=; for script in benchmarks/[!_]*.py; do \
		test -f "$$script" || continue; found=1; echo "== $$script"; $(PY) "$$script" || exit 1; \
	done; test -n "$$found" || echo "There are no benchmarks yet: benchmarks/ has no script."

gpu: $(READY) ## on a machine with a CUDA device: tests, speed and a published row, in under twelve minutes
	@OMP_NUM_THREADS=8 $(PY) tools/gpu.py

calibrate: $(READY) ## say how many times longer this machine takes than the reference (seconds)
	@$(PY) benchmarks/calibrate.py

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

# Asked every time, in a tenth of a second: the Python of .venv may be gone, or a package removed.
$(READY): FORCE
	@$(PY) -S -E tools/setup_env.py --is-ready 2>/dev/null || { \
		command -v $(PYTHON) >/dev/null 2>&1 || \
		{ echo "There is no $(PYTHON) here: install Python 3.11 or newer, or name yours with make PYTHON=…" >&2; exit 1; }; \
		$(PYTHON) tools/setup_env.py; }
FORCE:
