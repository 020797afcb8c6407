"""Values that are no answer to anything, for whatever must say so and never raise; shared by several tests."""

import math

import numpy as np
import torch


class Hostile:
    """Fails at whatever is done with it."""

    def fail(self, *arguments):
        raise RuntimeError("no")

    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __bool__ = __float__ = __array__ = __getitem__ = fail
    __hash__ = None


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no")


JUNK = {
    "bool": True,
    "nan": math.nan,
    "infinite": math.inf,
    "complex": 1j,
    "large": 10**30,
    "larger": 10**5000,
    "string": "2.99",
    "bytes": b"abc",
    "long string": "x" * 100_000,
    "empty tuple": (),
    "pair of None": (None, None),
    "pair of strings": ("a", "b"),
    "ragged": [[1.0], [1.0, 2.0]],
    "list of ...": [..., ...],
    "dictionary": {"a": 1},
    "set": {1, 2},
    "object": object(),
    "class": int,
    "function": len,
    "generator": (i for i in range(2)),
    "hostile": Hostile(),
    "pair of hostiles": (Hostile(), Hostile()),
    "array": np.zeros((8, 2)),
    "array of objects": np.array([None, "a"]),
    "array of strings": np.array(["a", "b"]),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "scalar": torch.tensor(1.0),
    "scalar nan": torch.tensor(math.nan),
    "empty": torch.zeros(0),
    "empty rows": torch.zeros(0, 2),
    "int8": torch.ones(3, 4, dtype=torch.int8),
    "half": torch.ones(3, 4, dtype=torch.float16),
    "complex tensor": torch.ones(3, 4, dtype=torch.complex64),
    "sparse": torch.eye(4).to_sparse(),
    "meta": torch.zeros(3, 4, device="meta"),
    "double with gradient": torch.ones(3, 4, dtype=torch.float64, requires_grad=True) * 1,
    "five dimensions": torch.zeros(1, 2, 3, 4, 5),
    "module": torch.nn.Linear(6, 4),
}
