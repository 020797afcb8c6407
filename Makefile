# The targets are in make.py, which does the same without make: python make.py course (on Windows: py make.py course).
# Variables: NB="01 evidence/03"  ALL=1  JOBS=2  OUT=/tmp/out  FILE=returned.ipynb  PDF=1  TORCH=cpu  PYTHON=python3.12
PYTHON ?= python3
export PYTHON NB ALL JOBS OUT FILE CSV PDF TORCH PINS REPOSITORY

.DEFAULT_GOAL := help
.PHONY: help course test lab setup notebooks student grade slides site bench gpu calibrate pins clean distclean

course test lab setup notebooks student grade slides site bench gpu calibrate pins clean distclean help:
	@$(run) $@

# -E: no search path of the user's. The Python of .venv answers where it has one, so that a tool asks for no other.
define run
python=.venv/bin/python; test -x $$python || python="$(PYTHON)"; \
	command -v "$$python" >/dev/null 2>&1 || \
	{ echo "There is no $$python here: install Python 3.11 or newer, or name yours with make PYTHON=…" >&2; exit 1; }; \
	exec "$$python" -S -E make.py
endef
