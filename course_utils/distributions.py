"""Distributions of one pixel, and how a network speaks of them.

Read first: ``Bernoulli``. A *distribution* here holds parameters of any batch shape (...), and gives ``log_prob`` and
``sample`` in the vocabulary of ``torch.distributions``, and ``icdf``, the inverse of its distribution function, so that
two samplers can share the uniforms they consume and be compared pixel for pixel.

A *pixel family* (``bernoulli()``, ``categorical(17)``, ...) is what a model is told at construction: how pixel values
enter the network (``encode``), how many numbers the network must give back for each pixel (``n_params``), and which
distribution these numbers stand for (calling the family). Values are float images, level k of L as k / (L - 1);
``palette(K)`` alone speaks of int64 tokens 0 ... K - 1, which have no order and no distance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import _check

# exp(7) is wider than the whole range of a pixel, exp(-7) narrower than a 256th of it; beyond, gradients only overflow.
LOG_SCALES = -7.0, 7.0
# A narrower Gaussian's variance underflows in float32, a wider one's overflows; its log-density is then not a number.
LOG_STDS = -20.0, 20.0
# Of a width that a network predicts: below, for data of size 255 the square of a gradient, which Adam keeps, overflows.
LEARNED_LOG_STDS = -10.0, 20.0


class PixelDistribution:
    """A distribution over L levels 0, 1/(L-1), ..., 1, of batch shape (...).

    Subclasses give ``levels``, ``level_log_probs()`` of shape (..., L) in nats, and ``log_prob``; the rest follows.
    """

    levels: int

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        """The parameters. NaN in one of them is NaN in the distribution."""
        return (self.level_log_probs(),)

    def level_log_probs(self) -> Tensor:
        """log p of every level, shape (..., L), in nats."""
        raise NotImplementedError

    def __getitem__(self, index: Any) -> "PixelDistribution":
        """The same distribution for a part of the batch: ``distribution[:, 0, row, column]``."""
        raise NotImplementedError

    def _index(self, value: Tensor) -> Tensor:
        """Values to the numbers k of their levels, int64."""
        return (value * (self.levels - 1)).round().long()

    def _value(self, index: Tensor, dtype: torch.dtype) -> Tensor:
        """Numbers k of levels to values."""
        return index.to(dtype) / (self.levels - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value) in nats, shape (...); ``value`` holds levels k / (L - 1)."""
        log_probs, index = self.level_log_probs(), self._index(value)
        batch = torch.broadcast_shapes(log_probs.shape[:-1], index.shape)
        log_probs, index = log_probs.expand(*batch, self.levels), index.expand(batch)
        return log_probs.gather(-1, index.unsqueeze(-1)).squeeze(-1)

    def icdf(self, u: Tensor) -> Tensor:
        """The smallest level whose distribution function exceeds u, for u in [0, 1), shape (...)."""
        cdf = self.level_log_probs().exp().cumsum(-1)
        cdf = cdf[..., :-1] / cdf[..., -1:]  # else rounding leaves a gap below 1 that the last level would fill
        return self._value((cdf <= u.unsqueeze(-1)).sum(-1), u.dtype)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw for each element of the batch, shape (...), values k / (L - 1).

        Raises:
            ValueError: a parameter is NaN, which no comparison with a uniform would show.
        """
        need_numbers(self)
        return self.icdf(draw(torch.rand, self.level_log_probs()[..., 0], generator))

    @property
    def mean(self) -> Tensor:
        """E[x], shape (...)."""
        log_probs = self.level_log_probs()
        values = torch.linspace(0, 1, self.levels, dtype=log_probs.dtype, device=log_probs.device)
        return log_probs.exp() @ values

    @property
    def mode(self) -> Tensor:
        """The most probable level, shape (...)."""
        log_probs = self.level_log_probs()
        return self._value(log_probs.argmax(-1), log_probs.dtype)

    def entropy(self) -> Tensor:
        """-sum_k p_k log p_k in nats, shape (...)."""
        log_probs = self.level_log_probs()
        p = log_probs.exp()
        # p log p is 0 where p is, and so is its slope in whatever p was made of; log p alone may be minus infinity
        return -(p * torch.where(p > 0, log_probs, 0)).sum(-1)


class Bernoulli(PixelDistribution):
    """A binary pixel: p(x = 1) = sigmoid(logits), log p(x) = x * logits - log(1 + exp(logits)).

    Args:
        logits: log-odds of the value 1, any shape (...).
    """

    levels = 2

    def __init__(self, logits: Tensor):
        self.logits = logits

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    @property
    def probs(self) -> Tensor:
        """p(x = 1), shape (...)."""
        return self.logits.sigmoid()

    mean = probs

    def __getitem__(self, index: Any) -> "Bernoulli":
        return Bernoulli(self.logits[index])

    def level_log_probs(self) -> Tensor:
        return torch.stack([F.logsigmoid(-self.logits), F.logsigmoid(self.logits)], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        return value * self.logits - F.softplus(self.logits)

    def icdf(self, u: Tensor) -> Tensor:
        return (u >= torch.sigmoid(-self.logits)).to(u.dtype)


class Categorical(PixelDistribution):
    """A pixel of L levels, p(x = k / (L - 1)) = softmax(logits)_k.

    Args:
        logits: unnormalised log-probabilities, shape (..., L).
    """

    def __init__(self, logits: Tensor):
        self.logits = logits
        self.levels: int = logits.shape[-1]

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    @property
    def probs(self) -> Tensor:
        """p of every level, shape (..., L)."""
        return self.logits.softmax(-1)

    def __getitem__(self, index: Any) -> "Categorical":
        return Categorical(self.logits[index])

    def level_log_probs(self) -> Tensor:
        return self.logits.log_softmax(-1)


class PaletteCategorical(Categorical):
    """One of K palette colours, p(token = k) = softmax(logits)_k. Values are int64 tokens: names, not numbers.

    Args:
        logits: unnormalised log-probabilities, shape (..., K).
    """

    def __getitem__(self, index: Any) -> "PaletteCategorical":
        return PaletteCategorical(self.logits[index])

    def _index(self, value: Tensor) -> Tensor:
        return value

    def _value(self, index: Tensor, dtype: torch.dtype) -> Tensor:
        return index

    @property
    def mean(self) -> Tensor:
        raise TypeError("palette tokens have no mean; average the colours that they stand for")


class DiscretizedLogisticMixture(PixelDistribution):
    """A mixture of K logistic distributions, each integrated over the bins of L levels (PixelCNN++, arXiv 1701.05517).

    Levels are placed at c_k = 2k/(L-1) - 1 in [-1, 1], with bins c_k ± 1/(L-1); the first and the last bin reach to
    minus and plus infinity, so that the levels' probabilities sum to 1. With standardised edges
    hi = (c_k + 1/(L-1) - mu) / s and lo = (c_k - 1/(L-1) - mu) / s the probability of an inner bin is
    sigmoid(hi) - sigmoid(lo), whose logarithm has the closed form

        hi + log(-expm1(-(hi - lo))) - softplus(hi) - softplus(lo),

    free of the cancellation that the difference suffers in the tails.

    Args:
        logits: unnormalised log-weights of the components, shape (..., K).
        means: mu, on the scale on which levels run from -1 to 1, shape (..., K).
        log_scales: log s, shape (..., K); values beyond -7 and 7 are moved there.
        levels: L, at least 2.
    """

    logits: Tensor
    means: Tensor
    log_scales: Tensor
    levels: int

    def __init__(self, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int):
        self.logits, self.means, self.log_scales, self.levels = logits, means, log_scales, levels

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        return self.logits, self.means, self.log_scales

    def __getitem__(self, index: Any) -> "DiscretizedLogisticMixture":
        return DiscretizedLogisticMixture(self.logits[index], self.means[index], self.log_scales[index], self.levels)

    def _bin_log_prob(self, index: Tensor) -> Tensor:
        """log p of bin ``index``; index broadcasts against the batch shape (...)."""
        half = 1 / (self.levels - 1)
        index = index.unsqueeze(-1)
        distance = 2 * half * index - 1 - self.means  # (..., K)
        inverse_scale = torch.exp(-self.log_scales.clamp(*LOG_SCALES))
        hi, lo = (distance + half) * inverse_scale, (distance - half) * inverse_scale
        inner = hi + torch.log(-torch.expm1(-2 * half * inverse_scale)) - F.softplus(hi) - F.softplus(lo)
        first, last = F.logsigmoid(hi), F.logsigmoid(-lo)
        log_bin = torch.where(index == 0, first, torch.where(index == self.levels - 1, last, inner))
        return torch.logsumexp(self.logits.log_softmax(-1) + log_bin, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._bin_log_prob((value * (self.levels - 1)).round())

    def icdf(self, u: Tensor) -> Tensor:
        """As in the base class, by bisection on sum_k w_k sigmoid((edge - mu_k) / s_k): log L steps, not L levels."""
        half, weights = 1 / (self.levels - 1), self.logits.softmax(-1)
        inverse_scale = torch.exp(-self.log_scales.clamp(*LOG_SCALES))
        low, high = torch.zeros_like(u), torch.full_like(u, self.levels - 1)  # the last level's is 1, above every u
        for _ in range(self.levels.bit_length()):
            middle = ((low + high) / 2).floor()
            edge = (2 * middle.unsqueeze(-1) + 1) * half - 1
            beyond = (weights * torch.sigmoid((edge - self.means) * inverse_scale)).sum(-1) <= u
            low, high = torch.where(beyond, torch.minimum(middle + 1, high), low), torch.where(beyond, high, middle)
        return low / (self.levels - 1)

    def level_log_probs(self) -> Tensor:
        every = torch.arange(self.levels, dtype=self.means.dtype, device=self.means.device)
        one_more = (p.unsqueeze(-2) for p in (self.logits, self.means, self.log_scales))  # (..., 1, K)
        return DiscretizedLogisticMixture(*one_more, levels=self.levels)._bin_log_prob(every)  # (..., L)


class Gaussian(torch.distributions.Normal):
    """A real number: log p(x) = -1/2 ((x - mean) / std)^2 - log std - 1/2 log 2 pi. A density: it may exceed 0.

    Args:
        mean: shape (...).
        log_std: logarithm of the standard deviation, shape (...); values beyond -20 and 20 are moved there.
    """

    def __init__(self, mean: Tensor, log_std: Tensor):
        super().__init__(mean, log_std.clamp(*LOG_STDS).exp(), validate_args=False)

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        """The parameters, as those of a ``PixelDistribution``."""
        return self.loc, self.scale

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw for each element of the batch, shape (...).

        Raises:
            ValueError: a parameter is NaN.
        """
        need_numbers(self)
        return self.loc + self.scale * draw(torch.randn, self.loc, generator)

    def __getitem__(self, index: Any) -> "Gaussian":
        return Gaussian(self.loc[index], self.scale[index].log())

    def icdf(self, u: Tensor) -> Tensor:
        """The inverse of the distribution function, for u in [0, 1), shape (...); finite also at u = 0."""
        return super().icdf(u.clamp(min=torch.finfo(u.dtype).eps / 4))  # half the smallest non-zero draw of torch.rand


