import os
import random
import signal
import subprocess
import sys
import time

import IPython
import pytest
import safetensors.torch
import torch

from course_utils.training import load_checkpoint, progress, save_checkpoint


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


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    tensors = {
        "weight": torch.randn(3, 4, 2, 2).to(memory_format=torch.channels_last),
        "step": torch.tensor(7),
        "half": torch.randn(5).to(torch.bfloat16),
        "generator": torch.get_rng_state(),
    }
    facts = {"step": 7, "history": [{"valid": 0.1 + 0.2}], "name": "Größe"}
    save_checkpoint(tmp_path / "new" / "run.safetensors", tensors, facts)
    back, said = load_checkpoint(tmp_path / "new" / "run.safetensors")
    assert said == facts and back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == tensors[name].dtype for name in tensors)
    assert written(tmp_path / "new") == ["run.safetensors"]


def test_what_cannot_be_written_leaves_the_earlier_checkpoint(tmp_path):
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"a": torch.ones(2)}, {"step": 1})
    with pytest.raises(TypeError):
        save_checkpoint(path, {"a": torch.zeros(2)}, {"step": object()})
    assert load_checkpoint(path)[1] == {"step": 1} and load_checkpoint(path)[0]["a"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: b"PK" + data,
        lambda data: data[:8],
    ],
)
def test_a_damaged_checkpoint_is_one_clear_error_and_is_left_alone(tmp_path, damage):
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"a": torch.ones(200)}, {"step": 1})
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="must be a whole checkpoint.*run.safetensors is damaged"):
        load_checkpoint(path)
    assert path.read_bytes() == damaged


def test_weights_without_facts_are_no_checkpoint(tmp_path):
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="of another kind"):
        load_checkpoint(tmp_path / "weights.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file .*nowhere"):
        load_checkpoint(tmp_path / "nowhere")


WRITER = """
import os, sys, torch
from course_utils.training import save_checkpoint
torch.set_num_threads(1)
for line in sys.stdin:  # one process imports torch, once, and starts as many writers as are asked for
    pid = os.fork()
    if pid == 0:
        for step in range(1, 10**9):
            save_checkpoint(sys.argv[1], {str(i): torch.full((20_000,), float(step)) for i in range(8)}, {"step": step})
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_kill_9_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    path, chance, steps = tmp_path / "run.safetensors", random.Random(0), []
    save_checkpoint(path, {str(i): torch.zeros(20_000) for i in range(8)}, {"step": 0})
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        for _ in range(20):
            print(file=writers.stdin, flush=True)
            pid = int(writers.stdout.readline())
            time.sleep(0.2 * chance.random())
            os.kill(pid, signal.SIGKILL)
            assert writers.stdout.readline() == "gone\n"
            tensors, facts = load_checkpoint(path)
            assert len(tensors) == 8 and all((tensor == facts["step"]).all() for tensor in tensors.values())
            assert set(written(tmp_path)) <= {"run.safetensors", "run.safetensors.part"}
            steps.append(facts["step"])
        writers.stdin.close()
    assert max(steps) > 1  # some were killed after they had written something
