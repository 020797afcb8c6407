import gzip
import hashlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import binarized_mnist, cifar10, data_root, digits, fashion_mnist, image_folder, mnist, real

torchvision_datasets = real._torchvision_datasets()
rng = np.random.default_rng(0)

MNIST_FILES = [f"MNIST/raw/{name}" for name in real._MNIST_FILES]
AMAT_FILES = [f"binarized_mnist/{name}" for name in real._AMAT_FILES]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("COURSE_DATA", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever a test forgets to replace must fail at once and not reach out."""

    def refuse(*_args, **_kwargs):
        raise OSError("the network is off in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- small stand-ins with the layout of the real files


@pytest.fixture
def small_idx(monkeypatch):
    """Idx files of 30 + 10 images, and the package told to expect those."""
    files = {}
    for part, n in {"train": 30, "t10k": 10}.items():
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte"] = bytes.fromhex(f"00000803{n:08x}{28:08x}{28:08x}") + images.tobytes()
        files[f"{part}-labels-idx1-ubyte"] = bytes.fromhex(f"00000801{n:08x}") + labels.tobytes()
    monkeypatch.setattr(real, "_IDX_ITEMS", {"train": 30, "t10k": 10})
    monkeypatch.setattr(real, "_MNIST_VALID", 10)
    monkeypatch.setattr(real, "_MNIST_FILES", {name: sha256(data) for name, data in files.items()})
    return files


@pytest.fixture
def small_amat(monkeypatch):
    """Files of 5, 3 and 2 rows of bits, and the package told their checksums."""
    files = {}
    for name, n in zip(real._AMAT_FILES, (5, 3, 2), strict=True):
        bits = rng.integers(0, 2, (n, 784))
        files[name] = b"".join(b" ".join(b"%d" % bit for bit in row) + b"\n" for row in bits)
    monkeypatch.setattr(real, "_AMAT_FILES", {name: sha256(data) for name, data in files.items()})
    return files


def pretend_download(monkeypatch, files: dict[str, bytes], fail_after: int | None = None):
    """Replace torchvision's download_url by one that takes the files from a dictionary."""
    calls = []

    def download_url(url, folder, filename=None, md5=None):
        if fail_after is not None and len(calls) >= fail_after:
            write(Path(folder), {filename: files[filename][:100]})
            raise OSError("connection lost")
        calls.append(url)
        write(Path(folder), {filename: files[filename]})

    monkeypatch.setattr(torchvision_datasets.utils, "download_url", download_url)
    return calls


# --- where data is looked up


def test_root_is_the_variable_or_a_cache_folder_of_the_user(root, monkeypatch):
    assert data_root() == root
    for unset in (lambda: monkeypatch.setenv("COURSE_DATA", ""), lambda: monkeypatch.delenv("COURSE_DATA")):
        unset()
        assert data_root().name == "what-i-cannot-create" and data_root() != root


def test_root_that_does_not_exist_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "typo"))
    with pytest.raises(NotADirectoryError, match=r"COURSE_DATA must name an existing folder.*typo"):
        mnist()
    assert not (tmp_path / "typo").exists()


def test_root_that_cannot_be_written_to_is_named(root, monkeypatch):
    def refuse(**_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match=f"{root} must be a folder that can be written to.*COURSE_DATA"):
        binarized_mnist()


@pytest.mark.parametrize(
    ("load", "file"),
    [
        (mnist, "MNIST/raw/train-images-idx3-ubyte"),
        (fashion_mnist, "FashionMNIST/raw/train-images-idx3-ubyte"),
        (cifar10, "cifar-10-batches-py/data_batch_1"),
        (binarized_mnist, "binarized_mnist/binarized_mnist_train.amat"),
    ],
)
def test_missing_data_without_network_is_one_sentence_with_the_ways_out(root, load, file):
    timeout = socket.getdefaulttimeout()
    with pytest.raises(FileNotFoundError) as caught:
        load()
    message = str(caught.value)
    for part in (str(root / file), "COURSE_DATA", "http", "digits()", "network is off"):
        assert part in message
    assert "\n" not in message
    assert listing(root) == {} and list(root.iterdir()) == []
    assert socket.getdefaulttimeout() == timeout
    assert len(digits().train) == 1000


# --- reading


