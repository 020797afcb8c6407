"""The two players of a generative adversarial network.

Goodfellow et al., arXiv 1406.2661. A generator has ``sample`` and no ``log_prob``: nobody can ask it how probable a
picture is. That is the point of the game, which needs only pictures, and its price. Both are dense; with ``channels``
they have convolutions on the side of the picture, without batch norm: a penalty on slopes needs a discriminator that
judges each picture by itself.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from course_utils import _check
from course_utils.distributions import draw
from course_utils.models.base import need_type, portion
from course_utils.models.coders import make_decoder, make_encoder, need_codes


class Generator(nn.Module):
    """Network from noise z ~ N(0, I) to a picture in [0, 1], or to a point in the plane if ``shape`` is (D,).

    Args:
        shape: shape of one image, or (D,) for points.
        latent: dimensions of the noise.
        hidden: units of the dense layers, from the noise on.
        channels: feature maps between the convolutions that follow, towards the picture; each doubles the sides.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """

    shape: tuple[int, ...]
    latent: int
    net: nn.Sequential
    squash: nn.Module

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 16,
        hidden: Sequence[int] = (256, 256),
        channels: Sequence[int] = (),
    ):
        super().__init__()
        self.shape, self.latent = _check.sizes("shape", shape), _check.whole("latent", latent)
        hidden, channels = _check.sizes("hidden", hidden, least=0), _check.sizes("channels", channels, least=0)
        self.net = make_decoder(self.latent, self.shape, 1, hidden[::-1], channels[::-1])
        self.squash = nn.Sigmoid() if len(self.shape) == 3 else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """Pictures (n, *shape) from noise (n, Z).

        Raises:
            ValueError: z is anything else, or not of the type of the parameters.
        """
        if need_codes(z, self.latent).ndim != 2:
            raise ValueError(f"z must be a float tensor of shape (n, {self.latent}), got {_check.describe(z)}")
        need_type("z", z, self)
        return self.squash(self.net(z)).squeeze(-1)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n pictures from fresh noise, shape (n, *shape); differentiable in the parameters, as training needs it.

        A broken network's NaN is returned as it is: nothing here turns it into a picture, and a training that has run
        away can be looked at.

        Raises:
            ValueError: n is not a positive integer.
        """
        like = next(self.parameters()).new_empty(_check.whole("n", n), self.latent)
        z = draw(torch.randn, like, generator)
        size = portion(like.new_empty(1, *self.shape))
        return self(z) if n <= size else torch.cat([self(part) for part in z.split(size)])


class Discriminator(nn.Module):
    """Network from a picture to one logit: sigmoid(logit) is its probability that the picture is real.

    For a Wasserstein distance the same network is a critic, and its output a height, not a logit. With ``spectral``
    each layer's weight matrix is divided by its largest singular value, so that no layer stretches (Miyato et al.,
    arXiv 1802.05957; torch's parametrisation, which takes one power iteration in each forward pass of training; a
    convolution's matrix is that of its kernel, as in the paper).

    Args:
        shape: shape of one image, or (D,) for points.
        hidden: units of the dense layers, from the picture on.
        channels: feature maps of the convolutions before them; each halves the sides.
        spectral: normalise every layer's weights.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """

    shape: tuple[int, ...]
    net: nn.Sequential

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int] = (256, 256),
        channels: Sequence[int] = (),
        *,
        spectral: bool = False,
    ):
        super().__init__()
        self.shape = _check.sizes("shape", shape)
        self.net = make_encoder(self.shape, 1, 1, hidden, channels)
        if spectral:
            for layer in self.net:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) of pictures (B, *shape).

        Raises:
            ValueError: x is anything else, or not of the type of the parameters.
        """
        if not isinstance(x, Tensor) or not x.is_floating_point() or tuple(x.shape[1:]) != self.shape:
            want = ", ".join(map(str, self.shape))
            raise ValueError(f"x must be a float tensor of shape (B, {want}), got {_check.describe(x)}")
        need_type("x", x, self)
        return self.net(x.unsqueeze(-1)).squeeze(-1)
