"""Rows of benchmarks/every_mode.py: each leaves out what its name says, and nothing else."""

import json

import every_mode
import pytest
import torch
from torch import nn


def made(title):
    torch.manual_seed(0)
    return every_mode.ROWS[title][0]()


def linear(network):
    return [layer for layer in network if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("title", every_mode.ROWS)
def test_a_row_has_the_parts_of_its_name(title):
    G, D = made(title)
    _, penalty, falling = every_mode.ROWS[title]
    blind = title in ("no waves", "plain")
    assert linear(G)[0].in_features == (2 if blind or title == "waves for D only" else 18)
    assert linear(D)[0].in_features == (2 if blind else 66)
    assert (penalty == "R1") == (title not in ("no R1", "plain"))
    assert falling == (title not in ("constant rates", "plain"))
    wide = linear(G)[1].weight.std().item() > 0.12  # He's: sqrt(2 / 64) = 0.18; torch's: 1 / sqrt(3 * 64) = 0.07
    assert wide == (title not in ("torch's start", "plain"))
    z = torch.randn(7, 2)
    assert G(z).shape == (7, 2) and D(G(z)).shape == (7,)


def test_what_is_interrupted_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(every_mode, "RESULTS", tmp_path)
    monkeypatch.setattr("_common.RESULTS", tmp_path)
    monkeypatch.setattr(every_mode, "STEPS", {"ring": 3, "grid": 3})
    command = ["every_mode.py", "--eager", "--only", "ring, no waves", "--seeds"]
    for seeds in ("1", "2"):
        monkeypatch.setattr("sys.argv", [*command, seeds])
        every_mode.main()
    rows = json.loads((tmp_path / "every_mode_cpu.json").read_text())["rows"]
    assert list(rows) == ["ring, no waves"] and list(rows["ring, no waves"]["runs"]) == ["0", "1"]
    for run in rows["ring, no waves"]["runs"].values():
        assert 0 <= run["good"] <= 1 and 0 <= run["modes"] <= 8 and run["reverse_kl"] >= 0
