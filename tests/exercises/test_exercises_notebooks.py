"""Exercises of the notebooks: empty ones say so, solutions are correct, and bugs to be found get a hint."""

import math
import re
from pathlib import Path

import nbformat
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import exercises

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"


def tagged_cells():
    """Each exercise and its solution, with the last program of the task's text if it has one, and earlier solutions."""
    for path in sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb")):
        task, solved = None, []
        for cell in nbformat.read(path, as_version=4).cells:
            tag = next((tag for tag in cell.metadata.get("tags", []) if tag in ("exercise", "solution")), None)
            if tag:
                name = f"{path.stem}-{tag}-{cell.source.splitlines()[0]}"
                yield pytest.param(tag, cell.source, task, tuple(solved), id=name)
                solved += [cell.source] * (tag == "solution")
            elif cell.cell_type == "markdown":
                task = (re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL) or [None])[-1]


@pytest.mark.parametrize(("tag", "source", "task", "solved"), list(tagged_cells()))
def test_the_cells_of_the_notebooks_say_what_they_should(tag, source, task, solved, capsys):
    names = dict(exercises=exercises, math=math, torch=torch, F=F, nn=nn)
    for earlier in solved:  # an exercise may build on what the reader has written before
        exec(earlier, names)
    capsys.readouterr()
    exec(source, names)
    out = capsys.readouterr().out.rstrip("\n")
    assert out.startswith("correct. ") if tag == "solution" else out == NOT_WRITTEN
    if task:  # "find the bug": the function as it stands in the task gets a hint, not only the entry that differs
        exec(task + source.splitlines()[-1], names)
        out = capsys.readouterr().out
        assert out.startswith("not yet: ") and not out.startswith("not yet: for "), out
