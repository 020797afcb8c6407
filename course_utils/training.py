"""What surrounds a training loop. The loop itself stays in the notebook."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import safetensors.torch
import torch
from torch import Tensor
from tqdm import tqdm

Item = TypeVar("Item")


class progress(Generic[Item]):
    """Iterate with a live progress bar, and leave one line: ``2,000 steps · 31 s · 84.9 nats``.

    Like this::

        steps = progress(batches(digits.train, 128, steps=2_000))
        for x in steps:
            loss = -model.log_prob(x).mean()
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            steps.record(loss)
        plt.plot(steps.history)

    ``record`` keeps the loss without waiting for the device; the line reports the mean of the last tenth of them.

    Args:
        iterable: what to iterate over; its length, if it has one, makes the bar.
        unit: what the recorded numbers are, for the line.

    Attributes:
        seconds: wall-clock time of the finished loop.
    """

    iterable: Iterable[Item]
    unit: str
    seconds: float

    def __init__(self, iterable: Iterable[Item], unit: str = "nats"):
        self.iterable, self.unit = iterable, unit
        self.seconds = 0.0
        self._recorded: list[Tensor] = []

    def __iter__(self) -> Iterator[Item]:
        screen = _Screen()
        total = _length(self.iterable)
        form = _FORMAT if total else None
        bar = tqdm(total=total, file=screen, leave=False, mininterval=0.5, bar_format=form, ncols=90)
        start, steps = time.perf_counter(), 0
        self._recorded = []  # a second loop over the same object starts anew
        try:
            for item in self.iterable:
                yield item
                steps += 1
                bar.update()
        finally:  # also when the loop is left by break, or by the keyboard
            self.seconds = time.perf_counter() - start
            bar.close()
            screen.last(self._line(steps))

    def record(self, loss: Tensor | float) -> None:
        """Remember a scalar, detached, where it is: no synchronisation with the device.

        Raises:
            ValueError: ``loss`` is not a single number.
        """
        loss = (loss if isinstance(loss, Tensor) else torch.tensor(loss, device="cpu")).detach()
        if loss.numel() != 1:
            raise ValueError(f"loss must be a single number, got a tensor of shape {tuple(loss.shape)}")
        self._recorded.append(loss.reshape(()))

    @property
    def history(self) -> Tensor:
        """All recorded numbers, shape (steps,), on the CPU."""
        return torch.stack(self._recorded).float().cpu() if self._recorded else torch.empty(0, device="cpu")

    def _line(self, steps: int) -> str:
        seconds = f"{self.seconds:.0f} s" if self.seconds >= 10 else f"{self.seconds:.1f} s"
        parts = [f"{steps:,} step{'s' * (steps != 1)}", seconds]
        if self._recorded:
            tail = self.history[-max(1, len(self._recorded) // 10) :]
            parts.append(f"{tail.mean():.4g} {self.unit}")
        return " · ".join(parts)


_FORMAT = "{percentage:3.0f}% {bar:30} {n:,}/{total:,} · {elapsed} gone, {remaining} to go"


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except TypeError:  # no length, or one that raises, as that of a loader over a stream
        return None


class _Screen:
    """A file that shows only its newest line: one notebook output that is replaced, or one terminal line.

    A bar written to a stream leaves every one of its states in the stored notebook; a replaced display leaves the last.
    """

    def __init__(self):
        self.handle = None
        try:
            from IPython import get_ipython
            from IPython.display import display

            if get_ipython() is not None and hasattr(get_ipython(), "kernel"):
                self.handle = display(_Line(""), display_id=True)
        except ImportError:
            pass

    def write(self, text: str) -> None:
        text = text.strip("\r\n ")
        if not text:
            return
        if self.handle is not None:
            self.handle.update(_Line(text))
        else:
            print("\r" + text.ljust(100), end="", flush=True)

    def flush(self) -> None:
        pass

    def last(self, text: str) -> None:
        self.write(text)
        if self.handle is None:
            print()


class _Line:
    """Text that a notebook displays as it is, without quotes."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def save_checkpoint(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and what is to be known of them into one safetensors file, whole or not at all.

    The file is written under another name, and takes its own when it is complete and on the disk: whoever is killed in
    between leaves the earlier checkpoint as it was. Nothing is pickled, so reading one runs no code.

    Args:
        path: the file; its folder is made.
        tensors: by name, on any device.
        facts: whatever JSON can hold: the step, the options, the losses so far.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(safetensors.torch.save(whole, {"facts": json.dumps(facts)}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote: the tensors, on the CPU, and the facts.

    Raises:
        FileNotFoundError: there is no such file. ValueError: it is no whole checkpoint; the file is left as it is.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be a checkpoint, and there is no file {path}")
    try:
        with safetensors.safe_open(path, "pt", device="cpu") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 -- not a dict
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"path must be a whole checkpoint, but {path} is damaged or of another kind") from error
