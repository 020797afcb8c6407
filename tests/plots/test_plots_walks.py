"""Walks on a map of codes: where the line runs, which pictures stand beside it, and what is refused."""

import pytest
import torch

from course_utils import plots

CODES, PHASES = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.arange(50) / 50
LINE = torch.lerp(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 2.0]), torch.linspace(0, 1, 5)[:, None])
PICTURES = torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 1, 8, 8)


def test_the_line_runs_through_its_codes_and_its_pictures_stand_beside_it(notebook):
    plots.walks(CODES, PHASES, {"up": (LINE, PICTURES), "down": (LINE.flip(0), PICTURES.flip(0))}, "title")
    ((figure, alt),) = notebook
    plane, key, up, down = figure.axes
    assert [label.get_text() for label in key.get_xticklabels()] == ["new", "half", "full", "half", "new"]
    torch.testing.assert_close(torch.as_tensor(plane.collections[0].get_offsets().data).float(), CODES)
    assert plane.collections[0].get_array().tolist() == PHASES.tolist()
    torch.testing.assert_close(torch.as_tensor(plane.lines[0].get_xydata()).float(), LINE)
    torch.testing.assert_close(torch.as_tensor(plane.lines[1].get_xydata()).float(), LINE.flip(0))
    assert plane.lines[0].get_marker() != plane.lines[1].get_marker()
    assert [ax.get_title(loc="left") for ax in (up, down)] == ["1: up", "2: down"]
    first, last = ([ax.images[0].get_array()[4, x].mean() for x in (4, -5)] for ax in (up, down))
    assert first[0] < 0.1 and first[1] > 0.9 and last[0] > 0.9 and last[1] < 0.1
    assert alt == "title. A map of 50 codes, coloured by phase, with straight walks: up, down."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CODES[:, :1], PHASES, {"a": (LINE, PICTURES)}), "codes must have shape"),
        ((CODES, PHASES[1:], {"a": (LINE, PICTURES)}), "phases must have shape"),
        ((CODES, PHASES, {}), "lines must be a dictionary of one to three walks"),
        ((CODES, PHASES, {"a": (LINE[:4], PICTURES)}), r"lines\['a'\] must be codes"),
    ],
)
def test_other_forms_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.walks(*arguments)
