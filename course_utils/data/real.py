"""Real images: looked up under COURSE_DATA, and fetched by torchvision where they are missing and there is a network.

Three rules keep a data folder trustworthy. A file appears under its own name only when it is complete: it is fetched
into a folder with a unique temporary name, checked, and renamed. What is found is checked as well, by checksum where
one is known. And a file that is already there is never deleted or overwritten, not even a damaged one: it may be
somebody's only copy.
"""

import hashlib
import os
import re
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from torch import Tensor

from course_utils import _check
from course_utils._torchvision import prepare_torchvision
from course_utils.data.images import Images, split_images, split_sizes

VARIABLE = "COURSE_DATA"

_MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_AMAT_FILES = {
    "binarized_mnist_train.amat": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "binarized_mnist_valid.amat": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "binarized_mnist_test.amat": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
_AMAT_URL = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
_AMAT_COLUMNS = 784
_IDX_ITEMS = {"train": 60_000, "t10k": 10_000}
_MNIST_VALID = 10_000
_CIFAR_VALID = 5_000
_SECONDS_WITHOUT_ANSWER = 20
_ARCHIVES = {"cifar-10-batches-py": "cifar-10-python.tar.gz"}  # where one file holds them all
# Folders in which a Mac's archives, network disks and Windows keep what is theirs: thumbnails, copies, deleted files.
_SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


def mnist() -> Images:
    """Return MNIST, 28×28 grey, split 50,000 / 10,000 / 10,000 (valid: the last 10,000 of the official train).

    Returns:
        float32 (N, 1, 28, 28) in 256 levels k/255; the labels are the digits, int64.

    Raises:
        FileNotFoundError: a file is missing and could not be downloaded. ValueError: a file is damaged.

    Source: LeCun, Cortes, Burges. Read from <COURSE_DATA>/MNIST/raw, as torchvision lays it out.
    """
    return _idx_images("mnist", "MNIST", _MNIST_FILES)


def fashion_mnist() -> Images:
    """Return Fashion-MNIST, 28×28 grey, split 50,000 / 10,000 / 10,000 (valid: the last 10,000 of the official train).

    Returns:
        float32 (N, 1, 28, 28) in 256 levels k/255; the labels are the ten kinds of clothing, int64.

    Raises:
        FileNotFoundError: a file is missing and could not be downloaded. ValueError: a file is damaged.

    Source: Xiao et al., arXiv 1708.07747. Read from <COURSE_DATA>/FashionMNIST/raw, as torchvision lays it out.
    """
    return _idx_images("fashion_mnist", "FashionMNIST", dict.fromkeys(_MNIST_FILES))


def cifar10() -> Images:
    """Return CIFAR-10, 32×32 RGB, split 45,000 / 5,000 / 10,000 (valid: the last 5,000 of the official train).

    Returns:
        float32 (N, 3, 32, 32) in 256 levels k/255; the labels are the ten classes, int64. Takes 740 MB.

    Raises:
        FileNotFoundError: a file is missing and could not be downloaded. ValueError: a file is damaged.

    Source: Krizhevsky 2009. Read from <COURSE_DATA>/cifar-10-batches-py, as torchvision lays it out.
    """
    CIFAR10 = _torchvision_datasets().CIFAR10
    pairs: list[Any] = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    checksums: dict[str, str] = dict(pairs)
    folder = CIFAR10.base_folder

    def check(path: Path) -> None:
        _check_sum(path, checksums[path.name], "md5")

    root = data_root()
    _ensure(root, folder, list(checksums), lambda temporary: CIFAR10(temporary, download=True), check, CIFAR10.url)
    for name in checksums:
        check(root / folder / name)
    train, test = (CIFAR10(root, train=official_train) for official_train in (True, False))
    x = _unit(torch.from_numpy(np.concatenate([train.data, test.data])).permute(0, 3, 1, 2))
    sizes = (len(train.data) - _CIFAR_VALID, _CIFAR_VALID, len(test.data))
    return split_images("cifar10", x, torch.tensor(train.targets + test.targets, device="cpu"), sizes, levels=256)


def binarized_mnist() -> Images:
    """Return the fixed binarisation of MNIST, 28×28 of 0 and 1, split 50,000 / 10,000 / 10,000, without labels.

    Every published likelihood "on binarised MNIST, fixed" is measured on these very bits. They are sorted by class, so
    shuffle before taking a part.

    Returns:
        float32 (N, 1, 28, 28) in 2 levels; the labels are None.

    Raises:
        FileNotFoundError: a file is missing and could not be downloaded. ValueError: a file is damaged.

    Source: Salakhutdinov, Murray, On the quantitative analysis of deep belief networks, ICML 2008, as distributed by
    Larochelle. Read from <COURSE_DATA>/binarized_mnist/binarized_mnist_{train,valid,test}.amat.
    """
    root, folder = data_root(), "binarized_mnist"
    download_url = _torchvision_datasets().utils.download_url

    def fetch(temporary: Path) -> None:
        for name in _AMAT_FILES:
            if not (root / folder / name).exists():
                download_url(_AMAT_URL + name, temporary / folder, name)

    _ensure(root, folder, list(_AMAT_FILES), fetch, _read_original_amat, _AMAT_URL)
    bits = [torch.from_numpy(_read_original_amat(root / folder / name)) for name in _AMAT_FILES]
    train, valid, test = (split.float().view(-1, 1, 28, 28) for split in bits)
    return Images("binarized_mnist", train, valid, test, levels=2)


def image_folder(path: str | Path, size: int = 32, seed: int = 0) -> Images:
    """Read every image below a folder as RGB, cropped to the middle square and scaled, split 80 / 10 / 10 by seed.

    What is hidden (its name begins with a dot, as a notebook's checkpoints and the "._" files of a Mac do) and what the
    system keeps for itself is passed over; a warning says how many. Links to folders are followed.

    Args:
        path: folder of images, directly in it or in one subfolder for each class.
        size: height and width to scale to, in pixels.
        seed: decides which images are train, valid and test.

    Returns:
        float32 (N, 3, size, size) in 256 levels k/255, all in memory (12 kB an image at size 32); the labels are the
        number of the subfolder in alphabetical order, int64, or None where there are no subfolders. Transparent pixels
        are shown on white. Grey levels of 16 bits are scaled from 0 … 65535 and rounded to the 256 levels.

    Raises:
        FileNotFoundError: there is no such folder. ValueError: it holds fewer than 10 images, or some cannot be read.
    """
    folder = Path(path).expanduser()
    size, seed = _check.whole("size", size), _check.whole("seed", seed, least=0)
    if not folder.is_dir():
        raise FileNotFoundError(f"path must be a folder of images, but there is no folder {folder}")
    endings = _torchvision_datasets().folder.IMG_EXTENSIONS
    files, passed_over = _image_files(folder, endings)
    if passed_over:
        first = passed_over[0].relative_to(folder)
        warnings.warn(
            f"image_folder passes over {len(passed_over):,} hidden files and system files in {folder} ({first}"
            f"{', …' if len(passed_over) > 1 else ''})",
            stacklevel=2,
        )
    if len(files) < 10:
        raise ValueError(f"path must hold at least 10 images ({', '.join(endings)}), but {folder} has {len(files)}")
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed), device="cpu").tolist()
    x = _unit(_read_squares([files[i] for i in order], size))
    classes = sorted({file.relative_to(folder).parts[0] for file in files if file.parent != folder})
    labels = None
    if classes:
        # An image beside the subfolders belongs to none of the classes.
        number = {name: k for k, name in enumerate(classes)}
        labels = torch.tensor([number.get(files[i].relative_to(folder).parts[0], -1) for i in order], device="cpu")
    return split_images(folder.resolve().name, x, labels, split_sizes(len(files)), levels=256)


