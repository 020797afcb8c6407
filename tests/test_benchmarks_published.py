"""benchmarks/published.py: what an interruption, another number of processes and wrong files must not change."""

import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

pytest.importorskip("lightning_fabric")  # the extra "scale"

import _long_runs  # noqa: E402
import _published_rows  # noqa: E402
import published  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

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
        _published_rows.Row(_published_rows.small("GatedPixelCNN", channels=16, layers=2, dropout=0.1), {}, muon=0.02),
    )
    yield lambda folder, *more: start(folder, *more, monkeypatch=monkeypatch)
    torch.set_num_threads(threads)


class After:
    """A signal that comes after so many steps of a run."""

    def __init__(self, run, steps):
        self.run, self.steps = run, steps

    def __bool__(self):
        return self.run.step >= self.steps


def test_resumed_is_uninterrupted_bit_for_bit(begin, tmp_path):
    whole = begin(tmp_path / "whole")
    assert published.train(whole, [])
    broken = begin(tmp_path / "broken")
    assert not published.train(broken, After(broken, 10)) and broken.step == 10  # in the middle of the third epoch
    again = begin(tmp_path / "broken")
    again.load()
    assert again.step == 10 and again.taken_up == [10]
    assert published.train(again, [])
    (left, _), (right, _) = load_checkpoint(whole.path), load_checkpoint(again.path)
    assert left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
    assert [line["valid"] for line in whole.history] == [line["valid"] for line in again.history]
    assert [line["train"] for line in whole.history] == [line["train"] for line in again.history]
    log = (tmp_path / "broken" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [4, 8, 12]


def test_a_run_is_the_plain_loop(begin, tmp_path, monkeypatch):
    """Adam, a rate, a bound on the gradient's length and a running average, as anybody would write them."""
    make = _published_rows.small("GatedPixelCNN", channels=16, layers=2)
    monkeypatch.setitem(published.ROWS, "fvsbn", _published_rows.Row(make, {}, muon=0.0))
    run = begin(tmp_path, "--clip", "5")
    torch.manual_seed(0)  # the run's seed
    net = make((1, 8, 8), published.make_family(data.digits())).to(memory_format=torch.channels_last)
    average = [weight.detach().clone() for weight in net.parameters()]
    optimizer = torch.optim.Adam(net.parameters(), lr=1.0)
    clipped, steps = 0, 12
    for step in range(steps):
        rows = published.order_of(step // 4, 50, 0)[step % 4 * 12 :][:12]
        loss = -net.log_prob(run.train[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        clipped += torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0) > 5
        optimizer.param_groups[0]["lr"] = published.rate_at(step, steps, 2e-3)
        optimizer.step()
        decay = min(_long_runs.AVERAGE, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new.detach() for old, new in zip(average, net.parameters(), strict=True)]
    assert published.train(run, []) and 0 < clipped
    for mine, theirs in zip(run.network.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(run.average.values, average, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_the_best_are_the_averaged_weights_of_the_epoch_with_the_lowest_validation(begin, tmp_path, monkeypatch):
    seen, nats = [], iter([3.0, 1.0, 2.0])

    def evaluate(run, pictures, samples):
        seen.append({name: value.clone() for name, value in run.network.state_dict().items()})
        return next(nats), 0.0

    monkeypatch.setattr(published, "evaluate", evaluate)
    run = begin(tmp_path)
    published.train(run, [])
    assert [line["valid"] for line in run.history] == [3.0, 1.0, 2.0]
    assert run.best.keys() == seen[1].keys() and all(torch.equal(run.best[name], seen[1][name]) for name in seen[1])
    assert any(not torch.equal(seen[0][name], seen[1][name]) for name in seen[1])
    assert any(
        not torch.equal(run.network.state_dict()[name], seen[2][name]) for name in seen[2]
    )  # the average is not it


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


def test_each_process_gets_back_its_own_random_numbers():
    cpu = torch.device("cpu")
    with torch.random.fork_rng():
        states, drawn = [], []
        for seed in range(3):
            torch.manual_seed(seed)
            torch.rand(seed + 1)
            states.append(published.generators(cpu))
            drawn.append(torch.rand(5))
        for row, expected in zip(torch.stack(states), drawn, strict=True):
            published.set_generators(row, cpu)
            assert torch.equal(torch.rand(5), expected)


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
        decay = min(_long_runs.AVERAGE, (1 + step) / (10 + step))
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
    deeper = _published_rows.small("GatedPixelCNN", channels=16, layers=3)
    monkeypatch.setitem(published.ROWS, "fvsbn", dataclasses.replace(published.ROWS["fvsbn"], make=deeper))
    with pytest.raises(ValueError, match="holds the weights of another"):
        begin(tmp_path).load()


def command(folder, *more):
    return [sys.executable, str(SCRIPT), *TINY, "--folder", str(folder), *more]


ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def torchrun(processes, folder, *more, row="fvsbn"):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    launch += [str(SCRIPT), row, *TINY[1:], "--folder", str(folder), *more]
    done = subprocess.run(launch, env=ENV, capture_output=True, text=True, timeout=1_200)
    assert done.returncode == 0, done.stderr[-3_000:]
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("processes", "batch"), [(2, 11), (3, 12)])
def test_processes_together_train_as_one(processes, batch, tmp_path, monkeypatch):
    """11 pictures do not divide by 2, nor 50 validation pictures by 3; each counts as much as any other."""
    one = start(tmp_path / "one", "--batch", str(batch), monkeypatch=monkeypatch)
    published.train(one, [])
    more = ["--batch", str(batch)]
    if processes == 2:  # begun by one process, and gone on with by two
        begun = start(tmp_path / "many", *more, monkeypatch=monkeypatch)
        assert not published.train(begun, After(begun, 10))
        more.append("--resume")
    log = torchrun(processes, tmp_path / "many", *more)
    for key in ("valid", "train"):
        assert [line[key] for line in log] == pytest.approx([line[key] for line in one.history], rel=1e-5)
    left, right = (load_checkpoint(tmp_path / name / "checkpoint.safetensors")[0] for name in ("one", "many"))
    assert left.keys() == right.keys()
    for name in (
        name for name in left if name.endswith("exp_avg")
    ):  # a sum of gradients; roundings grow from step to step
        assert (left[name] - right[name]).norm() < 1e-3 * left[name].norm()


def test_divided_weights_train_as_whole_ones(tmp_path, monkeypatch):
    monkeypatch.setitem(published.ROWS, "fvsbn", dataclasses.replace(published.ROWS["image_gpt"], muon=0.0))
    whole = start(tmp_path / "whole", monkeypatch=monkeypatch)
    published.train(whole, [])
    log = torchrun(2, tmp_path / "divided", "--divided", row="image_gpt")
    assert [line["valid"] for line in log] == pytest.approx([line["valid"] for line in whole.history], rel=1e-4)
    left, right = (load_checkpoint(tmp_path / name / "checkpoint.safetensors")[0] for name in ("whole", "divided"))
    assert left.keys() == right.keys()
    assert all(left[name].shape == right[name].shape for name in left if name != "generators")


def test_sigterm_writes_a_checkpoint_and_ends_well(tmp_path):
    more = ["--epochs", "100000", "--every", "1000000"]
    process = subprocess.Popen(
        command(tmp_path, *more), env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "log.jsonl"
    deadline = time.monotonic() + 600
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "--resume goes on" in out
    step = load_checkpoint(tmp_path / "checkpoint.safetensors")[1]["step"]
    assert step % 10 == 0 and f"stopped after {step:,} of" in out


def test_nothing_is_overwritten_and_nothing_damaged_is_taken(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(3)}, {"row": "fvsbn"})
    whole = path.read_bytes()
    for more, damaged, message in (
        ([], whole, "is there already"),
        (["--resume"], whole[:-5], "must be a whole checkpoint"),
        (["--resume", "--folder", str(tmp_path / "nowhere")], whole, "there is no file"),
        (["--batch", "51", "--folder", str(tmp_path / "new")], whole, "--batch must be from 1 .* to 50"),
    ):
        path.write_bytes(damaged)
        monkeypatch.setattr(sys, "argv", ["published.py", *TINY, "--folder", str(tmp_path), *more])
        with pytest.raises(SystemExit, match=message):
            published.main()
        assert path.read_bytes() == damaged
    assert sorted(tmp_path.iterdir()) == [path]


def test_the_cluster_files_can_be_read():
    cluster = SCRIPT.parent / "cluster"
    subprocess.run(["bash", "-n", str(cluster / "published.sbatch")], check=True)
    directives = [
        line for line in (cluster / "published.sbatch").read_text().splitlines() if line.startswith("#SBATCH")
    ]
    assert directives and all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in directives)
    service, job = yaml.safe_load_all((cluster / "published.yaml").read_text())
    assert (service["kind"], job["kind"], job["apiVersion"]) == ("Service", "Job", "batch/v1")
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"] and job["spec"]["completionMode"] == "Indexed"
    (container,) = pod["containers"]
    subprocess.run(["bash", "-n", "-c", container["command"][2]], check=True)
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    for text in ((cluster / "published.sbatch").read_text(), container["command"][2]):  # only options that there are
        used = set(re.findall(r"(?<= )--[a-z-]+", text.split("benchmarks/published.py", 1)[1].split("\n")[0]))
        assert used <= {"--folder", "--resume"}


@pytest.mark.parametrize("shape", [(64, 32, 2, 3), (32, 32, 1, 1), (64, 20), (20, 64)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_their_lengths(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)).flatten(1)
    U, S, V = torch.linalg.svd(matrix, full_matrices=False)
    found = _long_runs.orthogonalised(matrix)
    assert found.shape == matrix.shape
    inner = U.T @ found @ V.T  # diagonal where the directions are those of the matrix
    kept = S > 0.1 * S[0]
    lengths = inner.diagonal()[kept]
    assert 0.6 < lengths.min() and lengths.max() < 1.3
    assert (inner - inner.diagonal().diag()).abs().max() < 1e-3


def test_muon_goes_down_shrinks_and_remembers():
    weight = torch.nn.Parameter(torch.randn(40, 20, generator=torch.Generator().manual_seed(1)))
    muon, expected, momentum = _long_runs.Muon([weight], 0.1), weight.detach().clone(), torch.zeros(40, 20)
    for seed in range(3):
        gradient = torch.randn(40, 20, generator=torch.Generator().manual_seed(2 + seed))
        weight.grad = gradient.clone()
        muon.step()
        momentum = 0.95 * momentum + gradient
        update = _long_runs.orthogonalised(gradient + 0.95 * momentum)
        expected = (1 - 0.05 * 0.1) * expected - 0.1 * 2**0.5 * update  # sqrt(40 / 20)
        torch.testing.assert_close(weight.detach(), expected)


def test_muon_takes_the_kernels_between_hidden_layers(begin, tmp_path):
    run = begin(tmp_path)
    adam, muon = (sum(len(group["params"]) for group in optimizer.param_groups) for optimizer in run.inner)
    names = [name for name, weight in run.network.named_parameters() if _long_runs.is_large(name, weight)]
    assert muon == len(names) > 0 and adam + muon == len(list(run.network.parameters()))
    assert not any("bias" in name or name.startswith("output") for name in names)


def test_a_finished_run_is_judged_on_test_pictures_with_the_weights_that_validation_chose(begin, tmp_path, monkeypatch):
    stored = {}
    monkeypatch.setattr(published, "store", lambda name, result: stored.update({name: result}))
    monkeypatch.setattr(published, "RESULTS", tmp_path)
    run = begin(tmp_path / "run", "--store")
    published.train(run, [])
    run.history[1]["valid"] = -1.0  # the second of three epochs shall be the best
    run.best = {name: value + 0.01 for name, value in run.weights().items()}
    run.save()
    published.finish(run, data.digits())
    (name, result), *rest = stored.items()
    assert name == "published_fvsbn_cpu" and not rest and result["chosen"]["epoch"] == 2
    judged = published.ROWS["fvsbn"].make((1, 8, 8), published.make_family(data.digits())).eval()
    judged.load_state_dict(run.best)
    test = published.some(data.digits().test, 50)
    with torch.no_grad():
        assert result["test"] == pytest.approx(-judged.log_prob(test).mean().item(), rel=1e-5)
    drawn = load_file(tmp_path / f"{name}.safetensors")["samples"]
    assert drawn.shape == (24, 1, 8, 8) and drawn.dtype == torch.uint8 and 0 < drawn.max() <= 16


def test_the_table_says_how_far_each_row_is_from_the_published_one(tmp_path, monkeypatch, capsys):
    row = {"row": "made", "parameters": 1234, "seconds": 5400, "chosen": {"valid": 87.0}, "test": 86.14}
    (tmp_path / "published_made_cpu.json").write_text(json.dumps(row | {"published": {"MADE": 86.64}}))
    monkeypatch.setattr(published, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["published.py"])
    published.main()
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split() == ["made", "1,234", "1.50", "87.00", "86.14", "MADE", "86.64", "(-0.50)"]