def test_idx_files_become_images(root, small_idx):
    write(root / "MNIST/raw", small_idx)
    images = mnist()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [20, 10, 10]
    stored = np.frombuffer(small_idx["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(30, 1, 28, 28)
    assert images.train.dtype == torch.float32 and images.shape == (1, 28, 28) and images.levels == 256
    assert torch.equal((torch.cat([images.train, images.valid]) * 255).round(), torch.tensor(stored).float())
    assert images.valid_labels.tolist() == list(range(10)) and images.valid_labels.dtype == torch.int64


def test_fashion_has_a_folder_of_its_own(root, small_idx):
    write(root / "FashionMNIST/raw", small_idx)
    assert fashion_mnist().name == "fashion_mnist" and len(fashion_mnist().test) == 10


def test_amat_rows_become_binary_images(root, small_amat):
    write(root / "binarized_mnist", small_amat)
    images = binarized_mnist()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [5, 3, 2]
    assert images.levels == 2 and images.train_labels is None and images.shape == (1, 28, 28)
    by_loadtxt = np.loadtxt(root / "binarized_mnist/binarized_mnist_valid.amat").reshape(-1, 1, 28, 28)
    assert torch.equal(images.valid, torch.from_numpy(by_loadtxt).float())


ROW = b" ".join([b"0", b"1"] * 392) + b"\n"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        ROW[:-1],
        ROW * 2 + ROW[:700],
        b" ".join([b"0"] * 783) + b"\n",
        ROW.replace(b"1", b"2", 1),
        ROW.replace(b"1", b"/", 1),
        ROW.replace(b" ", b",", 1),
        ROW[:-1] + b" ",
        ROW + ROW[:-1] + b" ",  # one bad row among good ones
        ROW[:-1] + b" " + ROW,
        b"\n".join([b"0"] * 784) + b"\n",
    ],
)
def test_what_is_not_784_bits_a_row_is_refused(tmp_path, text):
    path = tmp_path / "x.amat"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"x\.amat is damaged or not the original.*move it away"):
        real.read_amat(path)


def test_good_rows_are_read(tmp_path):
    path = tmp_path / "x.amat"
    path.write_bytes(ROW * 3)
    assert real.read_amat(path).tolist() == [[0, 1] * 392] * 3


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-5], lambda d: d + b"0", lambda d: d[:-10] + b"1" + d[-9:], lambda d: b""]
)
@pytest.mark.parametrize("load", [mnist, fashion_mnist, binarized_mnist])
def test_a_damaged_file_is_named_and_left_alone(root, small_idx, small_amat, load, damage):
    folder, files = {
        mnist: ("MNIST/raw", small_idx),
        fashion_mnist: ("FashionMNIST/raw", small_idx),
        binarized_mnist: ("binarized_mnist", small_amat),
    }[load]
    name = sorted(files)[0]
    damaged = damage(files[name])
    if load is fashion_mnist and len(damaged) == len(files[name]):
        pytest.skip("no checksum is known of the uncompressed Fashion-MNIST files")
    if damaged == files[name]:
        damaged = damaged[:-10] + b"0" + damaged[-9:]
    write(root / folder, {**files, name: damaged})
    before = listing(root)
    with pytest.raises(ValueError, match=rf"{name} is damaged or not the original.*move it away and call again"):
        load()
    assert listing(root) == before


# --- fetching


def test_a_download_is_checked_renamed_and_read(root, small_amat, monkeypatch):
    calls = pretend_download(monkeypatch, small_amat)
    assert len(binarized_mnist().train) == 5
    assert len(calls) == 3 and all(url.endswith(".amat") for url in calls)
    assert listing(root) == {f"binarized_mnist/{name}": data for name, data in small_amat.items()}
    binarized_mnist()
    assert len(calls) == 3  # found this time


def test_only_what_is_missing_is_fetched_and_nothing_overwritten(root, small_amat, monkeypatch):
    first = next(iter(small_amat))
    write(root / "binarized_mnist", {first: b"mine"})
    calls = pretend_download(monkeypatch, small_amat)
    with pytest.raises(ValueError, match=f"{first} is damaged"):
        binarized_mnist()
    assert len(calls) == 2 and (root / "binarized_mnist" / first).read_bytes() == b"mine"


def test_a_file_that_appears_during_the_download_is_kept(root, small_amat, monkeypatch):
    pretend_download(monkeypatch, small_amat)
    fetch, name = torchvision_datasets.utils.download_url, next(iter(small_amat))

    def slow_download(*args):
        write(root / "binarized_mnist", {name: b"mine"})
        fetch(*args)

    monkeypatch.setattr(torchvision_datasets.utils, "download_url", slow_download)
    with pytest.raises(ValueError, match=f"{name} is damaged"):
        binarized_mnist()
    assert (root / "binarized_mnist" / name).read_bytes() == b"mine"