def _image_files(folder: Path, endings: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """Files below folder whose names end like an image's: the sorted images, and those that only look like some."""
    images, passed_over = [], []
    for where, folders, names in os.walk(folder, followlinks=True):
        here = Path(where)
        above = {parent.resolve() for parent in (here, *here.parents)}  # a link to one would lead round and round
        folders[:] = [name for name in folders if (here / name).resolve() not in above]
        for file in (here / name for name in names if name.lower().endswith(endings)):
            parts = file.relative_to(folder).parts
            foreign = any(part.startswith(".") or part in _SYSTEM_FOLDERS for part in parts)
            (passed_over if foreign else images).append(file)
    return sorted(images), sorted(passed_over)


def data_root() -> Path:
    """Return the folder that real data is looked up in: COURSE_DATA, or else a cache folder of this user.

    Raises:
        NotADirectoryError: COURSE_DATA is set, and is not an existing folder.
    """
    chosen = os.environ.get(VARIABLE)
    if not chosen:
        return Path(platformdirs.user_cache_dir("what-i-cannot-create"))
    root = Path(chosen).expanduser()
    if not root.is_dir():
        raise NotADirectoryError(
            f"{VARIABLE} must name an existing folder, got {chosen!r}; create that folder or unset {VARIABLE}"
        )
    return root


def read_amat(path: Path) -> np.ndarray:
    """Read rows of 784 digits 0 or 1, separated by spaces, as uint8 (N, 784); a hundred times faster than loadtxt.

    Raises:
        ValueError: the file is anything else.
    """
    text = np.fromfile(path, dtype=np.uint8)
    row = 2 * _AMAT_COLUMNS  # a digit and a space each, but a line end after the last
    if len(text) == 0 or len(text) % row:
        # Say how wide the first row is: it tells a file cut off from a file of another data set.
        first = bytes(text[: 100 * row]).partition(b"\n")[0].split()
        raise _damaged(path, f"{len(text):,} bytes are not rows of {_AMAT_COLUMNS} values; the first has {len(first)}")
    text = text.reshape(-1, row)
    digits, separators = text[:, ::2] - ord("0"), text[:, 1::2]  # uint8 wraps round: what is below "0" comes out large
    if digits.max() > 1 or (separators[:, :-1] != ord(" ")).any() or (separators[:, -1] != ord("\n")).any():
        raise _damaged(path, f"rows are not {_AMAT_COLUMNS} digits 0 or 1 with a space between them")
    return digits


def _read_original_amat(path: Path) -> np.ndarray:
    """Read one file of the fixed binarisation, and make sure that it is the original."""
    bits = read_amat(path)  # says more about a wrong file than a checksum can
    _check_sum(path, _AMAT_FILES[path.name])
    return bits


def _idx_images(name: str, folder: str, checksums: Mapping[str, str | None]) -> Images:
    """Read one of the two sets that come as idx files: train and t10k, images and labels."""
    root, dataset = data_root(), getattr(_torchvision_datasets(), folder)

    def read(path: Path) -> Tensor:
        data = _read_idx(path)  # says more about a wrong file than a checksum can
        if checksums[path.name] is not None:
            _check_sum(path, checksums[path.name])  # pyright: ignore[reportArgumentType]
        return data

    raw, origin = f"{folder}/raw", f"{dataset.mirrors[0]} and unpack it"
    _ensure(root, raw, list(checksums), lambda temporary: dataset(temporary, download=True), read, origin)
    images = [read(root / raw / f"{part}-images-idx3-ubyte") for part in _IDX_ITEMS]
    labels = [read(root / raw / f"{part}-labels-idx1-ubyte") for part in _IDX_ITEMS]
    sizes = (len(labels[0]) - _MNIST_VALID, _MNIST_VALID, len(labels[1]))
    return split_images(name, _unit(torch.cat(images)[:, None]), torch.cat(labels).long(), sizes, levels=256)


def _read_idx(path: Path) -> Tensor:
    """Read one idx file of bytes as uint8 (N, 28, 28) or (N,), else raise a ValueError that names it."""
    part, kind = path.name.split("-")[:2]
    shape = (_IDX_ITEMS[part], 28, 28) if kind == "images" else (_IDX_ITEMS[part],)
    # Two zero bytes, type 8 (unsigned byte), number of dimensions, then each dimension as a big-endian 32-bit number.
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">i4").tobytes()
    data = np.fromfile(path, dtype=np.uint8)
    expected = len(header) + int(np.prod(shape))
    if len(data) != expected or data[: len(header)].tobytes() != header:
        raise _damaged(path, f"it must be {expected:,} bytes with items of shape {shape}, but has {len(data):,} bytes")
    return torch.from_numpy(data[len(header) :]).view(shape)


