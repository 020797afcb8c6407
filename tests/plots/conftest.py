"""Axes to draw on, and a notebook that keeps what it is shown."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.fixture
def notebook(monkeypatch):
    """The outputs of a kernel: a list of (figure, alt text)."""
    outputs = []
    plt.close(plt.figure())  # matplotlib looks for IPython when it makes its first figure; let it find what there is
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr(
        "IPython.display.display",
        lambda figure, metadata: outputs.append((figure, metadata["image/png"]["alt"])),
    )
    return outputs
