"""Autoencoders: a network that must return what it was given, through a code too small to hold it all.

    x_hat = decode(encode(x)),    loss(x) = |x_hat - x|^2

Without hidden layers it is principal component analysis (Bourlard and Kamp 1988; Baldi and Hornik 1989,
doi 10.1016/0893-6080(89)90014-2). The denoising autoencoder is given less than it must return (Vincent et al. 2008,
doi 10.1145/1390156.1390294, who erased pixels; with Gaussian noise Vincent et al. 2010). Neither has ``log_prob`` or
``sample``: nothing says which codes to decode. Read first: ``AutoEncoder.loss``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import PixelFamily, draw, gaussian
from course_utils.models.base import need_type, need_values
from course_utils.models.coders import make_decoder, make_encoder, need_codes, need_sizes


class AutoEncoder(nn.Module):
    """Encoder and decoder, trained by squared error.

    Args:
        shape: shape of one image, or (D,) for points.
        latent: size Z of the code.
        hidden: units of the dense layers, from the picture to the code; ``()`` is the linear autoencoder.
        channels: feature maps of convolutions in front of them, each of which halves the sides; none by default.

    Raises:
        ValueError: a size is not positive, or there are convolutions and no image.
    """

    shape: tuple[int, ...]
    latent: int
    pixels: PixelFamily
    encoder: nn.Sequential
    decoder: nn.Sequential

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 2,
        hidden: Sequence[int] = (256, 256),
        channels: Sequence[int] = (),
    ):
        super().__init__()
        self.shape, hidden, channels = need_sizes(shape, hidden, channels)
        self.latent = _check.whole("latent", latent)
        self.pixels = gaussian(std=1.0)  # squared error takes any finite number
        self.encoder = make_encoder(self.shape, 1, self.latent, hidden, channels)
        self.decoder = make_decoder(self.latent, self.shape, 1, hidden, channels)

    def encode(self, x: Tensor) -> Tensor:
        """Codes (B, Z) of pictures (B, *shape).

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        need_values(x, self)
        return self.encoder(x.unsqueeze(-1))

    def decode(self, z: Tensor) -> Tensor:
        """Pictures (..., *shape) of codes (..., Z). Nothing keeps their values in [0, 1].

        Raises:
            ValueError: z is not a float tensor whose last size is Z, or not of the type of the parameters.
        """
        need_type("z", need_codes(z, self.latent), self)
        return self.decoder(z.reshape(-1, self.latent)).view(*z.shape[:-1], *self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions x_hat = decode(encode(x)), of the shape of x."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor) -> Tensor:
        """|decode(encode(x)) - x|^2, shape (B,): summed over the pixels, never a mean.

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        return (self(x) - x).square().flatten(1).sum(1)


class DenoisingAutoEncoder(AutoEncoder):
    """An autoencoder that is given a noisy picture and must return the clean one.

        loss(x) = |decode(encode(x + std * eps)) - x|^2,  eps ~ N(0, I)

    The noise is in the *input*; a VAE's is in the code. Vincent et al. 2010 (JMLR 11); in 2008 they erased pixels.

    Args:
        shape, latent, hidden, channels: as for ``AutoEncoder``.
        std: standard deviation of the noise, in units of the pixels.

    Raises:
        ValueError: as for ``AutoEncoder``, or std is not above 0.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 2,
        hidden: Sequence[int] = (256, 256),
        channels: Sequence[int] = (),
        std: float = 0.3,
    ):
        super().__init__(shape, latent, hidden, channels)
        self.std: float = _check.positive("std", std)

    def corrupt(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x + std * eps, of the shape of x."""
        return x + self.std * draw(torch.randn, x, generator)

    def loss(self, x: Tensor) -> Tensor:
        """|decode(encode(corrupt(x))) - x|^2 with one draw of the noise, shape (B,).

        Raises:
            ValueError: x is not a finite float batch (B, *shape).
        """
        need_values(x, self)  # before the noise: NaN + noise would only say that x has the wrong values
        return (self(self.corrupt(x)) - x).square().flatten(1).sum(1)
