"""RealNVP: a density by a change of variables that can be undone, made of steps whose Jacobian is a triangle.

    z = f(x),    log p(x) = log N(z | 0, I) + log |det df/dx|

A coupling leaves the values under a mask b as they are, and lets them say how the others are stretched and shifted:

    z = b x + (1 - b) (x exp(s) + t),    s, t functions of b x only,    log |det dz/dx| = sum of s where b is 0

Undoing it needs no inverse of the networks: b z = b x, so that s and t are known, and x = (z - t) exp(-s). The masks of
neighbouring layers are each other's complements. Dinh et al., arXiv 1605.08803. Read first: ``Coupling.forward``.
"""

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import categorical, draw, gaussian
from course_utils.models.base import (
    DensityModel,
    Derived,
    at_least_float32,
    dimensions,
    evaluating,
    need_numbers_from,
    need_values,
    perceptron,
    portion,
)
from course_utils.models.coders import need_sizes
from course_utils.models.dequantise import dequantised_log_prob, quantise
from course_utils.models.vae import log_normal


class RealNVP(DensityModel):
    """Affine couplings on points, or on pictures, whose levels are made real numbers by noise.

    Args:
        shape: shape of one image, or (D,) for points.
        layers: number of couplings.
        hidden: units of the dense layers of each coupling's network.
        channels: feature maps of convolutions instead of the dense layers: the first, then a residual block for each
            further one, all of the same number; none by default.
        levels: number of grey levels L of pictures that hold k / (L - 1). By default values are real numbers.

    Raises:
        ValueError: a size is not positive, there are convolutions and no image, or levels are below 2.
    """

    def __init__(
        self,
        shape,
        layers: int = 8,
        hidden: tuple[int, ...] = (128,),
        channels: tuple[int, ...] = (),
        *,
        levels: int | None = None,
    ):
        super().__init__()
        self.shape, hidden, channels = need_sizes(shape, hidden, channels)
        layers = _check.whole("layers", layers)
        self.levels = None if levels is None else _check.whole("levels", levels, least=2)
        self.pixels = gaussian() if levels is None else categorical(levels)
        masks = [mask(self.shape) if i % 2 == 0 else 1 - mask(self.shape) for i in range(layers)]
        self.couplings = nn.ModuleList(Coupling(b, hidden, channels) for b in masks)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x) (B, *shape), and log |det df/dx| (B,), for real-valued x (B, *shape); never in half precision.

        Raises:
            ValueError: x is not a float batch (B, *shape) of the parameters' type.
        """
        need_real(x, self)
        x = x.to(at_least_float32(x.dtype))  # only the networks work in half precision
        log_det = x.new_zeros(len(x))
        for coupling in self.couplings:
            x, change = coupling(x)
            log_det = log_det + change
        return x, log_det

    def decode(self, z: Tensor) -> Tensor:
        """The inverse of f: x (B, *shape) for z (B, *shape), real-valued also where the pictures have levels.

        Never in half precision, whatever the parameters are in.

        Raises:
            ValueError: z is not a float batch (B, *shape) of the parameters' type.
        """
        need_real(z, self, "z")
        z = z.to(at_least_float32(z.dtype))
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return z

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) of real-valued x (B, *shape), exact, shape (B,), in nats: a density, which may exceed 0.

        Raises:
            ValueError: x is not a float batch (B, *shape) of the parameters' type.
        """
        z, log_det = self.encode(x)
        return log_normal(z).flatten(1).sum(1) + log_det

    def log_prob(self, x: Tensor, samples: int = 1, *, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-density of real values; with ``levels`` a lower bound on the log-probability. Shape (B,), in nats.

        The bound is that of ``dequantised_log_prob``: with one draw of the noise E_u[log p(x + noise)], in expectation;
        it grows towards log P(x) with ``samples``.

        Args:
            x: float (B, *shape), real values, or k / (L - 1).
            samples: draws of the noise; without levels there is none.
            generator: source of the noise; torch's global one by default.

        Raises:
            ValueError: ``samples`` is not a positive integer, or x is no batch of this model's values.
        """
        samples = _check.whole("samples", samples)
        need_values(x, self)
        if self.levels is None:
            return self.log_density(x)
        return dequantised_log_prob(self.log_density, x, self.levels, samples, generator=generator)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n draws, shape (n, *shape): z from N(0, I), back through the couplings, rounded down to a level if there are.

        Raises:
            ValueError: n is not a positive integer, or a network answers NaN.
        """
        like = next(self.parameters()).new_empty(_check.whole("n", n), *self.shape)
        z = draw(torch.randn, like, generator)
        with evaluating(self):
            x = torch.cat([self.decode(part) for part in z.split(portion(z))])
        need_numbers_from(self, x.isnan().any())
        return (x if self.levels is None else quantise(x, self.levels)).to(like.dtype)


class Coupling(Derived):
    """z = b x + (1 - b) (x exp(s) + t), with s = scale * tanh(...) and t from a network that sees b x.

    The last layer of the network starts at zero, and the coupling as the identity.

    Args:
        b: mask of 0 and 1 in the shape of x, 1 where values pass as they are.
        hidden: units of the dense layers.
        channels: feature maps of convolutions instead.
    """

    def __init__(self, b: Tensor, hidden: tuple[int, ...], channels: tuple[int, ...] = ()):
        super().__init__()
        self.net = ConvNet(b.shape, channels) if channels else DenseNet(b.shape, hidden)
        self.scale = nn.Parameter(torch.ones(b.shape))  # how far tanh reaches: it keeps exp(s) from running away
        self._b = b
        self.derive()

    def derived(self) -> dict[str, Tensor]:
        return {"b": self._b.to(self.scale.dtype)}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, *shape) and log |det dz/dx| (B,)."""
        s, t = self.stretch_and_shift(x)
        return x * s.exp() + t, s.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """x (B, *shape), from the same network: it looks only at what the coupling has not changed."""
        s, t = self.stretch_and_shift(z)
        return (z - t) * (-s).exp()

    def stretch_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """s and t (B, *shape), both 0 where b is 1."""
        s, t = self.net(self.b * x).to(x.dtype).chunk(2, 1)
        return (1 - self.b) * self.scale * s.tanh(), (1 - self.b) * t


class DenseNet(nn.Sequential):
    """Dense layers from values (B, C, ...) to twice as many, (B, 2C, ...)."""

    def __init__(self, shape: tuple[int, ...], hidden: tuple[int, ...]):
        size = dimensions(shape)
        layers = perceptron(size, *hidden, 2 * size)
        _zero(layers[-1])
        super().__init__(nn.Flatten(), *layers, nn.Unflatten(1, (2 * shape[0], *shape[1:])))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self[-2].weight.dtype))


class ConvNet(nn.Module):
    """A convolution, residual blocks of two each, and a last convolution: (B, C, H, W) to (B, 2C, H, W)."""

    def __init__(self, shape: tuple[int, int, int], channels: tuple[int, ...]):
        super().__init__()
        first, *rest = channels
        self.enter = nn.Conv2d(shape[0], first, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(first, *shape[1:]))  # what a convolution cannot know: where it is
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(), nn.Conv2d(first, maps, 3, padding=1), nn.SiLU(), nn.Conv2d(maps, first, 3, padding=1)
            )
            for maps in rest
        )
        self.leave = nn.Conv2d(first, 2 * shape[0], 3, padding=1)
        _zero(self.leave)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x.to(self.place.dtype)) + self.place
        for block in self.blocks:
            h = h + block(h)
        return self.leave(nn.functional.silu(h))


def mask(shape: tuple[int, ...]) -> Tensor:
    """On the CPU a checkerboard of 0 and 1 over the rows and columns of a picture, or 0, 1, 0, ... along a point."""
    *_, height, width = (1, *shape)
    rows, columns = torch.arange(height, device="cpu"), torch.arange(width, device="cpu")
    board = (rows[:, None] + columns) % 2  # (H, W)
    return board.float().reshape(shape[-2:]).expand(shape).clone()


def _zero(layer: nn.Module) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def need_real(x: Tensor, model: RealNVP, name: str = "x") -> None:
    """Refuse what is no float batch (B, *shape) of the type of the model's parameters; float32 beside half precision.

    Raises:
        ValueError: it is not.
    """
    want = next(model.parameters()).dtype
    if not isinstance(x, Tensor) or tuple(x.shape[1:]) != model.shape or x.dtype not in (want, at_least_float32(want)):
        sides = ", ".join(map(str, model.shape))
        raise ValueError(f"{name} must be a {want} tensor of shape (B, {sides}), got {_check.describe(x)}")
