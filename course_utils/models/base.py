"""The two interfaces of the course, and the loops that sample and complete pictures.

A density model gives ``log_prob(x) -> (B,)`` in nats an image and ``sample(n)``. An autoregressive model implements
only ``conditionals(x)``: by the chain rule

    log p(x) = sum_i log p(x_i | x_1, ..., x_{i-1}),

and one evaluation of ``conditionals`` on a complete image gives every factor at once, as long as the factor for pixel i
does not look at pixel i or later ones. Sampling cannot be had at once: pixel i is needed before pixel i + 1 is drawn.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelDistribution, PixelFamily, bernoulli, draw, has_nan, may_look

Position = tuple[int, int, int]  # channel, row, column
Group = tuple[int, Tensor, Tensor]  # channel, rows and columns (n,) of pixels that do not see each other
# A channel, and one row and column or n of them, as the model's schedule has it, to the distribution (B,) or (B, n) of
# these pixels.
Step = Callable[[int, Any, Any], PixelDistribution]
# Values of pictures that samplers work on at a time, however many are wanted: so the networks' memory stays bounded.
MOST_VALUES = {"cpu": 2**19, "accelerator": 2**22}

if TYPE_CHECKING:
    M = TypeVar("M", bound=nn.Module)

    class ModuleList(nn.ModuleList, Generic[M]):
        """torch's own; it only says here what it holds."""

        def __init__(self, modules: Iterable[M] = ()) -> None: ...
        def __iter__(self) -> Iterator[M]: ...
        def __getitem__(self, idx: int) -> M: ...
else:
    ModuleList = nn.ModuleList


class WithPixels(Protocol):
    """What ``need_values`` must know of a model."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def pixels(self) -> PixelFamily: ...

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...


class WithParameters(Protocol):
    """What ``need_type`` must know of a model."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...


