"""Plumbing of pytest; no fixtures that hide what a test does."""

import functools

import nbval.kernel

from runner import loopback_works, transport

# Jupyter talks to its kernels over tcp on 127.0.0.1. A container without a network may have no loopback device either,
# and nbval offers no setting for another way; there, and only there, its kernels are reached through files.
if not loopback_works():
    _tcp_manager = nbval.kernel.KernelManager

    @functools.wraps(_tcp_manager, updated=())
    def _ipc_manager(**arguments):
        return _tcp_manager(**arguments, **transport())

    nbval.kernel.KernelManager = _ipc_manager
