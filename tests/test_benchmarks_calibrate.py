"""benchmarks/calibrate.py: one figure a machine, whatever else runs on it."""

import calibrate
import pytest
import torch


def test_the_figure_is_the_shortest_time_of_the_whole_mixture_over_the_reference(monkeypatch):
    clock = iter([0, 3, 3, 5, 5, 6, 10, 12, 12, 16, 16, 17])  # seconds 3, 2, 1, then 2, 4, 1
    monkeypatch.setattr(calibrate, "PARTS", dict.fromkeys("abc", lambda: lambda: None))
    monkeypatch.setattr(calibrate.time, "process_time", lambda: next(clock))
    monkeypatch.setattr(calibrate, "REFERENCE", 2.5)
    assert calibrate.figure(2) == pytest.approx((2 + 2 + 1) / 2.5)


def test_it_uses_one_thread_and_leaves_threads_and_random_numbers_as_they_were(monkeypatch):
    seen = []

    def part():
        torch.rand(3)
        return lambda: seen.append(torch.get_num_threads())

    monkeypatch.setattr(calibrate, "PARTS", {"a": part})

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.manual_seed(0)
        expected = torch.rand(2)
        torch.manual_seed(0)
        calibrate.seconds(2)
        assert seen == [1, 1] and torch.get_num_threads() == 2
        assert torch.equal(torch.rand(2), expected)
    finally:
        torch.set_num_threads(before)


def test_no_part_outweighs_the_others():
    shares = list(calibrate.seconds(3).values())
    assert len(shares) == 3 and all(0.1 < share / sum(shares) < 0.65 for share in shares)


def test_it_prints_the_bare_figure_for_tools(capsys, monkeypatch):
    monkeypatch.setattr(calibrate, "figure", lambda: 2.98)
    calibrate.main(["--figure"])
    assert float(capsys.readouterr().out) == 2.98
    monkeypatch.setattr(calibrate, "seconds", lambda: {"convolution": calibrate.REFERENCE * 3})
    calibrate.main([])
    assert capsys.readouterr().out.startswith("3.00 times the reference machine's seconds")