def _read_squares(paths: list[Path], size: int) -> Tensor:
    """Read images as uint8 (N, 3, size, size), or raise one ValueError that names those that cannot be read."""
    squares, broken = [], []
    for path in paths:
        try:
            squares.append(_read_square(path, size))
        except ValueError as error:
            broken.append(error)
    if len(broken) == 1:
        raise broken[0]
    if broken:
        shown = "; ".join(map(str, broken[:3])) + ("; …" if len(broken) > 3 else "")
        raise ValueError(f"{len(broken):,} files cannot be read: {shown}")
    return torch.stack(squares)


def _read_square(path: Path, size: int) -> Tensor:
    """Read an image as RGB, cropped to the middle square and scaled: uint8 (3, size, size)."""
    from PIL import Image, ImageOps  # torchvision reads images with it too

    try:
        with Image.open(path) as image:
            # A photograph taken upright is often stored lying, with a note that says so.
            upright = _eight_bits(ImageOps.exif_transpose(image), image)
            square = ImageOps.fit(_on_white(upright).convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large to be read ({error}); scale it down and call again") from error
    except (OSError, SyntaxError, ValueError) as error:  # PIL raises any of these for a broken file
        raise ValueError(f"{path} cannot be read as an image ({error}); move it away and call again") from error
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def _eight_bits(image, source):
    """The image itself, or one of 16 grey bits scaled to 8: PIL's own conversion would make all above 255 white.

    `source` is the opened file it comes from, which knows its format.
    """
    from PIL import Image

    if image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        return image
    if image.mode.startswith("I;"):  # a TIFF may have 12 bits of them
        bits = source.tag_v2.get(258, (16,))[0] if source.format == "TIFF" else 16
    elif image.mode == "I" and source.format in ("PNG", "PPM"):  # PIL widens their 16 bits to 32
        bits = 16
    else:
        raise ValueError(f"its grey levels are 32-bit numbers (mode {image.mode}) and what is white is not known")
    levels = np.asarray(image).astype(np.float64)
    grey = Image.fromarray(np.rint(levels * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8)))
    return grey


