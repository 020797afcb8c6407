"""Real handwriting that comes inside a dependency, and so needs no network."""

import torch

from course_utils.data.images import Images, split_images

LEVELS = 17
SPLIT = (1000, 350, 447)  # in stored order, which is not shuffled: as published results split it


def digits() -> Images:
    """Return scikit-learn's handwritten digits, 8×8, in the split 1000 / 350 / 447 of published results.

    Returns:
        float32 (N, 1, 8, 8) in 17 levels k/16; the labels are the digits, int64. The stored order is kept: other hands
        wrote the later digits, so that valid and test differ from train.

    Source: Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI 1998; split as in Tomczak, Deep Generative
    Modeling, 2022.
    """
    from sklearn.datasets import load_digits  # imported late: it costs a second that most callers need not wait

    stored = load_digits()
    x = torch.from_numpy(stored.images).float().unsqueeze(1) / (LEVELS - 1)
    return split_images("digits", x, torch.from_numpy(stored.target).long(), SPLIT, levels=LEVELS)
