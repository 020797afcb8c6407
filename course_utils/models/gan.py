"""The two players of a generative adversarial network.

Goodfellow et al., arXiv 1406.2661. A generator has ``sample`` and no ``log_prob``: nobody can ask it how probable a
picture is. That is the point of the game, which needs only pictures, and its price.
"""

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import draw
from course_utils.models.base import dimensions, perceptron


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
        self.shape, self.latent = _check.sizes("shape", shape), _check.whole("latent", latent)
        self.net = perceptron(self.latent, *_check.sizes("hidden", hidden, least=0), dimensions(self.shape))
        self.squash = nn.Sigmoid() if len(self.shape) == 3 else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """Pictures (n, *shape) from noise (n, Z)."""
        return self.squash(self.net(z)).view(-1, *self.shape)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n pictures from fresh noise, shape (n, *shape); differentiable in the parameters, as training needs it.

        Raises:
            ValueError: n is not a positive integer.
        """
        like = next(self.parameters()).new_empty(_check.whole("n", n), self.latent)
        return self(draw(torch.randn, like, generator))


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
        self.shape = _check.sizes("shape", shape)
        self.net = perceptron(dimensions(self.shape), *_check.sizes("hidden", hidden, least=0), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) of pictures (B, *shape).

        Raises:
            ValueError: x is anything else.
        """
        if not isinstance(x, Tensor) or not x.is_floating_point() or tuple(x.shape[1:]) != self.shape:
            want = ", ".join(map(str, self.shape))
            raise ValueError(f"x must be a float tensor of shape (B, {want}), got {_check.describe(x)}")
        return self.net(x.flatten(1)).squeeze(-1)