@pytest.mark.parametrize("fail_after", [0, 1, 2])
def test_a_broken_download_leaves_nothing(root, small_amat, monkeypatch, fail_after):
    pretend_download(monkeypatch, small_amat, fail_after)
    with pytest.raises(FileNotFoundError, match="could not be downloaded .connection lost") as caught:
        binarized_mnist()
    assert list(root.iterdir()) == []
    assert "may be" not in str(caught.value)  # what a broken download leaves is not pointed out as the file


def test_a_download_of_something_else_gets_no_name(root, small_amat, monkeypatch):
    pretend_download(monkeypatch, {name: b"<html>log in to the Wi-Fi first</html>" for name in small_amat})
    with pytest.raises(ValueError, match="damaged or not the original"):
        binarized_mnist()
    assert list(root.iterdir()) == []


def test_mnist_is_fetched_by_torchvision(root, small_idx, monkeypatch):
    """Everything of torchvision but the transfer itself runs: checksum of the archive, unpacking."""
    archives = {f"{name}.gz": gzip.compress(data) for name, data in small_idx.items()}

    def transfer(url, filename, chunk_size=0):
        Path(filename).write_bytes(archives[url.rsplit("/", 1)[1]])

    monkeypatch.setattr(torchvision_datasets.utils, "_urlretrieve", transfer)
    monkeypatch.setattr(torchvision_datasets.utils, "_get_redirect_url", lambda url, max_hops: url)
    resources = [(name, hashlib.md5(data).hexdigest()) for name, data in archives.items()]
    monkeypatch.setattr(torchvision_datasets.MNIST, "resources", resources)
    assert len(mnist().train) == 20
    assert listing(root) == {f"MNIST/raw/{name}": data for name, data in small_idx.items()}


def test_a_killed_download_leaves_no_file_under_its_name_and_does_no_harm(root, small_amat, monkeypatch):
    started = root / "started"
    program = f"""
import time
from pathlib import Path
from course_utils.data import real
def download_url(url, folder, filename=None, md5=None):
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / filename).write_bytes(b"0 1 0 ")
    Path({str(started)!r}).touch()
    time.sleep(60)
real._torchvision_datasets().utils.download_url = download_url
real.binarized_mnist()
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(real.__file__).parents[2])
    deadline = time.monotonic() + 60
    while not started.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (root / "binarized_mnist").exists()
    assert len(list(root.glob(".download-*"))) == 1  # on the disk of the root, where renaming is one step
    pretend_download(monkeypatch, small_amat)  # the next attempt does not stumble over what is left
    assert len(binarized_mnist().train) == 5


# --- CIFAR-10


@pytest.fixture
def small_cifar(root, monkeypatch):
    """Six batches of four images in CIFAR-10's layout, and torchvision told their checksums."""
    import pickle

    CIFAR10 = torchvision_datasets.CIFAR10
    files, pixels = {}, {}
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        pixels[name] = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        files[name] = pickle.dumps({"data": pixels[name], "labels": [0, 1, 2, 3]})
    files["batches.meta"] = pickle.dumps({"label_names": list("abcdefghij")})
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{k}", md5[f"data_batch_{k}"]] for k in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    monkeypatch.setattr(real, "_CIFAR_VALID", 5)
    write(root / "cifar-10-batches-py", files)
    return pixels


def test_cifar_batches_become_images(root, small_cifar):
    images = cifar10()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [15, 5, 4] and images.shape == (3, 32, 32)
    expected = torch.from_numpy(small_cifar["data_batch_1"][0].reshape(3, 32, 32)).float() / 255
    assert torch.equal(images.train[0], expected)
    assert images.test_labels.tolist() == [0, 1, 2, 3]


def test_a_damaged_cifar_batch_is_named(root, small_cifar):
    path = root / "cifar-10-batches-py/data_batch_3"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="data_batch_3 is damaged"):
        cifar10()


# --- a folder of one's own


