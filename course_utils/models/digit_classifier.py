"""The course's own judge of digits: a small classifier whose last hidden layer measures what pictures look like.

Distances between sets of pictures are measured in the features of a network that was trained to tell pictures apart
(Heusel et al., arXiv 1706.08500, with a network trained on photographs). For pictures of 8 x 8 pixels that network is
this one, trained on ``data.digits().train``. It sees only what helps to tell digits apart.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from course_utils import _check
from course_utils.distributions import may_look
from course_utils.models.base import need_type

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "digit_classifier.safetensors"
SMALLEST = 4  # sides that are no larger are not halved any more


class DigitClassifier(nn.Module):
    """Convolutions that halve the sides down to 4, a dense layer of features, and a logit for each class.

        p(class | x) = softmax(W features(x) + b)

    Args:
        shape: (C, H, W) of a picture.
        classes: number of classes, at least 2.
        dropout: share of the features that are dropped in training.

    Raises:
        ValueError: shape is not three positive whole numbers, classes is below 2, or dropout is not a share.
    """

    shape: tuple[int, int, int]
    look: nn.Sequential
    decide: nn.Sequential

    def __init__(self, shape: Sequence[int] = (1, 8, 8), classes: int = 10, dropout: float = 0.3):
        super().__init__()
        self.shape = _check.sizes("shape", shape, length=3, want="(channels, height, width) in whole numbers above 0")
        classes = _check.whole("classes", classes, least=2)
        (inputs, *sides), maps, units = self.shape, 32, 64
        layers: list[nn.Module] = [nn.Conv2d(inputs, maps, 3, padding=1), nn.SiLU()]
        while max(sides) > SMALLEST:
            layers += [nn.Conv2d(maps, maps, 3, stride=2, padding=1), nn.SiLU()]
            sides = [(side + 1) // 2 for side in sides]
        dense = [nn.Flatten(), nn.Linear(maps * math.prod(sides), units), nn.SiLU()]
        # no feature outweighs the others in a distance: mean 0 and variance 1 each, over pictures of training
        self.look = nn.Sequential(*layers, *dense, nn.BatchNorm1d(units, affine=False))
        self.decide = nn.Sequential(nn.Dropout(_check.share("dropout", dropout)), nn.Linear(units, classes))

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, (B, 64), of pictures x (B, C, H, W) with values in [0, 1].

        In eval mode each feature has about mean 0 and variance 1 over the pictures of training.

        Raises:
            ValueError: x is not a float batch of this shape and of the type of the parameters, or has values outside
                [0, 1]: clamp what a model drew; or it is a single picture to train on, which has no variance.
        """
        need_type("x", _check.images("x", x, self.shape), self)
        if self.training and len(x) == 1:
            raise ValueError("x must hold several pictures in training, got 1; data.batches can drop the last batch")
        return self.look(_check.unit("x", x) if may_look(x) else x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of pictures x (B, C, H, W).

        Raises:
            ValueError: as for ``features``.
        """
        return self.decide(self.features(x))

    @classmethod
    def trained(cls) -> "DigitClassifier":
        """The classifier of ``digits()`` that comes with the course, in eval mode, its parameters without gradients.

        Its weights were made by ``python benchmarks/classifier.py``, which also stored how often it is right.

        Raises:
            ValueError: the file of weights is missing or is not that of this network.
        """
        model = cls()
        try:
            model.load_state_dict(load_file(WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{WEIGHTS.name} must hold the weights of this network, as python benchmarks/classifier.py "
                f"makes them, got: {reason}"
            ) from error
        return model.eval().requires_grad_(False)
