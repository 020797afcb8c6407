"""benchmarks/face_to_face.py: that rows are made, trained and measured alike, and that nothing is made twice."""

import types

import face_to_face as f
import pytest
import torch
from safetensors.torch import load_file

from course_utils import data, distributions, models

DIGITS, MOONS = data.digits(), data.moon_phases()


@pytest.mark.parametrize("title", f.ROWS)
@pytest.mark.parametrize("images", [DIGITS, MOONS], ids=["digits", "moons"])
def test_every_row_stays_within_the_budget_of_parameters_and_names_steps_for_every_set(title, images):
    row = f.ROWS[title]
    assert set(row.steps) == {"digits", "moon_phases", "binarized_mnist"} and min(row.steps.values()) >= 8
    if isinstance(row, f.Gan):
        players = f.Generator(images.shape, 16, (128, 256)), f.Discriminator(images.shape, (256, 128))
        assert set(row.games) == set(row.steps)
        assert sum(p.numel() for player in players for p in player.parameters()) <= 220_000
    else:
        model = row.make(images)
        assert model.shape == images.shape
        assert 70_000 <= sum(p.numel() for p in model.parameters()) <= 220_000


@pytest.mark.parametrize(
    "title", ["Gated PixelCNN", "VAE", "GAN, best recipe", "RealNVP", "diffusion", "flow matching"]
)
def test_a_run_of_a_few_steps_draws_pictures_on_levels_and_tells_nats_where_there_are_any(monkeypatch, title):
    few = data.Images("digits", DIGITS.train[:60], DIGITS.valid[:2], DIGITS.test[:2], levels=17)
    monkeypatch.setattr(f, "DRAWN", 100)
    row = f.ROWS[title]._replace(steps={"digits": 8 * f.BUDGETS["short"]})
    monkeypatch.setitem(f.ROWS, title, row)
    found, levels = f.run(title, few, "short", 0)
    again, same = f.run(title, few, "short", 0)
    assert found["steps"] == 8 and levels.shape == (100, 1, 8, 8) and levels.dtype == torch.uint8
    assert levels.max() <= 16 and torch.equal(levels, same)
    has_nats = not isinstance(row, f.Gan)
    assert ("test_nats" in found) == has_nats
    if has_nats:
        assert 60 < found["test_nats"] < 1_000 and again["test_nats"] == found["test_nats"]  # uniform: 64 log 17 = 181


def test_pictures_are_redrawn_less_and_less_and_moons_never():
    def share(images, least, first=1.0):
        known = {tuple(x.flatten().tolist()) for x in images.train}
        batches = [x for x in f.pictures(images, 100, 20, first, least)]
        changed = [sum(tuple(x.flatten().tolist()) not in known for x in batch) / 100 for batch in batches]
        return changed[0], changed[-1]

    torch.manual_seed(0)
    first, last = share(DIGITS, 0.0)
    assert first > 0.9 and last < 0.15
    assert 0.35 < share(DIGITS, 0.5)[1] < 0.65
    assert share(MOONS, 0.0) == (0, 0)
    assert share(DIGITS, 0.0, 0.0) == (0, 0)


def test_the_set_aside_digits_are_training_digits_that_are_not_trained_on():
    images = f.digits_800()
    seen, unseen = ({tuple(x.flatten().tolist()) for x in part} for part in (images.train, images.valid))
    every = {tuple(x.flatten().tolist()) for x in DIGITS.train}
    assert len(images.train) == 800 and len(images.valid) == 200
    assert seen | unseen == every and len(seen & unseen) <= 1_000 - len(every)  # but for twins


def test_the_set_aside_are_a_fifth_of_what_copying_is_judged_by_and_copies_are_caught():
    images = f.digits_800()
    x = images.train[torch.randperm(800, generator=torch.Generator().manual_seed(0))[:200]]
    found = f.measure(x, images)
    assert found["lean_expected"] == pytest.approx(0.8) and found["lean_z"] > 3
    assert "lean_z" not in f.measure(x, DIGITS)  # whose held-out pictures are by other hands