def save_image(path: Path, colour: tuple[int, int, int], size=(20, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_folder_with_classes(tmp_path):
    for k in range(10):
        save_image(tmp_path / "red" / f"{k}.png", (255, 0, 0))
        save_image(tmp_path / "blue" / "deep" / f"{k}.png", (0, 0, 255), size=(9, 30))
    (tmp_path / "notes.txt").write_text("no image")
    images = image_folder(tmp_path, size=8)
    assert images.shape == (3, 8, 8) and [len(x) for x in (images.train, images.valid, images.test)] == [16, 2, 2]
    x, labels = (torch.cat([getattr(images, s + k) for s in ("train", "valid", "test")]) for k in ("", "_labels"))
    assert torch.equal(x[labels == 0].mean((0, 2, 3)), torch.tensor([0.0, 0.0, 1.0]))  # blue comes first
    assert torch.equal(x[labels == 1].mean((0, 2, 3)), torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(image_folder(tmp_path, 8).train, images.train)
    assert not torch.equal(image_folder(tmp_path, 8, seed=1).train, images.train)


def test_folder_without_classes_has_no_labels(tmp_path):
    for k in range(10):
        save_image(tmp_path / f"{k}.png", (k, 0, 0))
    images = image_folder(str(tmp_path), size=4)
    assert images.train_labels is None
    x = torch.cat([images.train, images.valid, images.test])
    assert sorted((x[:, 0, 0, 0] * 255).round().tolist()) == list(range(10))


def test_folders_that_will_not_do_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="at least 10 images"):
        image_folder(tmp_path)
    for k in range(10):
        save_image(tmp_path / f"{k}.png", (k, 0, 0))
    (tmp_path / "7.png").write_bytes((tmp_path / "7.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"7\.png cannot be read as an image"):
        image_folder(tmp_path)
    with pytest.raises(ValueError, match="^size must"):
        image_folder(tmp_path, size=0)


def colours(images) -> list[list[int]]:
    """The mean colour of every picture of the set, as bytes, sorted."""
    x = torch.cat([images.train, images.valid, images.test])
    return sorted((x.mean((2, 3)) * 255).round().int().tolist())


@pytest.mark.parametrize("flat", [True, False])
def test_what_is_hidden_or_the_systems_is_no_picture_and_no_class(tmp_path, flat):
    """A notebook's checkpoints, a Mac's "._" files, thumbnails: copies of pictures, which would be tested on."""
    places = [tmp_path] if flat else [tmp_path / "cats", tmp_path / "dogs"]
    for k, place in enumerate(places):
        for i in range(10):
            save_image(place / f"{i}.png", (i, k, 0))
            save_image(place / ".ipynb_checkpoints" / f"{i}-checkpoint.png", (200, 0, 0))
            (place / f"._{i}.png").write_bytes(b"\0\5\26\7 resource fork")
        save_image(place / ".deleted.png", (200, 0, 0))
        save_image(place / "@eaDir" / "thumb.jpg", (200, 0, 0))
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._1.png").write_bytes(b"\0\5\26\7")
    save_image(tmp_path / ".git" / "deep" / "x.png", (200, 0, 0))
    with pytest.warns(
        UserWarning, match=rf"passes over {22 * len(places) + 2} hidden files and system files"
    ) as caught:
        images = image_folder(tmp_path, size=4)
    assert len(caught) == 1 and caught[0].filename == __file__ and str(tmp_path) in str(caught[0].message)
    assert colours(images) == sorted([i, k, 0] for i in range(10) for k in range(len(places)))
    if flat:
        assert images.train_labels is None
    else:
        x, labels = torch.cat([images.train, images.test]), torch.cat([images.train_labels, images.test_labels])
        assert torch.equal((x[:, 1].mean((1, 2)) * 255).round().long(), labels) and set(labels.tolist()) == {0, 1}


def test_a_folder_that_is_itself_hidden_is_read(tmp_path):
    for i in range(10):
        save_image(tmp_path / ".cache" / "pictures" / f"{i}.png", (i, 0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is passed over
        assert len(colours(image_folder(tmp_path / ".cache" / "pictures", size=4))) == 10


def test_a_class_that_is_a_link_counts_and_a_link_upwards_does_not_go_round(tmp_path):
    for i in range(10):
        save_image(tmp_path / "set" / "cats" / f"{i}.png", (i, 0, 0))
        save_image(tmp_path / "elsewhere" / "deep" / f"{i}.png", (i, 9, 0))
    (tmp_path / "set" / "dogs").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "set" / "cats" / "again").symlink_to(tmp_path / "set", target_is_directory=True)
    (tmp_path / "elsewhere" / "deep" / "again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    images = image_folder(tmp_path / "set", size=4)
    assert colours(images) == sorted([i, k, 0] for i in range(10) for k in (0, 9))
    labels = torch.cat([images.train_labels, images.valid_labels, images.test_labels])
    assert torch.bincount(labels).tolist() == [10, 10]


RAMP = np.linspace(0, 65535, 64).round().astype(np.uint16)  # grey, 16 bits


@pytest.mark.parametrize(("ending", "order"), [("png", "<"), ("tif", "<"), ("tif", ">"), ("pgm", "<")])
def test_grey_of_sixteen_bits_keeps_its_ramp(tmp_path, ending, order):
    path, square = tmp_path / f"ramp.{ending}", np.broadcast_to(RAMP, (64, 64))
    if ending == "pgm":
        path.write_bytes(b"P5 64 64 65535\n" + square.astype(">u2").tobytes())
    else:
        Image.fromarray(np.ascontiguousarray(square.astype(f"{order}u2"))).save(path)
    x = real._read_square(path, 64)
    assert x.dtype == torch.uint8 and x.shape == (3, 64, 64)
    assert np.abs(x.numpy() - RAMP / 257).max() <= 0.5 + 1e-9  # each of the 256 levels is the nearest


def test_a_tiff_of_twelve_bits_is_white_at_4095(tmp_path):
    path, levels = tmp_path / "x.tif", np.array([[0, 4095], [2048, 1024]], dtype=np.uint16)
    Image.fromarray(levels).save(path)
    # Pillow writes no 12 bits a sample: 16 stored ones, and the note changed to 12, are read back as 12 packed bits
    packed = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in levels.tolist())
    tags = [(256, 3, 2), (257, 3, 2), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 2)]
    tags.append((279, 4, len(packed)))
    body = packed.ljust(8, b"\0")
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    path.write_bytes(
        b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + entries + b"\0" * 4
    )
    assert real._read_square(path, 2)[0].tolist() == [[0, 255], [128, 64]]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_grey_without_a_known_white_is_one_clear_error(tmp_path, dtype):
    path = tmp_path / "x.tif"
    Image.fromarray(np.linspace(0, 1000, 64).astype(dtype).reshape(8, 8)).save(path)
    with pytest.raises(ValueError, match=r"x\.tif cannot be read as an image \(its grey levels are 32-bit numbers"):
        real._read_square(path, 8)


def test_a_picture_of_too_many_pixels_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    for i in range(10):
        save_image(tmp_path / f"{i}.png", (i, 0, 0))
    save_image(tmp_path / "poster.png", (0, 0, 0), size=(50, 50))
    with pytest.raises(ValueError, match=r"poster\.png is too large to be read .*2500 pixels.*scale it down"):
        image_folder(tmp_path)


def see_through(kind: str) -> Image.Image:
    """8×8, the left half opaque green, the right half transparent over magenta, the alpha 128 in its last column."""
    alpha = np.full((8, 8), 255, dtype=np.uint8)
    alpha[:, 4:], alpha[:, 7] = 0, 128
    if kind == "16 bits":
        grey = Image.fromarray(np.where(alpha == 255, 30_000, 1_000).astype(np.uint16))
        grey.info["transparency"] = 1_000
        return grey
    image = Image.new("RGB", (8, 8), (255, 0, 255))
    image.paste((0, 128, 0), (0, 0, 4, 8))
    if kind == "one colour":
        image.info["transparency"] = (255, 0, 255)
        return image
    if kind == "palette":
        image = image.quantize(2)
        clear = image.getpixel((7, 0))
        image.info["transparency"] = clear
        return image
    if kind == "LA":
        image = image.convert("L")
    image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "one colour", "16 bits"])
def test_what_is_transparent_is_shown_on_white(tmp_path, kind):
    path, image = tmp_path / "x.png", see_through(kind)
    image.save(path, transparency=image.info["transparency"]) if "transparency" in image.info else image.save(path)
    x = real._read_square(path, 8)
    opaque = {"LA": (75, 75, 75), "16 bits": (117, 117, 117)}.get(kind, (0, 128, 0))
    assert (x[:, :, :4].float() - torch.tensor(opaque).view(3, 1, 1)).abs().max() <= 1
    assert (x[:, :, 4:7] == 255).all()
    if kind == "RGBA":  # half magenta, half white
        assert (x[:, :, 7].float() - torch.tensor([255.0, 127, 255])[:, None]).abs().max() <= 1


def test_a_transparent_photograph_taken_upright_is_still_turned(tmp_path):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    image.paste((255, 0, 0, 255), (0, 0, 8, 4))  # red above
    exif = image.getexif()
    exif[274] = 3  # upside down
    image.save(tmp_path / "x.png", exif=exif)
    x = real._read_square(tmp_path / "x.png", 8)
    assert (x[0, 4:] == 255).all() and (x[0, :4] == 0).all()


def test_all_that_cannot_be_read_is_named_at_once(tmp_path):
    for i in range(20):
        save_image(tmp_path / f"{i:02}.png", (i, 0, 0))
    for i in range(12):
        (tmp_path / f"{i:02}.png").write_bytes(b"no picture")
    with pytest.raises(
        ValueError, match=r"^12 files cannot be read: .*\.png cannot be read as an image .*; …$"
    ) as caught:
        image_folder(tmp_path)
    assert len(str(caught.value)) < 1_500


# --- files that lie beside their place


@pytest.mark.parametrize(
    ("load", "name", "wanted", "what"),
    [
        (mnist, "MNIST/raw/train-images.idx3-ubyte", "train-images-idx3-ubyte", "give it that name and place"),
        (mnist, "MNIST/raw/train-images-idx3-ubyte.gz", "train-images-idx3-ubyte", "packed: unpack it"),
        (mnist, "MNIST/train-images-idx3-ubyte", "train-images-idx3-ubyte", "give it that name and place"),
        (mnist, "train-images.idx3-ubyte", "train-images-idx3-ubyte", "give it that name and place"),
        (mnist, "raw/train-images-idx3-ubyte", "train-images-idx3-ubyte", "give it that name and place"),
        (mnist, "mine/MNIST/raw/train-images-idx3-ubyte", "train-images-idx3-ubyte", "give it that name and place"),
        (fashion_mnist, "FashionMNIST/Train-Images.IDX3-ubyte", "train-images-idx3-ubyte", "give it that name"),
        (binarized_mnist, "binarized_mnist_train.amat", "binarized_mnist_train.amat", "give it that name and place"),
        (binarized_mnist, "mnist/binarized-mnist-train.amat", "binarized_mnist_train.amat", "give it that name"),
        (cifar10, "cifar-10-python.tar.gz", "data_batch_1", "packed: unpack it"),
        (cifar10, "data_batch_1", "data_batch_1", "give it that name and place"),
    ],
)
def test_a_file_that_lies_beside_its_place_is_pointed_out(root, load, name, wanted, what):
    write((root / name).parent, {Path(name).name: b"here"})
    with pytest.raises(FileNotFoundError, match="is missing and could not be downloaded") as caught:
        load()
    message = str(caught.value)
    assert wanted in message and f"{root / name} may be that file" in message and what in message
    assert listing(root) == {name: b"here"}


def test_another_sets_file_of_the_same_name_is_not_pointed_out(root, small_idx):
    write(root / "MNIST/raw", small_idx)
    write(root / "MNIST", small_idx)
    with pytest.raises(FileNotFoundError) as caught:
        fashion_mnist()
    assert "may be" not in str(caught.value)


# --- the real thing, where it is there


def test_real_mnist(real_data):
    real_data(*MNIST_FILES)
    images = mnist()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [50_000, 10_000, 10_000]
    total = images.train.double().sum() + images.valid.double().sum()
    assert (total / 60_000 / 784).item() == pytest.approx(0.13066, abs=5e-6)
    assert images.test.double().mean().item() == pytest.approx(0.13251, abs=5e-6)
    assert images.train.min() == 0 and images.train.max() == 1 and len(images.test.unique()) <= 256
    assert images.train_labels[:5].tolist() == [5, 0, 4, 1, 9] and images.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert torch.bincount(images.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    pixels = images.test.mul(255).round().byte().numpy().tobytes()
    assert sha256(pixels) == "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"


def test_real_binarized_mnist(real_data):
    real_data(*AMAT_FILES)
    images = binarized_mnist()
    assert [len(x) for x in (images.train, images.valid, images.test)] == [50_000, 10_000, 10_000]
    means = [x.double().mean().item() for x in (images.train, images.valid, images.test)]
    assert means == pytest.approx([0.130563, 0.131127, 0.132512], abs=1e-6)
    assert images.test.unique().tolist() == [0, 1]
    assert (
        sha256(np.packbits(images.test.byte().numpy()).tobytes())
        == "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2"
    )
