"""Does a generator return its training pictures? A test that knows what chance alone would do."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import _check
from course_utils.metrics._sets import distances, need_sets

_LARGEST = math.log(100)  # an exact copy would have an infinite logarithm, and alone decide the mean


class Memorisation(NamedTuple):
    """How samples lean towards the training pictures; from ``memorisation``."""

    share: float  # of samples whose nearest picture is a training picture
    expected: float  # the share of training pictures among all pictures
    share_z: float
    ratio: float  # geometric mean of (distance to the nearest held-out) / (distance to the nearest training picture)
    expected_ratio: float  # the same, on average over random splits
    ratio_z: float

    @property
    def z(self) -> float:
        """The larger of the two z scores."""
        return max(self.share_z, self.ratio_z)


def memorisation(
    samples: Tensor, train: Tensor, held_out: Tensor, permutations: int = 200, seed: int = 0
) -> Memorisation:
    """Whether samples are nearer to the pictures a model was trained on than to others that it might have been.

        share = mean over samples of [d(x, train) < d(x, held-out)]
        log ratio = mean over samples of log d(x, held-out) / d(x, train)
        z = (value - mean over splits) / (standard deviation over splits)

    with d the distance to the nearest picture of a set. A model that has not learned its training pictures by heart
    treats both kinds alike: any other split of all these pictures into train and held-out could as well have been
    the true one. So the values are compared with those of random splits, and a model that is bad, blurred or collapsed
    is not taken for a copier. The share finds coarse copies, if they are many; the ratio finds few, if they are close.

    Read z above 3 as copying: of new points none had it in 200 runs, of mere noise one in 100. Measured with 1,000
    samples beside 1,600 + 400 moons: a tenth of exact copies has a z of about 4, a quarter of coarse ones (0.05) 3.

    What it can NOT see: fewer copies than those; a training picture moved by a pixel, mirrored or recoloured (it
    compares pixels, or features); one training picture, or a few, again and again; and anything at all if train and
    held-out do not come from one distribution: new digits by the hands of ``digits().train`` have a z of about 10
    against those of other hands. There the model must be trained on a part of train, and the rest held out. A z near 0
    proves nothing.

    Args:
        samples: floating point (M, ...), generated.
        train: floating point (N, ...), what the model was trained on, of the same shape.
        held_out: floating point (H, ...), not used in training in any way, split off at random.
        permutations: random splits.
        seed: of the splits; torch's global generator is left alone.

    Raises:
        ValueError: a set is not a finite float tensor, or of another shape; permutations is below 2.

    Source of the question and of distances to a training set as its test: Meehan et al., arXiv 2004.05675; they compare
    samples with held-out pictures, which takes a coarse model for an original one.
    """
    x, seen, unseen = need_sets(samples=samples, train=train, held_out=held_out)
    permutations, seed = _check.whole("permutations", permutations, least=2), _check.whole("seed", seed, least=0)
    among = distances(x, torch.cat([seen, unseen])).float()  # (M, N + H); rounded late, a copy is at 0
    is_train = torch.arange(among.shape[1], device=x.device) < len(seen)
    splits = torch.Generator().manual_seed(seed)
    random = [torch.randperm(len(is_train), generator=splits, device="cpu").to(x.device) for _ in range(permutations)]
    value, null = _lean(among, is_train), torch.stack([_lean(among, is_train[order]) for order in random])
    spread = null.std(0)
    z = torch.where(spread > 0, (value - null.mean(0)) / spread, 0)  # no spread: no split could have been noticed
    ratio, usual = value[1].exp().item(), null[:, 1].mean().exp().item()
    return Memorisation(value[0].item(), len(seen) / len(is_train), z[0].item(), ratio, usual, z[1].item())


def _lean(among: Tensor, is_train: Tensor) -> Tensor:
    """Share and mean log ratio of samples, from their distances (M, N) to all pictures and which were trained on."""
    # infinitely far, so that the other kind is the nearest: quicker than to pick columns
    far = [torch.where(hidden, math.inf, 0.0) for hidden in (~is_train, is_train)]
    seen, unseen = ((among + away).amin(1).double() for away in far)  # (M,) each
    share = (seen < unseen).double() + (seen == unseen).double() / 2
    tiny = torch.finfo(seen.dtype).tiny
    ratio = (unseen.clamp(min=tiny).log() - seen.clamp(min=tiny).log()).clamp(-_LARGEST, _LARGEST)
    return torch.stack([share.mean(), ratio.mean()])
