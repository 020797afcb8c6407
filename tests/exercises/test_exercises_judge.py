"""How answers are judged: on inputs that nobody has touched before."""

import torch

from course_utils.exercises.judge import judge


def test_an_answer_that_writes_into_its_input_is_compared_on_untouched_ones(capsys):
    judge(lambda x: x.add_(1), lambda x: x + 1, [(torch.zeros(2),), (torch.ones(3),)], [], "moral")
    assert capsys.readouterr().out.startswith("correct")


def test_what_one_answer_wrote_does_not_reach_the_wrong_ones(capsys):
    # Compared on zeros the answer is the usual mistake; had it turned them into ones, it would be none.
    wrong = [(lambda x: 2 * x, "twice")]
    judge(lambda x: x.mul_(2), lambda x: x + 1, [(torch.full((2,), 3.0),)], wrong, "moral")
    assert "twice" in capsys.readouterr().out


def test_an_error_of_many_lines_is_told_in_one(capsys):
    def answer(x):
        raise RuntimeError("the first line\nthe second line")

    judge(answer, lambda x: x, [(torch.zeros(2),)], [], "moral")
    out = capsys.readouterr().out
    assert "the first line" in out and "the second line" not in out and out.count("\n") == 1


def test_a_small_input_is_shown_by_its_values_and_a_large_one_by_its_shape(capsys):
    cases = [(torch.tensor([[0.123456, -2.0]]), torch.tensor([True, False]), torch.zeros(7))]
    judge(lambda x, y, z: x, lambda x, y, z: x + 1, cases, [], "moral")
    assert "for x = [[0.1235, -2.0]], y = [True, False], z = a tensor of shape (7,) entry" in capsys.readouterr().out
