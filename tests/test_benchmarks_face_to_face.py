"""benchmarks/face_to_face.py: one rule for all rows, settings chosen on validation pictures, and nothing run twice."""

import argparse
import json
import math

import _families
import face_to_face as f
import pytest
import torch
from safetensors.torch import load_file

from course_utils import data, models

DIGITS = f.digits()
FEW = data.Images("digits", DIGITS.train[:80], DIGITS.valid[:12], DIGITS.test[:12], levels=17)
TIMES = "seconds", "sampling_seconds"


def same(a: dict, b: dict) -> bool:
    return {k: v for k, v in a.items() if k not in TIMES} == {k: v for k, v in b.items() if k not in TIMES}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few pictures, few samples, and results that go elsewhere."""
    monkeypatch.setattr(f, "DRAWN", 30)
    monkeypatch.setattr(f, "MEASURED", 12)
    monkeypatch.setattr(f, "SHOWN", 3)
    monkeypatch.setattr(f, "digits", lambda: FEW)
    monkeypatch.setattr(f, "SAMPLES", tmp_path / "samples")
    monkeypatch.setattr(f, "machine", lambda: {"processor": "any"})
    for module in (f, __import__("_common")):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    return tmp_path


def options(**changed) -> argparse.Namespace:
    return argparse.Namespace(**{"again": False, "measure": False, "steps": 4, "seeds": 1, "only": ""} | changed)


def command(monkeypatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["face_to_face.py", "--steps", "4", *words])
    f.main()


# --- data ------------------------------------------------------------------------------------------------------------


def test_the_split_holds_every_digit_once_and_mixes_the_writers():
    stored = data.digits()
    every = torch.cat([stored.train, stored.valid, stored.test])
    parts = [DIGITS.train, DIGITS.valid, DIGITS.test]
    assert [len(part) for part in parts] == [897, 450, 450]

    def rows(x):
        return sorted(map(tuple, (16 * x).int().flatten(1).tolist()))

    assert rows(torch.cat(parts)) == rows(every)  # a permutation: disjoint, but for twins in the set
    first = set(rows(every[:600]))  # other hands wrote the first digits than the last
    for part in parts:
        share = sum(row in first for row in rows(part)) / len(part)
        assert share == pytest.approx(600 / 1797, abs=4 * math.sqrt(0.33 * 0.67 / len(part)))
    assert torch.equal(f.digits().test, DIGITS.test)


def test_pictures_are_redrawn_less_and_less_and_the_rate_ends_at_zero():
    torch.manual_seed(0)
    known = {tuple(x.flatten().tolist()) for x in DIGITS.train}
    shares, batches = zip(*_families.pictures(DIGITS.train, 400), strict=True)
    assert len(batches) == 400 and {len(x) for x in batches} == {64}
    new = torch.tensor([sum(tuple(x.flatten().tolist()) not in known for x in part) / 64 for part in batches])
    for start in range(0, 400, 50):
        assert new[start : start + 50].mean().item() == pytest.approx(1 - (start + 25) / 400, abs=0.06)
    assert max(shares) == pytest.approx(1, abs=0.02) and shares[0] < 0.1 and shares[-1] < 1e-4
    assert list(shares[20:]) == sorted(shares[20:], reverse=True)


@pytest.mark.parametrize("title", f.ROWS)
def test_every_row_follows_the_one_rule(title, monkeypatch):
    asked, rates = [], []
    plain = _families.step

    def pictures(train, steps):
        asked.append((len(train), steps))
        for share in (0.25, 0.75):
            yield share, train[:64]

    def step(optimizer, loss):
        assert loss.dtype == torch.float32
        rates.append(optimizer.param_groups[0]["lr"])
        plain(optimizer, loss)

    monkeypatch.setattr(_families, "pictures", pictures)
    monkeypatch.setattr(_families, "step", step)
    setting = f.settings(title)[0]
    torch.manual_seed(0)
    model, everything = f.ROWS[title].train(setting, FEW.train, 2)
    assert asked == [(80, 2)]
    players = 2 if title == "GAN" else 1
    assert rates == [share * setting["rate"] for share in (0.25, 0.75) for _ in range(players)]
    last = (everything[0] if title == "GAN" else everything).state_dict()
    moved = [name for name, w in model.state_dict().items() if not torch.equal(w, last[name])]
    assert moved and not model.training  # a running mean, not the last weights


def test_the_running_mean_reaches_back_over_a_tenth_of_the_steps():
    model = torch.nn.Linear(1, 1, bias=False)
    average = _families.averaged(model)
    mean = 0.0
    for t in range(1, 101):
        with torch.no_grad():
            model.weight.fill_(float(t))
        average.update_parameters(model)
        mean += (1 - (1 - 1 / t) ** 10) * (t - mean)
    assert average.module.weight.item() == pytest.approx(mean, rel=1e-5)
    assert 100 - mean == pytest.approx(100 / 11, abs=0.5)  # weights t^10: their mean is 100 * 10 / 11


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", f.ROWS)
def test_all_rows_try_four_settings_of_one_size_class(title):
    found = f.settings(title)
    assert len(found) == 4 and len({tuple(s.items()) for s in found}) == 4
    assert [s["rate"] for s in found] == [0.001, 0.001, 0.003, 0.003]
    row = f.ROWS[title]
    for setting in found if row.kind else ():
        model = row.make(setting[row.knob])
        assert model.shape == (1, 8, 8) and 70_000 <= sum(p.numel() for p in model.parameters()) <= 210_000
        if row.knob == "dropout":
            assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} in ({setting["dropout"]}, set())


@pytest.mark.parametrize("title", f.ROWS)
def test_the_number_of_calls_for_one_sample_is_that_of_the_sampler(title, monkeypatch):
    row, calls = f.ROWS[title], []
    model = row.make(row.choices[0]).eval() if row.kind else models.Generator((1, 8, 8), 16, (128, 256))
    part = {"VAE": "decoder", "GAN": "net", "diffusion": "field", "flow matching": "field"}.get(title)
    part = model.couplings[0].net if title == "RealNVP" else getattr(model, part) if part else None
    if part is None:  # naively: each call of the cached one computes a part of this
        plain = model.conditionals
        monkeypatch.setattr(model, "conditionals", lambda x: calls.append(1) or plain(x))
        model.sample(1, cached=False)
    else:
        part.register_forward_hook(lambda *_: calls.append(1))
        model.sample(1)
    assert len(calls) == row.calls


@pytest.mark.parametrize("title", f.ROWS)
def test_a_tiny_run_of_every_row_has_all_fields(title, small):
    images, setting = FEW, f.settings(title)[0]
    found = f.trial(title, setting, images, 2)
    assert found["steps"] == 2 and math.isfinite(found["score"]) and found["parameters"] >= 70_000
    f.update(lambda result: result["rows"].setdefault(title, {}).update(search=[{"setting": setting}], best=0))
    f.fill(title, "full", 0, images, options())
    run = f.read()["rows"][title]["runs"]["full"]["0"]
    nats = {"valid_nats", "test_nats", "test_error"}
    assert set(run) == {"steps", "parameters", "nearest_least", *f.COLUMNS} - (set() if f.ROWS[title].kind else nats)
    assert run["steps"] == 4 and all(math.isfinite(value) for value in run.values())
    if f.ROWS[title].kind:
        assert 60 < run["test_nats"] < 1_000  # uniform: 64 log 17 = 181
    kept = load_file(small / "samples" / f"{title},_full,_0.safetensors".replace(" ", "_"))
    assert kept["x"].dtype == torch.uint8 and kept["x"].shape == (30, 1, 8, 8) and kept["x"].max() <= 16
    assert len(kept.get("test_nats", FEW.test)) == 12
    shown = load_file(small / f"{f.NAME}.safetensors")
    assert torch.equal(shown[title], kept["x"][:3]) and torch.equal(shown[f"{title}, nearest, 0"], kept["nearest"])
    assert (f"{title}, nats, 0" in shown) == ("test_nats" in kept)
    if "test_nats" in kept:
        assert torch.equal(shown[f"{title}, nats, 0"], kept["test_nats"])


# --- measures --------------------------------------------------------------------------------------------------------


def test_the_nats_of_the_null_are_those_of_a_loop_over_histograms():
    null, nats = f.Null(DIGITS.train), []
    levels = [[round(16 * v) for v in x] for x in DIGITS.train.flatten(1).tolist()]
    for x in DIGITS.test[:5].flatten(1).tolist():
        total = 0.0
        for i, value in enumerate(x):
            total -= math.log((sum(row[i] == round(16 * value) for row in levels) + 1) / (897 + 17))
        nats.append(total)
    assert (-null.log_prob(DIGITS.test[:5])).tolist() == pytest.approx(nats)
    torch.testing.assert_close(null.p.sum(1), torch.ones(64, dtype=torch.float64))
    x = null.sample(4_000, generator=torch.Generator().manual_seed(0))
    assert x.shape == (4_000, 1, 8, 8) and (x.mean(0) - DIGITS.train.mean(0)).abs().max() < 0.03
    apart = (torch.corrcoef(x.flatten(1).T[[10, 18, 35, 36, 44]]) - torch.eye(5)).abs().max()
    assert apart < 0.08 < torch.corrcoef(DIGITS.train.flatten(1).T[[35, 36]])[0, 1].abs()  # pixel by pixel


def test_the_nearest_distances_of_all_samples_are_those_of_brute_force():
    x = torch.rand(1_000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found, distance = f.measure(x, DIGITS)
    brute = (x.flatten(1).double()[:, None] - DIGITS.train.flatten(1).double()).square().mean(2).sqrt().min(1).values
    torch.testing.assert_close(distance.double(), brute, rtol=1e-5, atol=1e-6)
    assert found["nearest"] == pytest.approx(brute.mean().item(), rel=1e-5)
    assert found["nearest_least"] == pytest.approx(brute.min().item(), rel=1e-5)


def test_distances_are_to_the_test_pictures_alone(monkeypatch):
    other = data.Images("digits", DIGITS.train[:100], DIGITS.valid[:99], DIGITS.test[:90], levels=17)
    itself, _ = f.measure(DIGITS.test[:90], other)
    assert abs(itself["frechet"]) < 1e-6 and itself["precision"] == itself["recall"] == itself["sharpness"] == 1
    assert itself["kernel"] < 0 and itself["told_apart"] == 0 and itself["coverage"] == 1
    assert f.measure(DIGITS.valid[:90], other)[0]["frechet"] > 1
    monkeypatch.setattr(f, "MEASURED", 50)
    assert f.measure(DIGITS.train[:100], other)[0]["lean"] == f.measure(DIGITS.train[:50], other)[0]["lean"] == 1


def test_the_controls_come_in_the_order_that_they_must_have():
    found, kept = f.controls(DIGITS, 1)
    null, real, copies = (found[title]["0"] for title in ("null", "real, unseen", "copies"))
    assert null["frechet"] > 5 * real["frechet"] and null["kernel"] > 0.1 > abs(real["kernel"])
    assert null["coverage"] < 0.2 < 0.9 < real["coverage"] and null["told_apart"] > 0.7 > 0.6 > real["told_apart"]
    assert copies["lean"] == 1 and copies["lean_z"] > 3 and copies["nearest"] == 0
    assert abs(real["lean_z"]) < 3 and real["lean_expected"] == pytest.approx(897 / 1347) and "test_nats" not in real
    assert null["test_nats"] < 64 * math.log(17) and 0 < null["test_error"] < 2
    for split in ("valid", "test"):
        assert torch.equal(kept[f"{split}, nearest"], f.metrics.nearest(getattr(DIGITS, split), DIGITS.train).distance)
    assert kept["null"].shape == kept["test"].shape == (f.SHOWN, 1, 8, 8)
    assert kept["null, nearest, 0"].shape == (f.DRAWN,)


def test_samples_that_are_no_numbers_are_no_pictures():
    with pytest.raises(ValueError, match="must be numbers"):
        f.to_levels(torch.tensor([0.0, math.nan]))
    levels = torch.arange(17)
    assert torch.equal(f.to_levels(f.to_pictures(levels) + 0.02), levels.to(torch.uint8))


def test_the_error_of_nats_is_that_of_their_mean():
    found = f.nats_of(torch.tensor([1.0, 2.0, 6.0, 7.0]))
    assert found["test_nats"] == 4 and found["test_error"] == pytest.approx(math.sqrt(26 / 3) / 2)


# --- search and match ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["RealNVP", "GAN"])
def test_a_setting_is_chosen_by_validation_pictures_only(title, small):
    setting = f.settings(title)[1]
    blank = torch.full_like(FEW.test, 0.5)
    found = f.trial(title, setting, FEW, 2)
    without_test = f.trial(title, setting, data.Images("digits", FEW.train, FEW.valid, blank, levels=17), 2)
    other_valid = f.trial(title, setting, data.Images("digits", FEW.train, blank, FEW.test, levels=17), 2)
    assert same(found, without_test) and found["score"] != other_valid["score"]


def test_the_best_setting_is_that_of_the_least_score_that_is_a_number():
    assert f.best([{"score": 3.0}, {"score": math.nan}, {"failed": "ValueError"}, {"score": 2.0}]) == 3
    assert f.best([{"failed": "ValueError"}, {"score": math.inf}]) is None


def test_a_mean_moves_if_the_doubling_moved_it_by_more_than_the_runs_lie_apart():
    def runs(*values):
        return {str(seed): {"frechet": value} for seed, value in enumerate(values)}

    found = f.cell("frechet", runs(1.0, 2.0, 3.0), runs(4.0, 5.0, 6.0))
    assert found == {"mean": 5.0, "std": 1.0, "half": 2.0, "moves": True}
    assert not f.cell("frechet", runs(4.5, 5.5, 5.5), runs(4.0, 5.0, 6.0))["moves"]
    failed = f.cell("frechet", runs(1.0, 2.0), {**runs(4.0), "1": {"failed": "ValueError"}, **{"2": {"frechet": 6.0}}})
    assert failed["mean"] == 5.0 and failed["half"] == 1.0  # of the seeds that did not fail
    assert f.cell("frechet", {}, runs(4.0)) == {"mean": 4.0, "std": None}
    assert f.cell("test_nats", {}, runs(4.0)) is None


@pytest.fixture
def counted(small, monkeypatch):
    """Runs that take no time; what was run."""
    made = []

    def run(title, setting, images, steps, seed):
        if title == "VAE":
            raise ValueError("NaN\nand more")
        made.append((title, setting, steps, seed))
        return {"steps": steps, "seconds": 1.0}, {"x": torch.full((30, 1, 8, 8), seed, dtype=torch.uint8)}

    def trial(title, setting, images, steps):
        made.append((title, setting, steps, "search"))
        return {"score": 5.0 - setting["rate"] * 1_000 + 0.1 * float(setting[f.ROWS[title].knob] > 0.5)}

    def measure(x, images, held_out=None):
        return {"frechet": float(x.mean()), "nearest": 0.0}, torch.zeros(len(x))

    for function in (run, trial, measure):
        monkeypatch.setattr(f, function.__name__, function)
    return made


def test_what_is_interrupted_goes_on_and_nothing_is_run_twice(counted, monkeypatch, capsys, small):
    command(monkeypatch, "--only", "GAN", "--seeds", "1")
    assert [work[2:] for work in counted] == [(2, "search")] * 4 + [(2, 0), (4, 0)]
    assert all(setting == {"rate": 0.003, "gamma": 0.1} for _, setting, _, _ in counted[4:])
    command(monkeypatch, "--seeds", "2")
    rest = counted[6:]
    searched = [title for title, _, _, seed in rest if seed == "search"]
    assert searched == [title for title in f.ROWS if title != "GAN" for _ in range(4)]
    assert all(seed == "search" for *_, seed in rest[: len(searched)])  # first all searches, then seed by seed
    played = [(title, steps, seed) for title, _, steps, seed in rest[len(searched) :]]
    order = [(title, steps, seed) for seed in (0, 1) for steps in (2, 4) for title in f.ROWS if title != "VAE"]
    assert played == [work for work in order if (work[0], work[2]) != ("GAN", 0)]
    number = len(counted)
    command(monkeypatch, "--seeds", "2")
    assert len(counted) == number and not list(small.rglob("*.tmp"))
    assert "moves" in f.read()["table"]["GAN"]["frechet"] and "–" in capsys.readouterr().out


def test_a_search_that_is_interrupted_goes_on_at_the_next_setting(counted, monkeypatch):
    stop = iter([None, None, KeyboardInterrupt()])
    plain = f.trial

    def interrupted(*work):
        if error := next(stop, None):
            raise error
        return plain(*work)

    monkeypatch.setattr(f, "trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        f.search("GAN", FEW, options())
    f.search("GAN", FEW, options())
    assert [setting for _, setting, _, _ in counted] == f.settings("GAN")
    assert [trial["setting"] for trial in f.read()["rows"]["GAN"]["search"]] == f.settings("GAN")


def test_a_row_that_fails_is_stored_as_failed_and_loses_no_other(counted, monkeypatch):
    command(monkeypatch, "--seeds", "1")
    rows = f.read()["rows"]
    assert rows["VAE"]["runs"]["full"]["0"] == {"failed": "ValueError: NaN"}
    assert all("frechet" in rows[title]["runs"]["full"]["0"] for title in f.ROWS if title != "VAE")
    assert f.read()["table"]["VAE"]["frechet"] is None


def test_samples_can_be_measured_again_and_runs_made_again(counted, monkeypatch, capsys):
    command(monkeypatch, "--only", "GAN", "--seeds", "1")
    made = len(counted)
    monkeypatch.setattr(f, "measure", lambda x, images, held_out=None: ({"frechet": -1.0}, torch.zeros(len(x))))
    command(monkeypatch, "--only", "GAN", "--seeds", "2", "--measure")
    run = f.read()["rows"]["GAN"]["runs"]["full"]
    assert len(counted) == made and run["0"]["frechet"] == -1 and run["0"]["seconds"] == 1 and list(run) == ["0"]
    assert "its samples are not in" in capsys.readouterr().out
    command(monkeypatch, "--only", "GAN", "--seeds", "1", "--again")
    assert len(counted) == 2 * made


def test_results_of_another_budget_are_not_mixed_in(counted, monkeypatch, small):
    command(monkeypatch, "--only", "GAN", "--seeds", "1")
    monkeypatch.setattr("sys.argv", ["face_to_face.py", "--steps", "8"])
    with pytest.raises(SystemExit, match="--steps 4"):
        f.main()
    assert json.loads((small / f"{f.NAME}.json").read_text())["steps"] == 4


def test_another_name_takes_another_budget_and_leaves_the_first_file_alone(counted, monkeypatch, small):
    command(monkeypatch, "--only", "GAN", "--seeds", "1")
    before = (small / f"{f.NAME}.json").read_bytes()
    monkeypatch.setattr(f, "NAME", f.NAME)  # so that both are as before after the test
    words = ["--steps", "8", "--only", "GAN", "--seeds", "1", "--name", "other"]
    monkeypatch.setattr("sys.argv", ["face_to_face.py", *words])
    f.main()
    other = json.loads((small / "other.json").read_text())
    assert other["steps"] == 8 and list(other["rows"]) == ["GAN"]
    assert (small / "face_to_face_cpu.json").read_bytes() == before
    assert (small / "other" / "GAN,_full,_0.safetensors").exists()
    assert (small / "samples" / "GAN,_full,_0.safetensors").exists()
