import time

import IPython
import pytest
import torch

from course_utils.training import progress


def final_line(capsys):
    """What a terminal shows in the end: what is written after the last carriage return."""
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    return out[:-1].rsplit("\r", 1)[1].rstrip()


def seconds_hidden(line):
    steps, seconds, *rest = line.split(" · ")
    assert seconds.endswith(" s") and float(seconds[:-2]) >= 0
    return [steps, *rest]


def test_passes_all_items_on_in_order(capsys):
    items = [object() for _ in range(5)]
    assert list(progress(items)) == items
    assert list(progress(item for item in items)) == items  # no length


def test_leaves_one_line_with_steps_seconds_and_loss(capsys):
    steps = progress(range(1_200))
    for i in steps:
        steps.record(torch.tensor(float(i)))
    assert seconds_hidden(final_line(capsys)) == ["1,200 steps", f"{sum(range(1080, 1200)) / 120:.4g} nats"]


def test_unit_and_absence_of_a_loss(capsys):
    steps = progress(range(3), unit="bits/dim")
    for _ in steps:
        steps.record(torch.tensor(1.5))
    assert seconds_hidden(final_line(capsys)) == ["3 steps", "1.5 bits/dim"]
    assert list(progress(range(3))) == [0, 1, 2]
    assert seconds_hidden(final_line(capsys)) == ["3 steps"]
    assert list(progress([])) == []
    assert seconds_hidden(final_line(capsys)) == ["0 steps"]


def test_history_holds_every_loss_detached(capsys):
    weight = torch.ones(1, requires_grad=True)
    steps = progress(range(4))
    assert steps.history.shape == (0,)
    for i in steps:
        steps.record((i * weight).sum())
    steps.record(7)
    assert steps.history.tolist() == [0, 1, 2, 3, 7]
    assert not steps.history.requires_grad and steps.history.dtype == torch.float32


def test_a_second_loop_starts_anew(capsys):
    steps = progress(range(3))
    for _ in range(2):
        for i in steps:
            steps.record(torch.tensor(float(i)))
    assert steps.history.tolist() == [0, 1, 2]


def test_seconds_are_the_wall_clock_time_of_the_loop(monkeypatch, capsys):
    now = iter([100.0, 112.6])
    steps = progress(range(2))
    assert steps.seconds == 0
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    list(steps)
    assert steps.seconds == pytest.approx(12.6)
    assert final_line(capsys) == "2 steps · 13 s"


def test_short_loops_show_tenths_of_a_second(monkeypatch, capsys):
    now = iter([5.0, 5.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    list(progress([1]))
    assert final_line(capsys) in ("1 step · 0.2 s", "1 step · 0.3 s")


def test_break_leaves_the_line_and_the_history(capsys):
    steps = progress(range(100))
    for i in steps:
        steps.record(torch.tensor(2.0))
        if i == 10:
            break
    assert seconds_hidden(final_line(capsys)) == ["10 steps", "2 nats"]  # the eleventh was not finished
    assert len(steps.history) == 11 and steps.seconds > 0


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_passes_through_and_the_line_is_still_left(kind, capsys):
    steps = progress(range(100))

    def loop():
        for i in steps:
            if i == 2:
                raise kind("stop")

    with pytest.raises(kind, match="stop") as caught:
        loop()
    del caught
    assert seconds_hidden(final_line(capsys)) == ["2 steps"]


def test_an_exception_in_the_iterable_passes_through(capsys):
    def failing():
        yield 1
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(progress(failing()))
    assert seconds_hidden(final_line(capsys)) == ["1 step"]


def test_a_notebook_gets_one_output_that_is_replaced(monkeypatch, capsys):
    shown = []

    class Handle:
        def update(self, line):
            shown[-1].append(repr(line))

    def display(line, display_id):
        assert display_id is True
        shown.append([repr(line)])
        return Handle()

    class Shell:
        kernel = object()

    monkeypatch.setattr(IPython, "get_ipython", Shell)
    monkeypatch.setattr("IPython.display.display", display)
    assert list(progress(range(3))) == [0, 1, 2]
    (output,) = shown
    assert output[0] == "" and output[-1].startswith("3 steps · ")
    assert any("/3" in line for line in output)  # the bar, on its way
    assert capsys.readouterr() == ("", "")


def test_nothing_is_written_to_stderr(capsys):
    list(progress(range(3)))
    assert capsys.readouterr().err == ""


def test_losses_are_kept_where_they_are_whatever_the_default_device(capsys):
    with torch.device("meta"):
        steps = progress(range(2))
        assert steps.history.device.type == "cpu"
        for i in steps:
            steps.record(float(i))
    assert steps.history.tolist() == [0, 1]
