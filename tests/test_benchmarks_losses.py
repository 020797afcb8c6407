"""Many games in one batch (benchmarks/_games.py), and the contest of losses, against plain loops and known answers."""

import json
import math

import _compare
import _games
import losses
import pytest
import torch
from _games import Setting
from safetensors.torch import load_file
from scipy import stats

from course_utils import models
from course_utils.objectives import OBJECTIVES, r1_penalty

SETTINGS = [Setting(1e-3, 3e-3, 0.0, 2.0), Setting(4e-3, 5e-4, 0.5, 0.1)]
STEPS, BATCH = 6, 16


def plain(name, penalty, setting, seed, real, critic_steps=1, falling=True):
    """One run as anybody would write it, with torch's Adam."""
    torch.manual_seed(seed)
    G, D = models.planar_players()
    source = torch.Generator().manual_seed(1_000 + seed)
    opt_g = torch.optim.Adam(G.parameters(), setting.generator_rate, (setting.beta1, 0.99))
    opt_d = torch.optim.Adam(D.parameters(), setting.discriminator_rate, (setting.beta1, 0.99))
    mean = [p.detach().clone() for p in G.parameters()]
    for t in range(1, STEPS + 1):
        for opt, rate in ((opt_g, setting.generator_rate), (opt_d, setting.discriminator_rate)):
            opt.param_groups[0]["lr"] = rate * (1 - (t - 1) / STEPS) if falling else rate
        for _ in range(critic_steps):
            x = real[torch.randint(len(real), (BATCH,), generator=source)]
            fake = G(torch.randn(BATCH, 2, generator=source)).detach()
            loss = OBJECTIVES[name].discriminator(D(x), D(fake))
            if penalty == "R1":
                loss = loss + setting.gamma / 2 * r1_penalty(D, x)
            opt_d.zero_grad()
            loss.backward()
            opt_d.step()
        loss = OBJECTIVES[name].generator(D(x), D(G(torch.randn(BATCH, 2, generator=source))))
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
        for m, p in zip(mean, G.parameters(), strict=True):
            m.lerp_(p.detach(), 1 - (1 - 1 / t) ** 10)
    for m, p in zip(mean, G.parameters(), strict=True):
        p.data.copy_(m)
    return G(torch.randn(50, 2, generator=torch.Generator().manual_seed(2_000 + seed))).detach()


def stacked(names, penalty, settings, seeds, real, **more):
    game = _games.play(
        models.planar_players, 2, real, names, settings, seeds, penalty=penalty, batch=BATCH, samples=50, **more
    )
    return list(game)


