"""The two players of a generative adversarial network.

Goodfellow et al., arXiv 1406.2661. A generator has ``sample`` and no ``log_prob``: nobody can ask it how probable a
picture is. That is the point of the game, which needs only pictures, and its price.
"""

import torch
from torch import Tensor, nn

from course_utils.models.base import dimensions, need_shape
from course_utils.models.vae import perceptron


class Generator(nn.Module):
    """Dense network from noise z ~ N(0, I) to a picture in [0, 1], or to a point in the plane if ``shape`` is (D,).

    Args:
        shape: shape of one image, or (D,) for points.
        latent: dimensions of the noise.
        hidden: units of the hidden layers.

    Raises:
        ValueError: a size is not positive.
    """

    def __init__(self, shape, latent: int = 16, hidden: tuple[int, ...] = (256, 256)):
        super().__init__()
        self.shape, self.latent = need_shape(shape), latent
        self.net = perceptron(latent, *hidden, dimensions(self.shape))
        self.squash = nn.Sigmoid() if len(self.shape) == 3 else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """Pictures (n, *shape) from noise (n, Z)."""
        return self.squash(self.net(z)).view(-1, *self.shape)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n pictures from fresh noise, shape (n, *shape); differentiable in the parameters, as training needs it.

        Raises:
            ValueError: n is not a positive integer.
        """
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"n must be a positive integer, got {n!r}")
        like = next(self.parameters())
        return self(torch.randn(n, self.latent, generator=generator, dtype=like.dtype, device=like.device))


class Discriminator(nn.Module):
    """Dense network from a picture to one logit: sigmoid(logit) is its probability that the picture is real.

    Args:
        shape: shape of one image, or (D,) for points.
        hidden: units of the hidden layers.

    Raises:
        ValueError: a size is not positive.
    """

    def __init__(self, shape, hidden: tuple[int, ...] = (256, 256)):
        super().__init__()
        self.shape = need_shape(shape)
        self.net = perceptron(dimensions(self.shape), *hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) of pictures (B, *shape).

        Raises:
            ValueError: x has another shape.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"x must have shape (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")
        return self.net(x.flatten(1)).squeeze(-1)
