"""The exercises on many processes: any right answer passes, each usual wrong one gets its own hint, nothing is left."""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import torch
from junk import JUNK, Unprintable

from course_utils import training
from course_utils.exercises import n15_scale_up

NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"
MORALS = {
    "averaged": "correct. Every picture counts the same, wherever its gradient is computed.",
    "build_save": "correct. Whoever looks sees the old file or the new one, never a part.",
    "my_rows": "correct. Nobody has to ask whose turn it is: rank and world say it.",
}


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path, monkeypatch):
    """Neither in the working folder, nor in the one for temporary files; and the checker puts back what it sets."""
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir(), temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    profile = sys.getprofile()
    yield
    assert os.getcwd() == str(work) and tempfile.tempdir == str(temporary) and sys.getprofile() is profile
    assert not [*work.iterdir(), *temporary.iterdir()]


# ---- averaged --------------------------------------------------------------------------------------------------------


def tensor(pictures):
    return torch.tensor(float(pictures))


def pictures_first(gradient, pictures, all_reduce, world):
    total = all_reduce(tensor(pictures))
    return all_reduce(gradient * pictures) / total


def gradient_first(gradient, pictures, all_reduce, world):
    weighted = all_reduce(gradient.mul_(pictures))
    return weighted.div_(all_reduce(torch.tensor([pictures])))


def as_in_the_lecture(gradient, pictures, all_reduce, world):
    share = pictures * world / all_reduce(torch.tensor(pictures)).item()
    return all_reduce(share * gradient) / world


def in_one_call(gradient, pictures, all_reduce, world):
    together = all_reduce(torch.cat([gradient.flatten() * pictures, tensor(pictures)[None]]))
    return (together[:-1] / together[-1]).view_as(gradient)


def plain_number(gradient, pictures, all_reduce, world):
    return all_reduce((gradient * (pictures / float(all_reduce(pictures)))).double().numpy())


@pytest.mark.parametrize(
    "answer", [pictures_first, gradient_first, as_in_the_lecture, in_one_call, plain_number], ids=lambda f: f.__name__
)
def test_any_mean_over_all_pictures_is_right(answer, said):
    assert said("averaged", answer) == MORALS["averaged"]


def only_if_many(gradient, pictures, all_reduce, world):
    total = all_reduce(tensor(pictures))
    return all_reduce(gradient * pictures) / total if pictures > 1 else gradient


def only_the_first_one_returns(gradient, pictures, all_reduce, world):
    mean = pictures_first(gradient, pictures, all_reduce, world)
    return mean if pictures == 1 else None


def another_order(gradient, pictures, all_reduce, world):
    if pictures > 1:
        return pictures_first(gradient, pictures, all_reduce, world)
    return gradient_first(gradient, pictures, all_reduce, world)


def for_ever(gradient, pictures, all_reduce, world):
    while True:
        all_reduce(gradient)


def ignores_what_it_returns(gradient, pictures, all_reduce, world):
    all_reduce(gradient)
    return gradient


def whole_number_in_place(gradient, pictures, all_reduce, world):
    total = torch.tensor(pictures)
    total /= world
    return all_reduce(gradient * pictures) / all_reduce(total)


