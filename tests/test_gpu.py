"""Every model on a GPU: likelihoods as on the CPU, samples that are where they should be, a step that learns."""

import copy

import pytest
import torch

from course_utils import models, runtime
from course_utils.distributions import bernoulli, discretized_logistic_mixture, palette

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

SHAPE, LEVELS = (1, 8, 8), 17
AUTOREGRESSIVE = {
    "FVSBN": lambda family: models.FVSBN(SHAPE, distribution=family),
    "MADE": lambda family: models.MADE(SHAPE, (64,), distribution=family),
    "PixelCNN": lambda family: models.PixelCNN(SHAPE, 16, 2, family),
    "GatedPixelCNN": lambda family: models.GatedPixelCNN(SHAPE, 16, 3, family),
    "RowLSTM": lambda family: models.RowLSTM(SHAPE, 16, 1, family),
    "DiagonalBiLSTM": lambda family: models.DiagonalBiLSTM(SHAPE, 16, 1, family),
    "ImageGPT": lambda family: models.ImageGPT(SHAPE, 32, 2, 4, family),
}
FAMILIES = {
    "black and white": (bernoulli(), 2),
    "grey": (discretized_logistic_mixture(LEVELS, 5), LEVELS),
    "colours": (palette(6), 6),
}
OTHERS = {
    "VAE": lambda: models.VAE(SHAPE, 4, channels=(8,)),
    "RealNVP": lambda: models.RealNVP(SHAPE, 2, (32,), levels=LEVELS),
    "Diffusion": lambda: models.Diffusion(SHAPE, 10, (), (8,), levels=LEVELS),
    "FlowMatching": lambda: models.FlowMatching(SHAPE, (), (8,), levels=LEVELS),
}


def pictures(family, levels, n=6):
    x = torch.randint(levels, (n, *SHAPE), generator=torch.Generator().manual_seed(0))
    return x.squeeze(1) if family.tokens else x.float() / (levels - 1)


@pytest.mark.parametrize("pixels", FAMILIES)
@pytest.mark.parametrize("name", AUTOREGRESSIVE)
def test_the_likelihood_is_that_of_the_cpu_and_the_cache_changes_nothing(name, pixels):
    torch.manual_seed(0)
    family, levels = FAMILIES[pixels]
    model = AUTOREGRESSIVE[name](family).double()  # so that only mistakes differ
    moved, x = copy.deepcopy(model).cuda(), pictures(family, levels)
    given = x if family.tokens else x.double()
    torch.testing.assert_close(moved.log_prob(given.cuda()).cpu(), model.log_prob(given))
    drawn = [
        moved.sample(4, cached=cached, generator=torch.Generator("cuda").manual_seed(1)) for cached in (True, False)
    ]
    assert drawn[0].is_cuda and torch.equal(*drawn)


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
def test_bfloat16_is_near_float32_and_a_step_learns(name):
    torch.manual_seed(0)
    family, levels = FAMILIES["black and white"]
    model, x = AUTOREGRESSIVE[name](family).cuda(), pictures(family, levels, 32).cuda()
    exact = model.log_prob(x)
    with runtime.autocast("cuda"):
        rough = model.log_prob(x)
    torch.testing.assert_close(rough.float(), exact, rtol=0.02, atol=0)
    optimizer = torch.optim.Adam(model.parameters(), 0.003, fused=True)
    for _ in range(20):
        loss = -model(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.log_prob(x).mean() > exact.mean()


@pytest.mark.parametrize("name", OTHERS)
def test_other_families_draw_and_learn_there(name):
    torch.manual_seed(0)
    model = OTHERS[name]().cuda()
    levels = 2 if name == "VAE" else LEVELS
    x = pictures(bernoulli(), levels, 32).cuda()
    loss = {
        "VAE": lambda: -model.elbo(x),
        "RealNVP": lambda: -model.log_prob(x),
        "Diffusion": lambda: model.denoising_loss(x),
        "FlowMatching": lambda: model.matching_loss(x),
    }[name]
    optimizer = torch.optim.Adam(model.parameters(), 0.003, fused=True)
    losses = []
    for _ in range(50):
        value = loss().mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert sum(losses[-10:]) < sum(losses[:10])
    drawn = model.eval().sample(3)
    assert drawn.is_cuda and drawn.shape == (3, *SHAPE) and torch.isfinite(drawn).all()


def test_a_game_is_played_there():
    torch.manual_seed(0)
    generator, discriminator = models.Generator(SHAPE, latent=4).cuda(), models.Discriminator(SHAPE).cuda()
    fake = generator.sample(5)
    assert fake.is_cuda and discriminator(fake).shape == (5,)
