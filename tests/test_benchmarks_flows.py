"""benchmarks/flows.py: that what is timed side by side computes the same, and what is said of estimates."""

import flows
import pytest
import torch

from course_utils.models import FlowMatching, RealNVP
from course_utils.models.real_nvp import mask


@torch.no_grad()
def same_weights(ours, usual):
    """Random weights in ours, and in the usual way at the rows and columns that are not masked; noise elsewhere."""
    for parameter in [*ours.parameters(), *usual.parameters()]:
        parameter.copy_(0.3 * torch.randn_like(parameter))
    board = mask(ours.shape).flatten()
    for i, (coupling, net, scale) in enumerate(zip(ours.couplings, usual.nets, usual.scales, strict=True)):
        if isinstance(net, flows.UsualConvNet):
            net.load_state_dict(coupling.net.state_dict())
            scale.copy_(coupling.scale)
            continue
        kept, changed = (board != i % 2).nonzero()[:, 0], (board == i % 2).nonzero()[:, 0]
        net.load_state_dict(
            coupling.net.state_dict() | {k: v for k, v in net.state_dict().items() if k[0] in ("0", str(len(net) - 1))}
        )
        net[0].weight[:, kept] = coupling.net[0].weight
        net[0].bias.copy_(coupling.net[0].bias)
        both = torch.cat([changed, changed + len(board)])  # of s, and of t
        net[-1].weight[both] = coupling.net[-1].weight
        net[-1].bias[both] = coupling.net[-1].bias
        scale[changed] = coupling.scale


@torch.no_grad()
@pytest.mark.parametrize(
    ("shape", "hidden", "channels"), [((3,), (8, 6), ()), ((2, 3, 4), (8,), ()), ((2, 3, 4), (), (4, 5))]
)
def test_both_ways_to_write_realnvp_are_one_model(shape, hidden, channels):
    torch.manual_seed(0)
    ours, usual = RealNVP(shape, 3, hidden, channels).double(), flows.UsualRealNVP(shape, 3, hidden, channels).double()
    same_weights(ours, usual)
    x = torch.randn(5, *shape, dtype=torch.float64)
    torch.testing.assert_close(usual.log_prob(x), ours.log_prob(x), rtol=1e-10, atol=1e-10)
    usual.float()
    torch.manual_seed(1)
    drawn = usual.sample(5)
    torch.manual_seed(1)
    z = torch.randn(5, *usual.b0.shape).view(5, *shape)
    torch.testing.assert_close(drawn, ours.float().decode(z), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", flows.ROWS)
def test_rows_compare_equal_sizes(name):
    shape, layers, hidden, channels, *_ = flows.ROWS[name]
    ours, usual = RealNVP(shape, layers, hidden, channels), flows.UsualRealNVP(shape, layers, hidden, channels)
    counts = [sum(p.numel() for p in model.parameters()) for model in (ours, usual)]
    if channels:
        assert counts[0] == counts[1]
    else:
        assert counts[0] < counts[1] and usual.nets[0][0].out_features == ours.couplings[0].net[0].out_features


def test_the_spread_of_estimates_is_that_over_probes_picture_by_picture(monkeypatch):
    model, noise = FlowMatching((3,), (8,)).double(), torch.Generator().manual_seed(5)

    def log_density(x, probes=None, generator=None):
        assert probes == 1
        width = x[:, 0]  # tells which picture it is
        return 100 * width + width * torch.randn(len(x), generator=noise, dtype=torch.float64)

    monkeypatch.setattr(model, "log_density", log_density)
    y = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64).expand(3, 3)
    found = flows.spread(model, y, 1_000)
    assert (found["std"], found["std_min"], found["std_max"]) == pytest.approx((3, 1, 6), rel=0.1)
    assert (found["pictures"], found["probes"]) == (3, 1_000)