def test_held_out_pictures_are_real_and_new():
    known = {tuple(x.flatten().tolist()) for x in MOONS.train}
    fresh = f.held_out(MOONS)
    assert len(fresh) == len(f.held_out(DIGITS)) == f.MEASURED
    assert sum(tuple(x.flatten().tolist()) in known for x in fresh) < 10  # dark new moons are hard to tell apart


def test_measures_put_copies_first_and_noise_last():
    few = MOONS.train[:400]
    noise = torch.rand(400, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    copies, worst = f.measure(few, MOONS), f.measure(noise, MOONS)
    assert copies["precision"] == 1 and copies["nearest"] == 0 and copies["lean_z"] > 3 and copies["moons"] > 0.9
    assert worst["precision"] == 0 and worst["told_apart"] == 1 and worst["frechet"] > 100 * copies["frechet"]
    assert worst["moons"] == 0 and worst["coverage"] == 0


def test_what_is_stored_is_not_made_again_and_samples_can_be_measured_again(monkeypatch, tmp_path):
    made = []

    def run(title, images, budget, seed):
        made.append((title, budget, seed))
        return {"steps": 1, "seconds": 1.0}, torch.zeros(30, 1, 8, 8, dtype=torch.uint8)

    monkeypatch.setattr(f, "run", run)
    monkeypatch.setattr(f, "measure", lambda x, images: {"frechet": float(len(x) + len(made))})
    monkeypatch.setattr(f, "SAMPLES", tmp_path / "samples")
    for module in (f, __import__("_common")):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    options = types.SimpleNamespace(again=False, measure=False)
    for _ in range(2):
        f.fill("table", DIGITS, "VAE", "full", 0, options)
    assert made == [("VAE", "full", 0)]
    assert f.read("table")["rows"]["VAE"]["full"]["0"] == {"steps": 1, "seconds": 1.0, "frechet": 31.0}
    assert load_file(tmp_path / "table.safetensors")["VAE"].shape == (f.SHOWN, 1, 8, 8)

    monkeypatch.setattr(f, "measure", lambda x, images: {"frechet": -1.0})
    f.fill("table", DIGITS, "VAE", "full", 0, types.SimpleNamespace(again=False, measure=True))
    f.fill("table", DIGITS, "VAE", "full", 1, types.SimpleNamespace(again=False, measure=True))  # has no samples
    assert made == [("VAE", "full", 0)] and f.read("table")["rows"]["VAE"]["full"]["0"]["frechet"] == -1
    f.fill("table", DIGITS, "VAE", "full", 0, types.SimpleNamespace(again=True, measure=False))
    assert len(made) == 2 and not list(tmp_path.rglob("*.tmp"))


def test_a_generator_on_levels_and_the_family_of_binary_pictures():
    generator = f.OnLevels(models.Generator((1, 8, 8), 4, (8,)), 17)
    x = 16 * generator.sample(20)
    assert torch.equal(x, x.round())
    binary = data.Images("binarized_mnist", *[DIGITS.train.round()[:3]] * 3, levels=2)
    assert isinstance(f.family(binary), distributions.PixelFamily) and f.family(binary).levels == 2


@pytest.mark.parametrize(("both", "calls"), [(False, 1), (True, 2)])
def test_the_slope_is_fined_at_real_pictures_and_at_made_ones_only_where_it_says_so(monkeypatch, both, calls):
    seen = []

    def penalty(network, x):
        seen.append(x)
        return x.sum() * 0

    monkeypatch.setattr(f, "r1_penalty", penalty)
    f.Gan({"moon_phases": f.Game("hinge", 1.0, both=both)}, {}).train(MOONS, 1)
    assert len(seen) == calls and torch.equal(16 * seen[0], (16 * seen[0]).round())  # real ones are on levels
