"""benchmarks/published.py: what an interruption, another number of processes and wrong files must not change."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning_fabric")  # the extra "scale"

import published  # noqa: E402

from course_utils import data  # noqa: E402
from course_utils.training import load_checkpoint, save_checkpoint  # noqa: E402

SCRIPT = Path(published.__file__)
# 50 pictures in batches of 12: four steps an epoch, and two pictures that wait
TINY = "fvsbn --data digits --limit 50 --batch 12 --epochs 3 --every 3 --threads 1 --accelerator cpu --no-store".split()


def start(folder, *more, monkeypatch):
    """The run that this command line asks for, before its first step, in this process."""
    monkeypatch.setattr(sys, "argv", ["published.py", *TINY, "--folder", str(folder), *more])
    options = published.read_options()
    fabric = published.make_fabric(options)
    fabric.launch()
    return published.Run(fabric, options.row, options, getattr(data, options.data)())


@pytest.fixture
def begin(monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setitem(
        published.ROWS,
        "fvsbn",
        published.Row(published.small("GatedPixelCNN", channels=16, layers=2, dropout=0.1), {}, muon=0.02),
    )
    yield lambda folder, *more: start(folder, *more, monkeypatch=monkeypatch)
    torch.set_num_threads(threads)


class After:
    """A signal that comes after so many steps of a run."""

    def __init__(self, run, steps):
        self.run, self.steps = run, steps

    def __bool__(self):
        return self.run.step >= self.steps


def same(a, b, atol=0.0):
    (left, _), (right, _) = load_checkpoint(a), load_checkpoint(b)
    assert left.keys() == right.keys()
    for name in left:
        if name != "generators" or not atol:
            torch.testing.assert_close(left[name], right[name], atol=atol, rtol=atol, msg=lambda m, n=name: f"{n}: {m}")


def test_resumed_is_uninterrupted_bit_for_bit(begin, tmp_path):
    whole = begin(tmp_path / "whole")
    assert published.train(whole, [])
    broken = begin(tmp_path / "broken")
    assert not published.train(broken, After(broken, 10)) and broken.step == 10  # in the middle of the third epoch
    again = begin(tmp_path / "broken")
    again.load()
    assert again.step == 10 and again.taken_up == [10]
    assert published.train(again, [])
    same(whole.path, again.path)
    assert [line["valid"] for line in whole.history] == [line["valid"] for line in again.history]
    assert [line["train"] for line in whole.history] == [line["train"] for line in again.history]
    log = (tmp_path / "broken" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [4, 8, 12]


def test_moments_are_laid_out_as_their_parameters(begin, tmp_path):
    """Fused Adam on a CPU does not look at strides."""
    run = begin(tmp_path)
    published.train(run, After(run, 10))
    again = begin(tmp_path)
    again.load()
    kernels = [p for p in again.network.parameters() if p.ndim == 4 and not p.is_contiguous()]
    assert kernels  # else there is nothing to see
    for parameter, moments in (item for optimizer in again.inner for item in optimizer.state.items()):
        assert all(value.stride() == parameter.stride() for name, value in moments.items() if name != "step")


def test_each_epoch_shows_each_picture_once_and_waits_for_no_batch():
    orders = [published.order_of(epoch, 50, seed=3) for epoch in range(3)]
    assert all(order.sort().values.tolist() == list(range(50)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(orders[1], published.order_of(1, 50, seed=3))
    assert not torch.equal(orders[0], published.order_of(0, 50, seed=4))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_divide_pictures_without_rest(world):
    class Process:
        world_size = world

        def __init__(self, rank):
            self.global_rank = rank

    shares = [published.share(torch.arange(50), Process(rank)) for rank in range(world)]
    assert sorted(torch.cat(shares).tolist()) == list(range(50))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_rate_rises_falls_and_ends_at_zero():
    rates = [published.rate_at(step, 2_000, 0.3) for step in range(2_000)]
    warm = 200  # a tenth, where that is less than WARM_UP
    assert rates[0] == pytest.approx(0.3 / warm) and rates[warm - 1] == pytest.approx(0.3) == max(rates)
    assert all(b < a for a, b in zip(rates[warm:], rates[warm + 1 :], strict=False)) and rates[-1] < 1e-6
    halfway = published.rate_at(warm + 900, 2_000, 0.3)
    assert halfway == pytest.approx(0.15)


def test_the_average_is_the_one_of_torch():
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    ours = published.Average(net.parameters())
    decay = 0.0
    theirs = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=lambda avg, new, n: torch._foreach_lerp_(list(avg), list(new), 1 - decay)
    )
    theirs.update_parameters(net)  # the first call copies
    for step in range(20):
        with torch.no_grad():
            for parameter in net.parameters():
                parameter += torch.randn_like(parameter)
        decay = min(published.AVERAGE, (1 + step) / (10 + step))
        ours.update(step)
        theirs.update_parameters(net)
    kept = [p.detach().clone() for p in net.parameters()]
    ours.swap()
    for mine, reference in zip(net.parameters(), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(mine, reference)
    ours.swap()
    assert all(torch.equal(a, b) for a, b in zip(kept, net.parameters(), strict=True))


def test_evaluation_is_the_mean_over_all_pictures(begin, tmp_path):
    run = begin(tmp_path)
    pictures = data.digits().test[:123]  # fills no portion
    mean, error = published.evaluate(run, pictures, None)
    with torch.no_grad():
        nats = -run.network.eval().log_prob(pictures).double()
    assert mean == pytest.approx(nats.mean().item(), rel=1e-6)
    assert error == pytest.approx((nats.std(correction=0) / math.sqrt(123)).item(), rel=1e-4)


def test_some_pictures_are_of_all_classes():
    digits = data.digits()
    order = digits.train_labels.argsort()  # as a file that is sorted by class
    few = published.some(order, 100)
    assert len(digits.train_labels[few].unique()) == 10 and published.some(order, None) is order


def test_a_checkpoint_of_another_run_is_one_clear_error(begin, tmp_path, monkeypatch):
    run = begin(tmp_path)
    published.train(run, After(run, 10))
    with pytest.raises(ValueError, match="--resume needs the same run.*'batch': 12.*another --folder"):
        begin(tmp_path, "--batch", "10").load()
    tensors, facts = load_checkpoint(run.path)
    save_checkpoint(run.path, tensors, facts | {"row": "made"})
    with pytest.raises(ValueError, match="was written with row made, not fvsbn"):
        begin(tmp_path).load()
    save_checkpoint(run.path, tensors, facts)
    other = published.Row(published.small("GatedPixelCNN", channels=16, layers=3), {})
    monkeypatch.setitem(published.ROWS, "fvsbn", other)
    with pytest.raises(ValueError, match="holds the weights of another"):
        begin(tmp_path).load()


def command(folder, *more):
    return [sys.executable, str(SCRIPT), *TINY, "--folder", str(folder), *more]


ENV = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_train_as_one(processes, tmp_path):
    """12 pictures for 2 and 3 processes, and validation pictures that do not divide."""
    subprocess.run(command(tmp_path / "one"), env=ENV, check=True, capture_output=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    subprocess.run(torchrun + command(tmp_path / "many")[1:], env=ENV, check=True, capture_output=True)
    same(tmp_path / "one" / "checkpoint.safetensors", tmp_path / "many" / "checkpoint.safetensors", atol=1e-4)
    one, many = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "many")
    )
    assert [line["valid"] for line in many] == pytest.approx([line["valid"] for line in one], rel=1e-5)
    assert [line["train"] for line in many] == pytest.approx([line["train"] for line in one], rel=1e-5)


def test_sigterm_writes_a_checkpoint_and_ends_well(tmp_path):
    more = ["--epochs", "100000", "--every", "1000000"]
    process = subprocess.Popen(
        command(tmp_path, *more), env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "log.jsonl"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "--resume goes on" in out
    step = load_checkpoint(tmp_path / "checkpoint.safetensors")[1]["step"]
    assert step % 10 == 0 and f"stopped after {step:,} of" in out


def test_nothing_is_overwritten_and_nothing_damaged_is_taken(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(3)}, {"row": "fvsbn"})
    whole = path.read_bytes()
    for more, damaged, message in (
        ([], whole, "is there already"),
        (["--resume"], whole[:-5], "must be a whole checkpoint"),
    ):
        path.write_bytes(damaged)
        done = subprocess.run(command(tmp_path, *more), env=ENV, capture_output=True, text=True)
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
        assert path.read_bytes() == damaged
    shutil.rmtree(tmp_path)
    done = subprocess.run(command(tmp_path, "--resume"), env=ENV, capture_output=True, text=True)
    assert done.returncode == 1 and "there is no file" in done.stderr and "Traceback" not in done.stderr