WRONG_MEANS = [
    (lambda g, n, total, world: total(g) / world, "plain mean of the means"),
    (lambda g, n, total, world: total(g), "divided by nothing"),
    (lambda g, n, total, world: total(g) / total(tensor(n)), "is divided by all pictures, but"),
    (lambda g, n, total, world: total(g) * n / total(tensor(n)), "afterwards it is too late"),
    (lambda g, n, total, world: total(g) * n, "multiply by pictures before all_reduce"),
    (lambda g, n, total, world: total(g) * n / world, "multiply by pictures before all_reduce"),
    (lambda g, n, total, world: total(g) / n, "of this process"),
    (lambda g, n, total, world: total(g * n), "a mean divides it by their number"),
    (lambda g, n, total, world: total(g * n) / n, "of this process"),
    (lambda g, n, total, world: total(g * n) / (n * world), "only if shares are equal"),
    (lambda g, n, total, world: total(g * n) / world, "divide by all pictures, not by world"),
    (lambda g, n, total, world: total(g * n) / total(tensor(n)) / world, "once too often"),
    (lambda g, n, total, world: total(g * n) / total(tensor(n) / world), "world times too large"),
    (lambda g, n, total, world: g * n / total(tensor(n)), "the part of this process"),
    (lambda g, n, total, world: g * n, "the sum of this process alone"),
    (ignores_what_it_returns, "each process keeps its own gradient"),
    (lambda g, n, total, world: total(g / n), "multiply by pictures"),
    (lambda g, n, total, world: total(g / n) / world, "makes few pictures count more"),
    (lambda g, n, total, world: (total(g * n) / total(tensor(n))).sum(), "in its shape"),
    (lambda g, n, total, world: (total(g * n), total(tensor(n))), "in its shape"),
    (lambda g, n, total, world: total(g * n) / (total(tensor(n)) + 1), "process 0 has 1 of 8 pictures"),
    (only_the_first_one_returns, "nothing was returned in process 1 of 3"),
    (only_if_many, "the same number of times"),
    (another_order, "in the same order"),
    (for_ever, "more than a hundred times"),
    (whole_number_in_place, "float(pictures)"),
    (lambda g, n, total, world: total(None), "all_reduce takes a tensor, and got"),
    (lambda g, n, total: total(g), "averaged takes gradient, pictures, all_reduce and world"),
    (3.0, "a function of gradient, pictures, all_reduce and world"),
]


@pytest.mark.parametrize(("answer", "word"), WRONG_MEANS)
def test_each_usual_wrong_mean_gets_its_hint(answer, word, said):
    line = said("averaged", answer)
    assert line.startswith("not yet: ") and word in line, line


def test_no_process_waits_for_ever_for_one_that_does_not_come(said, monkeypatch):
    monkeypatch.setattr(n15_scale_up, "PATIENCE", 0.2)
    go_on = threading.Event()

    def one_hangs(gradient, pictures, all_reduce, world):
        return go_on.wait() if pictures == 1 else all_reduce(gradient)

    begun = time.monotonic()
    assert "did not come to an end" in said("averaged", one_hangs)
    assert time.monotonic() - begun < 5
    go_on.set()


# ---- build_save ------------------------------------------------------------------------------------------------------


def part_of(path):
    return path.with_name(path.name + ".part")


def save(path, data):
    part = part_of(path)
    part.write_bytes(data)
    part.replace(path)


def save_by_os(path, data, replace=os.replace):  # bound early: no patch of os would see it
    number = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        while data:
            data = data[os.write(number, data[:700]) :]
        os.fsync(number)
    finally:
        os.close(number)
    replace(f"{path}.tmp", path)


def save_by_tempfile(path, data):
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    shutil.move(file.name, path)