@pytest.fixture
def real():
    """Data in float64: Adam's first steps go by the sign of a gradient, and rounding would decide some of them."""
    torch.set_default_dtype(torch.float64)
    yield torch.randn(300, 2, generator=torch.Generator().manual_seed(1))
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("penalty", ["", "R1"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_run_of_a_batch_is_the_plain_loop(name, penalty, real):
    last = stacked([name] * 2, penalty, SETTINGS, [3, 7], real, marks=[2, STEPS])[-1]
    assert last.step == STEPS
    for run, (setting, seed) in enumerate(zip(SETTINGS, [3, 7], strict=True)):
        assert torch.allclose(last.samples[run], plain(name, penalty, setting, seed, real), atol=1e-9)


def test_runs_of_a_batch_may_play_different_games(real):
    names = ["hinge", "relativistic"]
    last = stacked(names, "R1", SETTINGS, [5, 5], real, marks=[STEPS], critic_steps=2)[-1]
    for run, name in enumerate(names):
        right = plain(name, "R1", SETTINGS[run], 5, real, critic_steps=2)
        assert torch.allclose(last.samples[run], right, atol=1e-9)


def test_rates_may_stay(real):
    last = stacked(["hinge"], "", SETTINGS[:1], [3], real, marks=[STEPS], falling=False)[-1].samples[0]
    assert torch.allclose(last, plain("hinge", "", SETTINGS[0], 3, real, falling=False), atol=1e-9)
    assert not torch.allclose(last, plain("hinge", "", SETTINGS[0], 3, real), atol=1e-3)


def test_a_run_depends_on_its_seed_alone(real):
    alone = stacked(["hinge"], "", SETTINGS[:1], [3], real, marks=[STEPS])[-1].samples[0]
    among = stacked(["hinge"] * 3, "", SETTINGS[:1] * 3, [8, 3, 3], real, marks=[STEPS])[-1].samples
    assert torch.allclose(among[1], alone, atol=1e-9) and torch.equal(among[1], among[2])
    assert not torch.allclose(among[0], alone, atol=1e-2)


def test_a_weight_of_the_gradient_penalty_changes_its_run_only(real):
    weak, strong = SETTINGS[0]._replace(gamma=0.0), SETTINGS[0]._replace(gamma=10.0)
    last = stacked(["wasserstein"] * 2, "gradient penalty", [weak, strong], [3, 3], real, marks=[STEPS])[-1].samples
    free = plain("wasserstein", "", weak, 3, real)
    assert torch.allclose(last[0], free, atol=1e-9) and not torch.allclose(last[1], free, atol=1e-3)


def test_shares_are_capped():
    kinds, right = torch.tensor([0, 0, 0, 1, 2, 3]), torch.tensor([True, True, True, True, False, True])
    assert losses.capped_share(kinds, right, 4) == pytest.approx(0.25 + 1 / 6 + 0 + 1 / 6)
    assert losses.capped_share(torch.arange(4), torch.ones(4, dtype=bool), 4) == 1.0
    assert losses.capped_share(torch.zeros(9, dtype=int), torch.ones(9, dtype=bool), 4) == 0.25


def test_a_score_runs_from_the_null_to_the_ceiling():
    ends = {"null": {"kernel": 2.0}, "ceiling": {"kernel": 0.5}}
    shares = {"null": {"share": 0.1}, "ceiling": {"share": 0.9}}
    assert losses.score({"nan": 1}, "share", shares) == pytest.approx(-0.125)  # nothing is where it belongs
    found = [losses.score({"kernel": value}, "kernel", ends) for value in (2.0, 0.5, 1.25, 3.5)]
    assert found == [0.0, 1.0, 0.5, -1.0] and losses.score({"nan": 1}, "kernel", ends) == -1.0


def test_trials_are_the_same_for_all_and_lie_in_the_space():
    found = losses.trials()
    assert found == losses.trials() and len(set(found)) == losses.TRIALS
    for setting in found:
        for rate in setting[:2]:
            assert losses.SPACE["rates"][0] <= rate <= losses.SPACE["rates"][1]
        assert setting.beta1 in losses.SPACE["beta1"]
        assert losses.SPACE["gamma"][0] <= setting.gamma <= losses.SPACE["gamma"][1]
    assert {s.beta1 for s in found} == set(losses.SPACE["beta1"])


@pytest.mark.parametrize("which", losses.WORLDS)
def test_the_null_is_far_from_the_ceiling(which):
    world = losses.WORLDS[which]()
    ends = losses.bounds(world)
    low, high = (ends[end]["range"] for end in ("null", "ceiling"))
    gap = abs(ends["ceiling"][world.primary] - ends["null"][world.primary])
    assert gap > 10 * max(low[1] - low[0], high[1] - high[0])
    assert torch.isfinite(world.real).all() and world.real.shape[1:] == world.null(torch.Generator()).shape[1:]


def test_what_is_interrupted_goes_on_and_nothing_is_run_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(losses, "RESULTS", tmp_path)
    monkeypatch.setattr("_common.RESULTS", tmp_path)
    small = losses.grid()._replace(steps=64, batch=8, samples=100, shown=10)
    monkeypatch.setitem(losses.WORLDS, "grid", lambda: small)
    calls = []

    def counted(world, arm, settings, seeds, steps, compiled, play=losses.run):
        calls.append((arm, len(seeds), steps))
        return play(world, arm, settings, seeds, steps, compiled)

    monkeypatch.setattr(losses, "run", counted)
    command = ["losses.py", "--data", "grid", "--only", "hinge", "--eager", "--seeds"]
    for seeds in ("2", "2", "3"):
        monkeypatch.setattr("sys.argv", [*command, seeds])
        losses.main()
    budgets = [4, 8, 16, 32, 64]
    assert calls == [("hinge", losses.TRIALS, 32), *(("hinge", n, b) for n in (2, 1) for b in budgets)]
    stored = json.loads((tmp_path / "losses_grid_cpu.json").read_text())
    row = stored["arms"]["hinge"]
    assert [int(steps) for steps in row["runs"]] == budgets and len(row["search"]) == losses.TRIALS
    for steps in budgets:
        assert sorted(row["runs"][str(steps)]) == ["0", "1", "2"]
    marks = row["runs"]["64"]["0"]["marks"]
    assert [int(step) for step in marks] == budgets and row["runs"]["64"]["0"]["end"] == marks["64"]
    best = max(r["score"] for r in row["search"])
    assert row["search"][row["best"]]["score"] == best and math.isfinite(best)
    assert set(stored["table"]["hinge"]["medians"]) == set(map(str, budgets))
    assert load_file(tmp_path / "losses_grid_cpu.safetensors")["hinge"].shape == (5, 10, 2)
    assert not list(tmp_path.glob("*.tmp"))


def test_holm_is_the_step_down_rule():
    source = torch.Generator().manual_seed(0)
    rows = {
        name: (torch.randn(6, generator=source) + shift).tolist()
        for name, shift in zip("abcd", (0, 1, 3, 9), strict=True)
    }
    found = _compare.paired(rows, [(name, "a") for name in "bcd"])
    plain = {name: stats.ttest_rel(rows[name], rows["a"]) for name in "bcd"}
    worst = 0.0
    for i, name in enumerate(sorted(plain, key=lambda name: plain[name].pvalue)):
        worst = max(worst, min(1.0, (3 - i) * plain[name].pvalue))
        assert found[name, "a"]["p_holm"] == pytest.approx(worst)
    differences = torch.tensor(rows["d"], dtype=torch.float64) - torch.tensor(rows["a"], dtype=torch.float64)
    mean, half = differences.mean().item(), stats.t.ppf(0.975, 5) * differences.std().item() / 6**0.5
    assert found["d", "a"]["difference"] == pytest.approx(mean)
    assert found["d", "a"]["interval"] == pytest.approx([mean - half, mean + half])


def test_rows_that_failed_alike_differ_by_nothing():
    rows = {"a": [0.0] * 5, "b": [0.0] * 5, "c": [0.5] * 5}
    found = _compare.paired(rows, [("b", "a"), ("c", "a")])
    assert found["b", "a"]["p_holm"] == 1.0 and found["c", "a"]["p_holm"] == 0.0
    assert found["c", "a"]["interval"] == [0.5, 0.5] and _compare.paired(rows, []) == {}


def test_a_row_moves_if_the_last_doubling_moves_it_by_more_than_its_spread():
    assert _compare.still_moves([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    assert not _compare.still_moves([0.45, 0.55, 0.5], [0.4, 0.5, 0.6])
    assert not _compare.still_moves([0.4, 0.6], [0.6, 0.4])
    assert _compare.still_moves([0.4], [0.4])


def test_the_table_of_a_small_contest():
    def played(*runs):
        found = {
            str(steps): {str(seed): {"end": {"share": run[i]}, "seconds": 2.0} for seed, run in enumerate(runs)}
            for i, steps in enumerate((5, 10))
        }
        return {"steps": 10, "search": [{"score": 0.0}, {"score": 0.6}, {"score": 0.2}], "best": 1, "runs": found}

    arms = {
        "non_saturating": played((0.2, 0.2), (0.3, 0.4), (0.4, 0.3)),
        "non_saturating, R1": played((0.4, 0.8), (0.5, 0.9), (0.5, 0.91)),
        "hinge": played((0.1, 0.1), (0.2, 0.05), (0.1, 0.3)),
    }
    stored = {"primary": "share", "null": {"share": 0.1}, "ceiling": {"share": 1.1}, "arms": arms}
    rows = losses.table(stored)
    assert rows["hinge"]["median"] == pytest.approx(0.0) and rows["hinge"]["failed"] == pytest.approx(2 / 3)
    assert rows["non_saturating"]["converged"] and not rows["non_saturating, R1"]["converged"]
    assert rows["non_saturating, R1"]["medians"] == {5: pytest.approx(0.4), 10: pytest.approx(0.8)}
    compared = {arm: row["compared"] for arm, row in rows.items()}
    assert {arm: list(found) for arm, found in compared.items()} == {
        "non_saturating": [], "non_saturating, R1": ["non_saturating"], "hinge": ["non_saturating"],
    }
    found = compared["non_saturating, R1"]["non_saturating"]
    assert found["difference"] == pytest.approx((0.6 + 0.5 + 0.61) / 3)
    assert rows["hinge"]["range"] == [pytest.approx(-0.05), pytest.approx(0.2)]
    names = [(row["loss"], row["penalty"]) for row in rows.values()]
    assert names == [("non-saturating", ""), ("non-saturating", "R1"), ("hinge", "")]
    assert rows["hinge"]["scores"] == pytest.approx([0.0, -0.05, 0.2])
    longest = rows["non_saturating, R1"]["longest"]
    assert longest["steps"] == 10 and not longest["converged"] and longest["median"] == pytest.approx(0.8)
    assert losses.worth_more(stored, "non_saturating, R1", 10)
    assert not losses.worth_more(stored, "non_saturating", 10)  # has converged
    assert not losses.worth_more(stored, "non_saturating, R1", 20)  # was not played for 20
    assert not losses.worth_more(stored, "minimax", 10)
    assert rows["hinge"]["search_median"] == 0.2 and rows["hinge"]["search_failed"] == pytest.approx(1 / 3)