class DensityModel(nn.Module):
    """A model with a density. ``forward`` is ``log_prob``, so that wrappers which call the module (DDP) train it."""

    shape: tuple[int, ...]

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) of each image, shape (B,), in nats: summed over the pixels, never a mean."""
        raise NotImplementedError

    def forward(self, x: Tensor, method: str = "log_prob") -> Tensor:
        """``log_prob(x)``, or another method: a wrapper that synchronises gradients does so only when it is called.

        ``ddp(x)`` trains the likelihood, ``ddp(x, "elbo")`` a VAE's bound.
        """
        return getattr(self, method)(x)

    def sample(self, n: int) -> Tensor:
        """n independent draws, shape (n, *shape)."""
        raise NotImplementedError


class Derived(nn.Module):
    """Mixin for a module with buffers that follow from its arguments, such as masks: they are made, never loaded.

    ``to``, ``half``, ``to_empty`` and their siblings all go through ``_apply``, which may leave uninitialised memory
    where a mask was, or too few digits where a schedule was. After it they have the values from before, a mask that
    somebody has changed included; where there were none (``meta``), and after ``load_state_dict``, they are made anew.
    So they need not be in checkpoints; those of earlier versions, which hold them, are still loaded.
    """

    def derived(self) -> dict[str, Tensor]:
        """Each such buffer by its name, in the type that it should have; ``derive`` takes it to its device."""
        raise NotImplementedError

    def derive(self, before: Mapping[str, Tensor | None] | None = None) -> None:
        """Make the buffers, or keep the values that they had before. Called once at the end of the constructor."""
        if not self._load_state_dict_post_hooks:
            self.register_load_state_dict_post_hook(_derive)  # after the children: their device may have changed, too
        device = next(self.parameters()).device
        with torch.device("cpu"):  # whatever the default device is, which need not hold any values
            buffers = self.derived()
        for name, values in buffers.items():
            old = (before or {}).get(name)
            kept = values if old is None or old.is_meta or old.shape != values.shape else old
            self.register_buffer(name, kept.to(device, values.dtype), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: self._buffers[name] for name in self._non_persistent_buffers_set}
        super()._apply(fn, recurse)
        self.derive(before)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self._non_persistent_buffers_set:
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _derive(module: Derived, _: object) -> None:
    module.derive()


class AutoregressiveModel(DensityModel):
    """Base of all models that predict the next pixel. A subclass implements ``conditionals``, nothing more.

    A subclass may also implement ``incremental``, which makes sampling cheaper and changes no sample.

    Args:
        shape: (C, H, W) of an image.
        distribution: family of the pixels; ``bernoulli()`` by default.

    Raises:
        ValueError: ``shape`` is not three positive integers, or has several channels and the pixels are tokens.
    """

    shape: tuple[int, int, int]
    pixels: PixelFamily

    def __init__(self, shape: Sequence[int], distribution: PixelFamily | None = None):
        super().__init__()
        self.shape = _check.sizes("shape", shape, length=3, want="(channels, height, width) in whole numbers above 0")
        self.pixels = need_family(distribution)
        if self.pixels.tokens and self.shape[0] != 1:
            raise ValueError(f"shape must be (1, height, width) for tokens, one a pixel, got {self.shape}")

    def conditionals(self, x: Tensor) -> PixelDistribution:
        """p(x_i | pixels before i) for every pixel i of x (B, C, H, W), one distribution of that batch shape.

        Tokens come with their channel here, int64 (B, 1, H, W).
        """
        raise NotImplementedError

    def encode(self, x: Tensor) -> Tensor:
        """What the network is given of pixels (...): features (..., E) in the type of its parameters."""
        return self.pixels.encode(x, next(self.parameters()).dtype)

    def order(self) -> list[Position]:
        """Positions in the order of the chain rule: row by row, left to right, within a pixel channel by channel."""
        channels, height, width = self.shape
        return [(c, h, w) for h in range(height) for w in range(width) for c in range(channels)]

    def schedule(self) -> Sequence[Position | Group]:
        """Positions as ``incremental`` takes them: ``order()``, or groups of pixels that do not see each other.

        A group is (channel, rows, columns) with index tensors (n,); its pixels are drawn in one step.
        """
        return self.order()

    def pixel_log_probs(self, x: Tensor) -> Tensor:
        """log p(x_i | x_<i) of every pixel, in nats, in the shape of x.

        Where the known pixels come first, -(pixel_log_probs(x) * ~known).sum() is what the others cost given them:
        -log p(unknown | known).

        Raises:
            ValueError: x is not a float batch (B, C, H, W) of this model's pixel values, or int64 tokens (B, H, W).
        """
        need_values(x, self)
        pixels = x.unsqueeze(1) if self.pixels.tokens else x
        return self.conditionals(pixels).log_prob(pixels).view(x.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = sum_i log p(x_i | x_<i), shape (B,), in nats.

        Raises:
            ValueError: x is not a float batch (B, C, H, W) of this model's pixel values, or int64 tokens (B, H, W).
        """
        return self.pixel_log_probs(x).flatten(1).sum(1)

    def incremental(self, x: Tensor) -> Step | None:
        """A function that returns the distribution of the pixel at a position, reading the pixels before it from ``x``.

        It is called once for each entry of ``schedule()``, in order, and may remember what it has computed. Where there
        is no such form it is None.
        """
        return None

    def sample(self, n: int, *, cached: bool = True, generator: torch.Generator | None = None) -> Tensor:
        """n images drawn pixel by pixel, shape (n, C, H, W); tokens (n, H, W).

        Many are drawn in portions that fit into memory. All uniforms are drawn before the first, so that the same
        generator gives the same images whatever the portion, but for rounding: a pixel whose uniform is as near to the
        edge between two levels as float32 can tell may fall to either side.

        Args:
            n: number of images.
            cached: use ``incremental``. The naive loop (False) evaluates the whole network once a pixel; it is the
                reference, and gives the same images from the same uniforms.
            generator: source of the uniforms; torch's global one by default.

        Raises:
            ValueError: n is not a positive integer, or the network answers NaN.
        """
        like = next(self.parameters(), torch.zeros(()))  # a model without parameters is one, too
        shape, dtype = (self.shape[1:], torch.int64) if self.pixels.tokens else (self.shape, like.dtype)
        nothing = torch.zeros(_check.whole("n", n), *shape, dtype=dtype, device=like.device)
        known = torch.zeros(shape, dtype=torch.bool, device=like.device)
        return self.complete(nothing, known, cached=cached, generator=generator)

    @torch.no_grad()  # not inference_mode: a learner may feed samples back into log_prob(...).backward()
    def complete(
        self, x: Tensor, known: Tensor, *, cached: bool = True, generator: torch.Generator | None = None
    ) -> Tensor:
        """Keep the given pixels of ``x`` and draw the others, in order, each given all pixels before it.

        Exact, that is a draw from p(unknown | known), if no given pixel comes after an unknown one in the model's
        order. Otherwise a given pixel influences only the unknown pixels after it: the earlier ones were drawn without
        looking ahead, and the result follows prod_i p(x_i | x_<i) over the unknown i, not the posterior. For tiny
        images ``completions`` gives the exact posterior, to compare.

        Args:
            x: images (B, C, H, W), or tokens (B, H, W); values at unknown pixels are ignored.
            known: bool mask of given pixels, broadcastable to x: (C, H, W), (H, W) or (B, C, H, W). Three sizes are
                (C, H, W); where B = C they could as well be one mask (H, W) for each picture, and are refused.
            cached, generator: as in ``sample``.

        Raises:
            ValueError: x or known has a wrong type or shape, a given pixel is no value of this family, or the network
                answers NaN.
        """
        if not isinstance(x, Tensor):
            raise ValueError(f"x must be a {'int64' if self.pixels.tokens else 'float'} tensor, got {type(x).__name__}")
        if not isinstance(known, Tensor) or known.dtype != torch.bool:
            raise ValueError(f"known must be a bool tensor, got {getattr(known, 'dtype', type(known).__name__)}")
        known = spread(known, x)
        # so that nothing can be read off pixels that are not given, even by a wrong mask
        x = torch.where(known, x, 0).contiguous()
        need_values(x, self)
        if not len(x):
            return x
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # in half precision some uniforms would round to 1
        u = draw(torch.rand, wide, generator)
        shape = x.shape
        x, known, u = (part.view(len(x), *self.shape) for part in (x, known.contiguous(), u))  # tokens: one channel
        with evaluating(self), torch.autocast(x.device.type, enabled=False):
            for part in zip(*(whole.split(portion(x)) for whole in (x, known, u)), strict=True):
                self._fill(*part, cached=cached)
        return x.view(shape)

    def _fill(self, x: Tensor, known: Tensor, u: Tensor, cached: bool) -> None:
        """Write the unknown pixels of ``x`` (B, C, H, W) in place, drawn from the uniforms ``u``, in order."""
        nan = torch.zeros((), dtype=torch.bool, device=x.device)  # looked at once, not once a pixel
        step = self.incremental(x) if cached else None
        for c, h, w in self.schedule() if step else self.order():
            pixel = step(c, h, w) if step else self.conditionals(x)[:, c, h, w]
            nan |= has_nan(pixel)
            drawn = pixel.icdf(u[:, c, h, w]).to(x.dtype)
            x[:, c, h, w] = torch.where(known[:, c, h, w], x[:, c, h, w], drawn)
        need_numbers_from(self, nan)

    @torch.no_grad()
    def completions(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Every way to complete one tiny picture, and its exact log-probability given the known pixels.

            log p(unknown | known) = log p(x) - log sum_{x' that agree with x where known} p(x')

        by enumeration, whatever the order. A draw from the posterior is one of them: ``torch.multinomial(log_p.exp(),
        n, replacement=True)``.

        Args:
            x: one picture (C, H, W), or tokens (H, W); values at unknown pixels are ignored.
            known: bool mask of given pixels, broadcastable to x.

        Returns:
            pictures (N, ...) with N = L ** (number of unknown pixels), and log-probabilities (N,) in nats.

        Raises:
            ValueError: N would be above 65,536, pixels are real numbers, or x or known has a wrong type or shape.
        """
        levels = self.pixels.levels
        if levels is None:
            raise ValueError("pixels must have levels for their completions to be counted, got real numbers")
        if not isinstance(x, Tensor) or not isinstance(known, Tensor) or known.dtype != torch.bool:
            got = f"{_check.describe(x)} and {_check.describe(known)}"
            raise ValueError(f"x and known must be a picture and a bool mask, got {got}")
        known = spread(known, x)
        unknown = int((~known).sum())
        if unknown * math.log(levels) > math.log(2**16) + 1e-9:
            raise ValueError(f"known must leave at most 65,536 completions, got {levels} ** {unknown}")
        every = torch.arange(levels**unknown, device=x.device)
        place = levels ** torch.arange(unknown, device=x.device)
        pictures = torch.where(known, x, 0).expand(len(every), *x.shape).clone()
        digits = every[:, None] // place % levels  # (N, unknown)
        pictures[:, ~known] = digits if self.pixels.tokens else (digits / (levels - 1)).to(x.dtype)
        with evaluating(self):
            log_p = torch.cat([self.log_prob(part) for part in pictures.split(4096)])
        return pictures, log_p.log_softmax(0)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout off for the time of the block, and back to what it was."""
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in was_training:
            module.training = True


def portion(x: Tensor) -> int:
    """How many of the pictures x (n, ...) a sampler works on at a time, at least 1."""
    most = MOST_VALUES["cpu" if x.device.type == "cpu" else "accelerator"]
    return max(1, most // max(1, x[:1].numel()))


def spread(known: Tensor, x: Tensor) -> Tensor:
    """The bool mask ``known`` in the shape of x and where x is.

    Raises:
        ValueError: it does not broadcast to x; or it is (C, H, W) as well as (B, H, W), and which of the two matters.
    """
    pictures = x.ndim == 4 and known.ndim == 3 and len(known) == len(x) > 1
    hint = ", and known[:, None] is a mask for each picture" if pictures else ""
    if pictures and x.shape[1] == len(known) and not (known == known[:1]).all():
        raise ValueError(
            f"known must be (B, C, H, W) where B = C = {len(x)}, got {tuple(known.shape)}: known[None] is a mask for "
            f"each channel{hint}"
        )
    try:
        return known.to(x.device).expand(x.shape)
    except RuntimeError:
        raise ValueError(f"known must broadcast to x, got {tuple(known.shape)} for x {tuple(x.shape)}{hint}") from None


def need_numbers_from(model: nn.Module, nan: Tensor) -> None:
    """Refuse a model whose answers held NaN while it drew, where values may be looked at.

    Args:
        model: the model, in whose parameters the cause is looked for.
        nan: a bool scalar, whether there was NaN.

    Raises:
        ValueError: there was.
    """
    if not may_look(nan) or not nan:
        return
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise ValueError(f"the model must have finite parameters to be sampled, got NaN or infinity in {name}")
    raise ValueError("the model must answer numbers to be sampled, got NaN from finite parameters: they are too large")


def need_type(name: str, x: Tensor, model: WithParameters, wider: bool = False) -> Tensor:
    """Return x if it has the type of the model's parameters, else raise ValueError; autocast takes any but float64.

    Args:
        wider: let float32 through where the parameters are in half precision.
    """
    want = next((parameter.dtype for parameter in model.parameters()), x.dtype)
    fits = x.dtype == want or (wider and x.dtype == at_least_float32(want))
    if not fits and not (not x.is_meta and x.dtype != torch.float64 and torch.is_autocast_enabled(x.device.type)):
        raise ValueError(f"{name} must be {want}, as the model's parameters are, got {x.dtype}")
    return x


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, else the type itself: in this type likelihoods and schedules are computed."""
    return torch.promote_types(dtype, torch.float32)


def need_family(distribution: PixelFamily | None) -> PixelFamily:
    """The family itself, Bernoulli for None.

    Raises:
        ValueError: it is anything else, such as ``bernoulli`` without its parentheses.
    """
    if distribution is None:
        return bernoulli()
    if not isinstance(distribution, PixelFamily):
        got = _check.describe(distribution)
        raise ValueError(f"distribution must be a pixel family such as categorical(17), got {got}")
    return distribution


def need_values(x: Tensor, model: WithPixels) -> None:
    """Refuse what is no batch of the model's pixel values, or not of its type.

    Raises:
        ValueError: see ``PixelFamily.check``; or x is float64 and the model float32, and the like.
    """
    model.pixels.check(x, model.shape)
    if not model.pixels.tokens:
        need_type("x", x, model)


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers of these sizes with SiLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def split_params(params: Tensor, channels: int) -> Tensor:
    """A network's output (B, C * P, H, W) as parameters (B, C, H, W, P), P numbers for each value."""
    batch, numbers, height, width = params.shape
    return params.view(batch, channels, numbers // channels, height, width).movedim(2, -1)


def join_features(features: Tensor) -> Tensor:
    """Encoded values (B, C, H, W, E) as a convolution's input (B, C * E, H, W), channel by channel."""
    batch, channels, height, width, each = features.shape
    return features.movedim(-1, 2).reshape(batch, channels * each, height, width)


def dimensions(shape: tuple[int, ...]) -> int:
    """Number of values in an image of ``shape``."""
    return math.prod(shape)