def _on_white(image):
    """The image with what is transparent shown on white: under it hides any colour at all."""
    from PIL import Image

    if not {"A", "a"} & set(image.getbands()) and "transparency" not in image.info:
        return image
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)


def _unit(x: Tensor) -> Tensor:
    """uint8 0 … 255 to float32 in [0, 1]."""
    return x.contiguous().float().div_(255)


def _torchvision_datasets():
    """torchvision.datasets, imported only when real data is asked for: it costs a second."""
    prepare_torchvision()
    import torchvision.datasets

    return torchvision.datasets


def _check_sum(path: Path, expected: str, algorithm: str = "sha256") -> None:
    """Raise a ValueError that names the file if its checksum is not the expected one."""
    if hashlib.new(algorithm, path.read_bytes()).hexdigest() != expected:
        raise _damaged(path, f"its {algorithm} checksum is not {expected[:12]}…")


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(f"{path} is damaged or not the original: {what}; move it away and call again to download it")


def _ensure(
    root: Path,
    folder: str,
    names: list[str],
    fetch: Callable[[Path], object],
    check: Callable[[Path], object],
    origin: str,
) -> None:
    """See to it that root/folder holds files of these names; what is there already stays as it is.

    `fetch(temporary)` must leave the missing files under temporary/folder, and `check(path)` raise if one is damaged;
    `origin` tells a reader where to fetch them by hand.
    """
    missing = [name for name in names if not (root / folder / name).exists()]
    if not missing:
        return
    with _temporary_folder(root) as temporary:
        try:
            with _impatient_network():
                fetch(temporary)
        # torchvision reports a failed download, or one with a wrong checksum, as a RuntimeError.
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FileNotFoundError(
                f"{root / folder / missing[0]} is missing and could not be downloaded ({reason}); "
                f"{_what_lies_beside(root, folder, missing[0])}set {VARIABLE} to a "
                f"folder that has {folder}/{missing[0]}, fetch it from {origin}, or use digits(), which needs none"
            ) from error
        for name in missing:
            check(temporary / folder / name)
        _move_in(temporary / folder, root / folder, missing)


def _what_lies_beside(root: Path, folder: str, name: str) -> str:
    """A clause that names a file which may be the missing one: otherwise spelt, packed, or in another folder."""
    archive = _ARCHIVES.get(folder, name)
    for file in _nearby(root, folder):
        if _spelling(file.name) == _spelling(name):
            return f"{file} may be that file: give it that name and place; "
        if file.name != name and _spelling(file.name) in (_spelling(f"{name}.gz"), _spelling(archive)):
            return f"{file} may be that file, packed: unpack it there; "
    return ""


def _nearby(root: Path, folder: str) -> Iterator[Path]:
    """Files in root, in the folder, and in those around them; a data folder may be large, so no deeper than that."""
    levels = [root, *(root / Path(*Path(folder).parts[:k]) for k in range(1, 1 + len(Path(folder).parts)))]
    nested = [*(level / folder for level in levels), *(level / Path(folder).name for level in levels)]
    # The folders of other sets hold files of the same names, and hidden ones what is left of downloads.
    others = {"MNIST", "FashionMNIST", "cifar-10-batches-py", "binarized_mnist"} - {Path(folder).parts[0]}
    one_down = [path for path in _inside(root) if path.name not in others and not path.name.startswith(".")]
    nested += [path / folder for path in one_down]
    for place in dict.fromkeys([*levels, *nested, *one_down]):
        yield from (path for path in _inside(place) if path.is_file())


def _inside(place: Path) -> list[Path]:
    """What lies in a folder; nothing, where there is none or it may not be looked into."""
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


def _spelling(name: str) -> str:
    """A name without what differs between the ways a file is distributed and unpacked."""
    return re.sub(r"[-_. ]+", "-", name.lower())


def _move_in(source: Path, target: Path, names: list[str]) -> None:
    """Give complete and checked files their names."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        # Two processes may fetch at once. Then both hold the same checked bytes, and to rename is one atomic step.
        if not (target / name).exists():
            os.replace(source / name, target / name)


@contextmanager
def _temporary_folder(root: Path) -> Iterator[Path]:
    """A new folder inside root, so that renaming out of it stays on one disk; a killed process leaves it behind."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    except OSError as error:
        raise PermissionError(
            f"{root} must be a folder that can be written to, because data is missing there ({error}); "
            f"set {VARIABLE} to another folder"
        ) from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _impatient_network() -> Iterator[None]:
    """Give up on a server that does not answer: a hall with Wi-Fi but no internet would otherwise hang for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_WITHOUT_ANSWER)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
