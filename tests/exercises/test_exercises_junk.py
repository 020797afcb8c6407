"""No answer makes a checker raise, and none of these is called correct."""

import pytest
import torch
from answers import ARGUMENTS, RIGHT, function
from junk import JUNK, Unprintable

from course_utils import exercises

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.filterwarnings("ignore")  # what torch and NumPy say of such values does not matter here
def test_junk_is_not_correct_and_never_raises(name, junk, said):
    line = said(name, lambda *arguments: JUNK[junk])
    assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_answer_yet(name, said):
    assert said(name, lambda *arguments: ...) == NOT_WRITTEN
    assert said(name, lambda *arguments: None) == NOT_WRITTEN


@pytest.mark.parametrize(
    "error", [NameError("bits"), ZeroDivisionError("by zero"), SystemExit(), StopIteration(), Unprintable()], ids=repr
)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_answer_that_raises_gets_its_error_named(name, error, said):
    def answer(*arguments):
        raise error

    line = said(name, answer)
    assert line.startswith("not yet: your code raised ") and type(error).__name__ in line
    if error.args:
        assert str(error) in line


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_cannot_be_called_with_the_arguments_is_named_too(name, said):
    for answer in (lambda: 0.0, 3.0, None, ...):
        assert "your code raised TypeError" in said(name, answer)


def test_an_interrupt_goes_through():
    def answer(batches):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.mean_nll(answer)


def test_a_checker_leaves_the_random_numbers_alone(capsys):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for name in ARGUMENTS:
        getattr(exercises, name)(function(name, RIGHT[name][0]))
    assert torch.equal(torch.rand(1), expected)