def save_cleaning_up(path, data):
    number, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.rename(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def save_in_a_folder_of_its_own(path, data):
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / "new"
        with part.open("xb") as file:
            file.writelines([data[:10], data[10:]])
        os.link(part, f"{part}.2")
        Path(f"{part}.2").rename(path)


def save_swallowing_errors(path, data):
    try:
        save(path, data)
    except Exception as error:
        print(error)


RIGHT_SAVES = [
    save,
    save_by_os,
    save_by_tempfile,
    save_cleaning_up,
    save_in_a_folder_of_its_own,
    save_swallowing_errors,
]


@pytest.mark.parametrize("answer", RIGHT_SAVES, ids=lambda f: f.__name__)
def test_any_file_that_appears_whole_is_right(answer, said):
    assert said("build_save", answer) == MORALS["build_save"]


def test_the_checkpoints_of_the_course_are_written_that_way(said):
    def answer(path, data):
        given, training.safetensors.torch.save = training.safetensors.torch.save, lambda *_: data
        try:
            training.save_checkpoint(path, {}, {})
        finally:
            training.safetensors.torch.save = given

    assert said("build_save", answer) == MORALS["build_save"]


def opened(mode):
    def answer(path, data):
        with path.open(mode if path.exists() else "wb") as file:
            file.write(data)

    return answer


def bit_by_bit(path, data):
    with open(path, "wb", buffering=0) as file:
        for i in range(0, len(data), 10):
            file.write(data[i : i + 10])


def in_place_without_truncating(path, data):
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(data)
        file.truncate()


def in_one_call_of_c(path, data):
    import numpy as np

    np.frombuffer(data, np.uint8).tofile(path)


def one_call_of_c_if_there_is_none(path, data):
    (save if path.exists() else in_one_call_of_c)(path, data)


def deletes_first(path, data):
    path.unlink(missing_ok=True)
    save(path, data)


def keeps_the_old_one_apart(path, data):
    old = path.with_name("old")
    if path.exists():
        path.rename(old)
    save(path, data)
    old.unlink(missing_ok=True)


def puts_back_what_it_broke(path, data):
    old = path.read_bytes() if path.exists() else None
    try:
        path.write_bytes(data)
    except BaseException:
        path.write_bytes(old) if old is not None else path.unlink()
        raise


def copies(path, data):
    part_of(path).write_bytes(data)
    shutil.copy(part_of(path), path)
    part_of(path).unlink()


def copies_if_there_is_none(path, data):
    (save if path.exists() else copies)(path, data)


def temporary_elsewhere(path, data):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
    shutil.move(file.name, path)


def in_the_working_folder(path, data):
    part = Path(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def renamed_while_open(path, data):
    with part_of(path).open("wb") as file:
        file.write(data)
        part_of(path).replace(path)


def renamed_between_two_writes(path, data):
    with open(part_of(path), "wb", buffering=0) as file:
        file.write(data[:100])
        part_of(path).replace(path)
        file.write(data[100:])


def renames_whatever_happens(path, data):
    try:
        part_of(path).write_bytes(data)
    finally:
        part_of(path).replace(path)


def the_part_must_be_new(path, data):
    with part_of(path).open("xb") as file:
        file.write(data)
    part_of(path).replace(path)


def the_part_grows(path, data):
    with part_of(path).open("ab") as file:
        file.write(data)
    part_of(path).replace(path)


def never_renamed(path, data):
    part_of(path).write_bytes(data)


def renamed_the_wrong_way(path, data):
    part_of(path).write_bytes(data)
    path.replace(part_of(path))


def renamed_to_the_name_alone(path, data):
    part_of(path).write_bytes(data)
    part_of(path).rename(path.name)


def leaves_a_copy(path, data):
    save(path, data)
    part_of(path).write_bytes(data)


def leaves_a_folder(path, data):
    save(path, data)
    (path.parent / "parts").mkdir(exist_ok=True)


def sweeps_the_folder(path, data):
    save(path, data)
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()


def needs_an_old_one(path, data):
    path.rename(part_of(path))
    part_of(path).rename(path)
    save(path, data)


def needs_an_old_one_to_compare(path, data):
    if path.read_bytes() != data:
        save(path, data)


def adds_to_a_path(path, data):
    part = path + ".part"
    save(part, data)


def as_text(path, data):
    with part_of(path).open("w") as file:
        file.write(data)


def half(path, data):
    save(path, data[: len(data) // 2])


WRONG_SAVES = [
    (lambda path, data: path.write_bytes(data), "straight into path"),
    (opened("wb"), "straight into path"),
    (bit_by_bit, "straight into path"),
    (in_place_without_truncating, "straight into path"),
    (in_one_call_of_c, "straight into path"),
    (one_call_of_c_if_there_is_none, "straight into path"),
    (puts_back_what_it_broke, "straight into path"),
    (opened("ab"), "appended to the old"),
    (opened("r+b"), "the end of the old ones is left"),
    (deletes_first, "no file at path at all"),
    (keeps_the_old_one_apart, "no file at path at all"),
    (needs_an_old_one, "no file at path at all"),
    (copies, "copying to path is writing"),
    (copies_if_there_is_none, "copying to path is writing"),
    (temporary_elsewhere, "in another folder"),
    (in_the_working_folder, "in another folder"),
    (renamed_while_open, "close the file first"),
    (renamed_between_two_writes, "close the file first"),
    (renames_whatever_happens, "finally and except run then, too"),
    (the_part_must_be_new, "the next save fails on it: FileExistsError"),
    (the_part_grows, "the next save adds to it"),
    (never_renamed, "never renamed to 'checkpoint.bin'"),
    (renamed_the_wrong_way, "not path.replace(part)"),
    (renamed_to_the_name_alone, "and not to path.name alone"),
    (leaves_a_copy, "'checkpoint.bin.part' is left behind"),
    (leaves_a_folder, "'parts' is left behind"),
    (sweeps_the_folder, "another file of the folder, is not what it was"),
    (needs_an_old_one_to_compare, "or none, and with none it raised FileNotFoundError"),
    (adds_to_a_path, "path.with_name"),
    (as_text, "'wb'"),
    (half, "only 500 of the 1000 bytes"),
    (lambda path, data: save(path, data[::-1]), "other bytes than data"),
    (lambda path, data: path.unlink(missing_ok=True), "path is gone"),
    (lambda path, data: data, "nothing was written to path"),
    (lambda path: path, "your code raised TypeError"),
    (b"abc", "a function of path and data"),
]


@pytest.mark.parametrize(("answer", "word"), WRONG_SAVES, ids=[getattr(f, "__name__", "") for f, _ in WRONG_SAVES])
def test_each_usual_wrong_save_gets_its_hint(answer, word, said):
    line = said("build_save", answer)
    assert line.startswith("not yet: ") and word in line, line


def test_a_profiler_goes_on_afterwards(said):
    seen = []
    sys.setprofile(lambda frame, event, argument: seen.append(frame.f_code.co_name))
    try:
        said("build_save", save)
        seen.clear()
        part_of(Path("a"))
        assert "part_of" in seen
    finally:
        sys.setprofile(None)


# ---- my_rows ---------------------------------------------------------------------------------------------------------


def batch_of(order, step, batch):
    return order[step * batch : (step + 1) * batch]


def like_cards(order, step, batch, rank, world):
    return batch_of(order, step, batch)[rank::world]


def in_pieces(order, step, batch, rank, world):
    return torch.tensor_split(order.narrow(0, step * batch, batch), world)[rank]


def numbers_of_python(order, step, batch, rank, world):
    return [int(order[i]) for i in range((step + 1) * batch - 1, step * batch - 1, -1) if i % world == rank]


def first_ones_take_more(order, step, batch, rank, world):
    share, rest = divmod(batch, world)
    start = step * batch + rank * share + min(rank, rest)
    return order[torch.arange(start, start + share + (rank < rest))].numpy()


def last_ones_take_more(order, step, batch, rank, world):
    return batch_of(order, step, batch)[rank * batch // world : (rank + 1) * batch // world]


def shuffled_by_the_step(order, step, batch, rank, world):
    turn = torch.randperm(batch, generator=torch.Generator().manual_seed(step))
    return batch_of(order, step, batch)[turn][rank::world]


RIGHT_ROWS = [
    like_cards,
    in_pieces,
    numbers_of_python,
    first_ones_take_more,
    last_ones_take_more,
    shuffled_by_the_step,
]


@pytest.mark.parametrize("answer", RIGHT_ROWS, ids=lambda f: f.__name__)
def test_any_fair_share_is_right(answer, said):
    assert said("my_rows", answer) == MORALS["my_rows"]


def per_process(order, step, batch, rank, world):
    return batch_of(order, step * world + rank, batch)


def per_process_by_turns(order, step, batch, rank, world):
    return batch_of(order[rank::world], step, batch)


def rest_dropped(order, step, batch, rank, world):
    return batch_of(batch_of(order, step, batch), rank, batch // world)


def rest_dropped_by_turns(order, step, batch, rank, world):
    return batch_of(order[rank::world], step, batch // world)


def rest_to_the_last(order, step, batch, rank, world):
    share = batch // world
    return batch_of(order, step, batch)[rank * share : None if rank == world - 1 else (rank + 1) * share]


def rounded_up(order, step, batch, rank, world):
    return batch_of(batch_of(order, step, batch), rank, -(-batch // world))


def in_chunks(order, step, batch, rank, world):
    return torch.chunk(batch_of(order, step, batch), world)[rank]


def fresh_permutation(order, step, batch, rank, world):
    return order[torch.randperm(len(order))][step * batch : (step + 1) * batch][rank::world]


def one_too_many(order, step, batch, rank, world):
    return order[step * batch : (step + 1) * batch + 1][rank::world]


def overlapping(order, step, batch, rank, world):
    rows = batch_of(order, step, batch)
    return torch.cat([rows[rank::world], rows[:1]])


def one_too_few(order, step, batch, rank, world):
    return order[step * batch : (step + 1) * batch - 1][rank::world]


def mask(order, step, batch, rank, world):
    return torch.arange(len(order)) // batch == step


WRONG_ROWS = [
    (lambda order, step, batch, rank, world: order[:batch][rank::world], "step is not used"),
    (lambda order, step, batch, rank, world: order[rank::world], "all of order is shared out"),
    (lambda order, step, batch, rank, world: order, "neither the step, nor the batch, nor the rank"),
    (lambda order, step, batch, rank, world: batch_of(order, step, batch), "rank is not used"),
    (lambda order, step, batch, rank, world: order[step : step + batch][rank::world], "its first is step * batch"),
    (lambda order, step, batch, rank, world: order[step * batch :][rank::world], "the end is missing"),
    (lambda order, *rest: like_cards(torch.arange(len(order)), *rest), "those are positions in order"),
    (per_process, "what all of them take together"),
    (per_process_by_turns, "what all of them take together"),
    (rest_dropped, "drops the rest"),
    (rest_dropped_by_turns, "drops the rest"),
    (rest_to_the_last, "differ by one at most"),
    (rounded_up, "torch.tensor_split, not chunk"),
    (in_chunks, "torch.tensor_split"),
    (fresh_permutation, "nothing random"),
    (lambda order, step, batch, rank, world: batch_of(order, step, batch)[rank + 1 :: world], "ranks count from 0"),
    (lambda order, step, batch, rank, world: batch_of(order, step, batch)[rank - 1 :: world], "ranks count from 0"),
    (
        lambda order, step, batch, rank, world: batch_of(order, step, batch)[rank * world : (rank + 1) * world],
        "no place in the batch",
    ),
    (lambda order, step, batch, rank, world: batch_of(order, step, batch)[world::rank], "starts at rank"),
    (lambda order, step, batch, rank, world: order.view(-1, world, batch // world)[step, rank], "need not divide"),
    (one_too_many, "is not of this step, order[0:8]"),
    (overlapping, "is taken twice"),
    (one_too_few, "is left out"),
    ([1, 2], "a function of order, step, batch, rank and world"),
    (mask, "that is a mask"),
    (lambda *rest: like_cards(*rest)[:, None], "with one axis"),
    (lambda *rest: like_cards(*rest).float(), "whole numbers"),
    (lambda *rest: like_cards(*rest) if rest[3] == 0 else None, "nothing was returned for rank 1 of 2"),
]


@pytest.mark.parametrize(("answer", "word"), WRONG_ROWS)
def test_each_usual_wrong_share_gets_its_hint(answer, word, said):
    line = said("my_rows", answer)
    assert line.startswith("not yet: ") and word in line, line


# ---- all three -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MORALS)
def test_nothing_written_yet(name, said):
    assert said(name, lambda *arguments: ...) == said(name, lambda *arguments: None) == NOT_WRITTEN


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", MORALS)
@pytest.mark.filterwarnings("ignore")  # what torch and NumPy say of such values does not matter here
def test_junk_is_not_correct_and_never_raises(name, junk, said):
    line = said(name, lambda *arguments: JUNK[junk])
    assert line.startswith("not yet: ") and len(line) < 400
    assert said(name, JUNK[junk]).startswith("not yet: ")


@pytest.mark.parametrize("error", [NameError("bits"), SystemExit(), StopIteration(), Unprintable()], ids=repr)
@pytest.mark.parametrize("name", MORALS)
def test_an_answer_that_raises_gets_its_error_named(name, error, said):
    def answer(*arguments):
        raise error

    assert type(error).__name__ in said(name, answer)


@pytest.mark.parametrize("name", MORALS)
def test_an_interrupt_goes_through(name, said):
    def answer(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        said(name, answer)


def test_the_readers_random_numbers_go_on_as_if_nothing_had_happened(said):
    torch.manual_seed(0)
    first = torch.rand(3)
    torch.manual_seed(0)
    for name, answer in (("averaged", pictures_first), ("build_save", save), ("my_rows", fresh_permutation)):
        said(name, answer)
    assert torch.equal(torch.rand(3), first)