@dataclass(frozen=True)
class PixelFamily:
    """What a model must know of its pixels. Made by ``bernoulli()``, ``categorical(levels)`` and their siblings.

    Attributes:
        name: for messages and tables.
        levels: number of levels L, or None for real values.
        n_features: numbers with which one value enters the network.
        n_params: numbers with which the network describes one value.
        make: parameters (..., n_params) to a distribution of batch shape (...).
        one_hot: whether ``encode`` adds a one-hot code to the value.
        tokens: values are int64 tokens (B, H, W), and ``encode`` gives a one-hot code alone.
    """

    name: str
    levels: int | None
    n_params: int
    make: Callable[[Tensor], PixelDistribution | Gaussian]
    one_hot: bool = False
    tokens: bool = False

    @property
    def n_features(self) -> int:
        if self.tokens:
            return self._levels
        return 1 + self._levels if self.one_hot else 1

    @property
    def _levels(self) -> int:
        return self.levels  # pyright: ignore[reportReturnType]  # asked only where there are some

    def __call__(self, params: Tensor) -> PixelDistribution:
        """The distribution that ``params`` (..., n_params) stand for, of batch shape (...).

        Parameters in half precision, as autocast gives them, become float32: three digits are too few for summing.
        """
        distribution: Any = self.make(params.to(torch.promote_types(params.dtype, torch.float32)))
        return distribution  # a Gaussian is no PixelDistribution, but has all that models ask of one

    def encode(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Values (...) to features (..., n_features): the value on [-1, 1], then its one-hot code if there is one.

        ``dtype`` is that of tokens' features (float32 by default); other features have the type of x.

        Not on [0, 1]: a convolution pads with zeros, and a black pixel should differ from no pixel. ``encode`` is
        differentiable in x through the first feature, so that receptive fields can be found by backpropagation.
        """
        if self.tokens:
            return _one_hot(x, self._levels, dtype or torch.float32)
        value = (2 * x - 1 if self.levels else x).unsqueeze(-1)
        if not self.one_hot:
            return value
        index = (x.detach() * (self._levels - 1)).round().long()
        return torch.cat([value, _one_hot(index, self._levels, value.dtype)], -1)

    def check(self, x: Tensor, shape: tuple[int, ...]) -> None:
        """Refuse anything but a float batch (B, *shape) of this family's values; of tokens, int64 (B, *shape[1:]).

        Values are looked at where ``may_look`` says so.

        Raises:
            ValueError: wrong type, shape, dtype, or a value that is not one of the levels, or not finite.
        """
        if self.tokens:
            shape = tuple(shape)[1:]
        if self.tokens and (not isinstance(x, Tensor) or x.dtype != torch.int64):
            raise ValueError(f"x must be int64 tokens of shape (B, {_commas(shape)}), got {_check.describe(x)}")
        if not self.tokens and (not isinstance(x, Tensor) or not x.is_floating_point()):
            what = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x must be a float tensor of shape (B, {_commas(shape)}), got {what}")
        if tuple(x.shape[1:]) != tuple(shape):
            raise ValueError(f"x must have shape (B, {_commas(shape)}), got ({_commas(x.shape)})")
        if not len(x) or not may_look(x):
            return
        x = x.detach()
        if self.tokens:
            if not 0 <= int(x.min()) <= int(x.max()) < self._levels:
                raise ValueError(f"x must hold tokens 0 ... {self._levels - 1}, got {int(x.min())} ... {int(x.max())}")
            return
        if not self.levels:
            if not x.isfinite().all():
                raise ValueError("x must be finite, got NaN or infinity")
            return
        k = x * (self.levels - 1)
        # rounding moves k by up to eps of it, in half precision by whole levels: a quarter of one is where we stop
        on_a_level = (k - k.round()).abs() <= (1e-3 + 2 * torch.finfo(x.dtype).eps * k.abs()).clamp(max=0.25)
        if not (on_a_level & (x >= 0) & (x <= 1)).all():
            span = f"from {x.min().item():.4g} to {x.max().item():.4g}"
            want = "0 or 1" if self.levels == 2 else f"k/{self.levels - 1} for whole k from 0 to {self.levels - 1}"
            raise ValueError(f"x must hold {want} for {self.name} pixels, got other values, {span}")


def draw(rand: Callable[..., Tensor], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """``torch.rand`` or ``torch.randn`` in the shape, type and place of ``like``.

    Drawn where the generator lives, which need not be where the numbers go: a CPU generator gives the same everywhere.
    """
    if generator is None:  # not passed on: compiled code does not take it when a batch of another size comes
        return rand(like.shape, dtype=like.dtype, device=like.device)
    return rand(like.shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)


def within(x: Tensor, least: float, most: float) -> Tensor:
    """x, moved to the bounds where it lies beyond them, elementwise; for what a network says of a logarithm.

    The slope is 1 everywhere: a clamp's would be 0 beyond the bounds, and nothing would lead training back from there.
    """
    return x.clamp(least, most).detach() + (x - x.detach())


def may_look(x: Tensor) -> bool:
    """Whether a check may read the values of x.

    Not on an accelerator while gradients are recorded: the look would wait for the device at every training step. Not
    in compiled code nor under ``torch.func``'s transforms, where one way through the code is taken for all values. Not
    on the device "meta", where there are none.
    """
    if torch.compiler.is_compiling() or x.is_meta or transformed(x):
        return False
    return x.device.type == "cpu" or not torch.is_grad_enabled()


def transformed(x: Tensor) -> bool:
    """Whether x stands for many values, or a value and a slope, within ``torch.func.vmap``, ``grad`` or ``jvp``."""
    # there is no public way to ask
    return torch._C._functorch.is_functorch_wrapped_tensor(x)  # pyright: ignore[reportAttributeAccessIssue]


def has_nan(distribution: PixelDistribution | Gaussian) -> Tensor:
    """Whether a parameter is NaN, a bool scalar where the parameters are: nothing waits for the device."""
    found = [numbers.isnan().any() for numbers in distribution.numbers]
    return found[0] if len(found) == 1 else torch.stack(found).any()


def need_numbers(distribution: PixelDistribution | Gaussian) -> None:
    """Refuse a distribution with a NaN among its parameters, where values may be looked at.

    Raises:
        ValueError: there is one.
    """
    if may_look(distribution.numbers[0]) and has_nan(distribution):
        raise ValueError(f"the parameters of {type(distribution).__name__} must be numbers to be drawn from, got NaN")


def _one_hot(index: Tensor, levels: int, dtype: torch.dtype) -> Tensor:
    """As ``F.one_hot``, which looks at the values and so does not work under ``torch.func.vmap``."""
    return (index.unsqueeze(-1) == torch.arange(levels, device=index.device)).to(dtype)


def _commas(sizes) -> str:
    return ", ".join(str(s) for s in sizes)


def _make_bernoulli(params: Tensor) -> Bernoulli:
    return Bernoulli(params.squeeze(-1))


def _make_mixture(params: Tensor, components: int, levels: int) -> DiscretizedLogisticMixture:
    return DiscretizedLogisticMixture(*params.split(components, -1), levels=levels)


def _make_gaussian(params: Tensor) -> Gaussian:
    mean, log_std = params.unbind(-1)
    return Gaussian(mean, within(log_std, *LEARNED_LOG_STDS))


def _make_fixed_gaussian(params: Tensor, log_std: float) -> Gaussian:
    mean = params.squeeze(-1)
    return Gaussian(mean, torch.full_like(mean, log_std))


def bernoulli() -> PixelFamily:
    """Binary pixels; one number, the logit."""
    return PixelFamily("Bernoulli", levels=2, n_params=1, make=_make_bernoulli)


def categorical(levels: int, one_hot: bool | None = None) -> PixelFamily:
    """Pixels of ``levels`` levels; one logit a level, no idea that neighbouring levels are alike.

    Args:
        levels: number of levels, at least 2.
        one_hot: let values enter the network as one-hot codes too; by default up to 32 levels.

    Raises:
        ValueError: fewer than 2 levels.
    """
    levels = _check.whole("levels", levels, least=2)
    return PixelFamily("categorical", levels, levels, Categorical, one_hot=levels <= 32 if one_hot is None else one_hot)


def palette(colours: int) -> PixelFamily:
    """Pixels that are one of ``colours`` palette colours; one logit a colour. Images are int64 tokens (B, H, W).

    A model of them has the shape (1, H, W). ``data.to_tokens`` and ``data.from_tokens`` translate colours to tokens
    and back.

    Raises:
        ValueError: fewer than 2 colours.
    """
    colours = _check.whole("colours", colours, least=2)
    return PixelFamily("palette", colours, colours, PaletteCategorical, tokens=True)


def discretized_logistic_mixture(levels: int = 256, components: int = 5) -> PixelFamily:
    """Pixels of ``levels`` ordered levels; 3 numbers a component: log-weight, mean, log-scale.

    Raises:
        ValueError: fewer than 2 levels, or no component.
    """
    levels, components = _check.whole("levels", levels, least=2), _check.whole("components", components)
    make = partial(_make_mixture, components=components, levels=levels)
    return PixelFamily("logistic-mixture", levels, 3 * components, make, one_hot=levels <= 32)


def gaussian(std: float | None = None) -> PixelFamily:
    """Real values; the network gives the mean and, unless ``std`` fixes it, the log of the standard deviation.

    What it gives beyond -10 and 20 is moved there, see ``within``.

    Raises:
        ValueError: ``std`` is not positive.
    """
    if std is None:
        return PixelFamily("Gaussian", levels=None, n_params=2, make=_make_gaussian)
    make = partial(_make_fixed_gaussian, log_std=math.log(_check.positive("std", std)))
    return PixelFamily("Gaussian", levels=None, n_params=1, make=make)


def bits_per_dim(nats: float | Tensor, dimensions: int) -> float | Tensor:
    """Nats per image to bits per dimension: nats / (dimensions * log 2).

    Raises:
        ValueError: ``dimensions`` is not a positive whole number.
    """
    return nats / (_check.whole("dimensions", dimensions) * math.log(2))
