import torch
from sklearn.datasets import load_digits

from course_utils.data import digits


def test_digits_are_those_of_scikit_learn_in_stored_order():
    images = digits()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [1000, 350, 447]
    x = torch.cat([images.train, images.valid, images.test])
    labels = torch.cat([images.train_labels, images.valid_labels, images.test_labels])
    stored = load_digits()
    assert x.dtype == torch.float32 and images.shape == (1, 8, 8) and images.levels == 17
    assert torch.equal(x[:, 0] * 16, torch.from_numpy(stored.images).float())
    assert torch.equal(labels, torch.from_numpy(stored.target)) and labels.dtype == torch.int64
