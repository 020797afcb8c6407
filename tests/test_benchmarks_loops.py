"""benchmarks/loops.py: the four ways that it times are one and the same training."""

import loops
import pytest


@pytest.mark.parametrize("name", ["PixelCNN", "MADE", "VAE, convolutions", "RealNVP, dense", "GAN, convolutions"])
def test_all_ways_take_the_same_steps(name, monkeypatch):
    losses = []

    def step(optimizer, loss):
        losses[-1].append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    monkeypatch.setattr(loops, "step", step)
    for way in [(False, False), *loops.WAYS.values()]:
        losses.append([])
        run = loops.training(name, *way)
        for _ in range(2):
            loops.torch.manual_seed(5)  # the noise of a step, the same in all ways
            run()
    assert losses[0][0] != losses[0][-1]  # it did learn
    for other in losses[1:]:
        assert other == pytest.approx(losses[0], rel=1e-3)
