"""The rows of published.py: which model of the course stands beside which published number, and how it is trained."""

import dataclasses
from collections.abc import Callable

from torch import Tensor, nn

from course_utils import distributions, models


@dataclasses.dataclass(frozen=True)
class Row:
    """A model and how it is trained.

    Args:
        make: the model, from the shape of a picture and the family of its pixels.
        published: nats an image by whoever published them.
        rate: the highest learning rate of Adam. muon: that of Muon for the large kernels; 0 is Adam for all.
        batch: pictures a step, all processes together. epochs: passes over the data.
        bound: the method whose mean is made as large as it can be.
        blocks: the list of layers that ``--divided`` divides, by name; none where that is not worth while.
        samples: of the importance-weighted bound, for validation and for the test; none where log p(x) is exact.
    """

    make: Callable[[tuple, distributions.PixelFamily], nn.Module]
    published: dict[str, float]
    rate: float = 2e-3
    muon: float = 0.01
    batch: int = 32
    epochs: int = 8
    bound: str = "log_prob"
    samples: tuple[int, int] | None = None
    blocks: str = ""


def small(name: str, **sizes) -> Callable:
    """A function that makes the package's model of that name with these sizes."""
    return lambda shape, family: getattr(models, name)(shape, distribution=family, **sizes)


class ImportanceWeighted(models.VAE):
    """A VAE that is trained on the bound of ten draws a picture (arXiv 1509.00519) in place of one."""

    def tighter(self, x: Tensor) -> Tensor:
        return self.log_prob(x, 10)


ROWS = {
    "fvsbn": Row(small("FVSBN"), {"FVSBN": 97.45}, rate=1e-3, muon=0.0, batch=64, epochs=30),
    "made": Row(
        small("MADE", hidden=(1000, 1000)), {"MADE, 32 masks": 86.64},
        rate=1e-3, muon=0.0, batch=64, epochs=30,
    ),
    "pixel_cnn": Row(small("PixelCNN", channels=32, layers=9), {"PixelCNN": 81.30}),
    "gated_pixel_cnn": Row(small("GatedPixelCNN", channels=32, layers=10), {"PixelCNN": 81.30}),
    "gated_pixel_cnn_dropout": Row(  # without dropout the row above overfits from its sixth pass on
        small("GatedPixelCNN", channels=32, layers=10, dropout=0.1), {"PixelCNN": 81.30}, epochs=16
    ),
    "gated_pixel_cnn_gpu": Row(  # some minutes of a large GPU
        small("GatedPixelCNN", channels=96, layers=14, dropout=0.1),
        {"Diagonal BiLSTM, 7 layers": 79.20},
        batch=128, epochs=30,
    ),
    "row_lstm": Row(small("RowLSTM", channels=32, layers=3), {"Row LSTM": 80.54}),
    "diagonal_bilstm": Row(small("DiagonalBiLSTM", channels=16, layers=7), {"Diagonal BiLSTM, 7 layers": 79.20}),
    "image_gpt": Row(
        small("ImageGPT", channels=128, layers=8, heads=4), {"ImageGPT, other bits": 79.17}, rate=1e-3, blocks="blocks"
    ),
    "vae": Row(
        small("VAE", latent=50, hidden=(200, 200)),
        {"VAE, one layer": 88.71},
        rate=1e-3, muon=0.0, batch=50, epochs=60, bound="elbo", samples=(16, 5_000),
    ),
    "iwae": Row(
        lambda shape, family: ImportanceWeighted(shape, 50, (200, 200), family),
        {"importance-weighted, one layer": 87.10},
        rate=1e-3, muon=0.0, batch=50, epochs=60, bound="tighter", samples=(16, 5_000),
    ),
    "conv_vae": Row(  # the same bound from another network; fewer weights in it, as its decoder takes longer
        small("VAE", latent=32, hidden=(256,), channels=(32, 64)),
        {"VAE, one layer": 88.71},
        rate=1e-3, muon=0.0, batch=50, epochs=40, bound="elbo", samples=(4, 200),
    ),
}  # fmt: skip
