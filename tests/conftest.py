"""Plumbing of pytest; no fixtures that hide what a test does."""

import functools
import os
import tempfile

import nbval.kernel
from hypothesis import settings

from runner import clean_environment, loopback_works, transport

# Notebooks run here as `make notebooks` runs them: without the user's profile of IPython, backend of matplotlib, paths.
_home = tempfile.TemporaryDirectory(prefix="ipython-")  # removed when pytest ends
_clean = clean_environment(_home.name)
for _name in set(os.environ) - set(_clean):
    del os.environ[_name]
os.environ.update(_clean)
# Where make called pytest, a make within a test is none of its parts.
for _name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(_name, None)

# The same random cases in every run, so that red means that the code has changed; and no time limit on a slow machine.
# Others are tried with `pytest --hypothesis-profile=default`.
settings.register_profile("course", derandomize=True, deadline=None)
settings.load_profile("course")

# Jupyter talks to its kernels over tcp on 127.0.0.1. A container without a network may have no loopback device either,
# and nbval offers no setting for another way; there, and only there, its kernels are reached through files.
if not loopback_works():
    _tcp_manager = nbval.kernel.KernelManager

    @functools.wraps(_tcp_manager, updated=())
    def _ipc_manager(**arguments):
        return _tcp_manager(**arguments, **transport())

    nbval.kernel.KernelManager = _ipc_manager
