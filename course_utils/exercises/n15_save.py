"""Checker of the file that is never half, which 15_scale_up asks for.

What a kill would leave is what lies on the disk at that moment. So the disk is looked at after each call that an
answer makes, whatever it calls; and then the answer is broken off where something had changed.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils.exercises.judge import report, short, unanswered

OLD = bytes(i * i % 251 for i in range(3_000))
LONG = bytes((7 * i + 13) % 256 for i in range(5_000))  # every byte, line ends too
SHORT = bytes((11 * i + 130) % 256 for i in range(1_000))
PLAIN, ODD = ("runs", "checkpoint.bin"), ("zwölf Läufe, 2", "der letzte Stand é")  # a folder and a name in it
CASES = ((PLAIN, OLD, SHORT), (ODD, OLD, LONG), (PLAIN, None, LONG), (ODD, None, SHORT))
NEIGHBOUR = "notes.txt"  # another file of the folder
BREAKS = 8  # moments to break off at, at most: an answer may write byte by byte
HARMLESS = (str, bytes, int, list, dict, tuple, set)  # their methods, and these functions, leave the disk alone
QUICK: set[Any] = {isinstance, len, hasattr, getattr, min, max, sys.intern, sys.audit, sys.getprofile, os.fspath}

RENAME = "write all of it under another name, path.with_name(path.name + '.part'), and rename that"
STRAIGHT = f"it writes straight into path: a kill in that moment leaves half a file. Better {RENAME}"
DELETED = "for a moment there is no file at path at all: part.replace(path) needs no deleting or moving before it"
COPIED = "copying to path is writing, which can be cut in half: rename instead, part.replace(path)"
EARLY = "it is renamed before all of it is on the disk: close the file first, by leaving its with block"
ELSEWHERE = (
    "the temporary file lies in another folder, maybe on another disk, where renaming is no single act: "
    "take path's own, with path.with_name(...) or dir=path.parent"
)
AFTER_ERROR = (
    "broken off in the middle, it still renames: finally and except run then, too. Rename after the last write"
)
STALE = "after a kill half a file is left under the other name, and the next save"


class _Killed(BaseException):
    """Breaks an answer off; no `except Exception` catches it."""


class _Disk:
    """All files below a folder, by name their number and their bytes: at each moment at which something had changed."""

    def __init__(self, folder: Path, break_at: int | None = None):
        self.folder, self.break_at = folder, break_at
        self.moments = [self._files()]

    def _files(self) -> dict[Path, tuple[int, bytes]]:
        found = {}
        for place, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(OSError), open(os.path.join(place, name), "rb", buffering=0) as file:
                    found[Path(place, name)] = os.fstat(file.fileno()).st_ino, file.read()
        return found

    def look(self) -> None:
        files = self._files()
        if files != self.moments[-1]:
            self.moments.append(files)

    def watch(self, answer: Callable, *arguments):
        """Call it, and look after each call it makes; break it off after so many changes."""

        def see(frame, event, argument) -> None:
            if event in ("call", "c_call") or (event == "c_return" and _is_harmless(argument)):
                return
            self.look()
            if self.break_at is not None and len(self.moments) > self.break_at and not _is_cleaning_up(frame):
                raise _Killed

        before = sys.getprofile()
        try:
            sys.setprofile(see)
            return answer(*arguments)
        finally:
            sys.setprofile(before if callable(before) else None)  # %prun's profiler is none that can be set again
            self.look()


def _is_harmless(function) -> bool:
    return isinstance(getattr(function, "__self__", None), HARMLESS) or function in QUICK


def _is_cleaning_up(frame) -> bool:
    """Is an object being deleted? An exception there would not break anything off, and only be printed."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


@contextlib.contextmanager
def _scene(case: tuple):
    """The path to write to, and the folder of all folders: others are for temporary files and to work in."""
    (folder, name), old, _ = case
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        root = Path(root).resolve()
        path, elsewhere = root / "disk" / folder / name, root / "elsewhere"
        path.parent.mkdir(parents=True)
        elsewhere.mkdir()
        (path.parent / NEIGHBOUR).write_bytes(b"another file")
        if old is not None:
            path.write_bytes(old)
        before = tempfile.tempdir
        try:
            tempfile.tempdir = str(elsewhere)
            with contextlib.chdir(elsewhere):
                yield path, root
        finally:
            tempfile.tempdir = before


def build_save(answer: Callable) -> None:
    """Exercise 15.2: ``save(path, data)`` writes bytes to a file, which at any moment is the old one or the new one.

    Judged by what is at the path at each moment of a call, with and without an earlier file; when the call is broken
    off; and when it is called again after that. Any way passes that lets the new file appear whole, by a rename within
    its folder, and leaves nothing else there.
    """

    def hint() -> str | None:
        if unanswered(answer):
            return None
        if not callable(answer):
            return f"a function of path and data is asked for, and it was {short(answer)}"
        changes = []
        for case in CASES:
            with _scene(case) as (path, root):
                disk = _Disk(root)
                try:
                    value = disk.watch(answer, path, case[2])
                except FileNotFoundError as error:
                    if case[1] is None:
                        return f"an earlier file may be there, or none, and with none it raised {error!r}"
                    raise
                if len(disk.moments) == 1:
                    return None if unanswered(value) else "nothing was written to path"
                if why := _wrong_end(disk, path, case) or _wrong_moment(disk, path, case) or _left(disk, path):
                    return why
                changes.append(len(disk.moments) - 1)
        for case, n in list(zip(CASES, changes, strict=True))[1:3]:  # one with an earlier file and one without
            for at in sorted({1 + i * (n - 1) // (BREAKS - 1) for i in range(BREAKS)}):
                if why := _wrong_when_broken_off(answer, case, at):
                    return why
        return ""

    raised = [
        ("a bytes-like object is required", "data are bytes: open the file with 'wb'"),
        ("must be str, not bytes", "data are bytes: open the file with 'wb', or write_bytes"),
        ("must be str or None, not bytes", "data are bytes: open the file with 'wb', or write_bytes"),
        ("data must be str", "data are bytes: write_bytes"),
        ("unsupported operand type(s) for +", "path is a Path: path.with_name(path.name + '.part')"),
        ("can only concatenate str", "path is a Path: path.with_name(path.name + '.part')"),
        ("Invalid suffix", "a suffix begins with a dot: '.part'"),
        ("cross-device", ELSEWHERE),
        ("File exists", "an earlier file may be there: replace, which takes its place"),
    ]
    report(hint, "Whoever looks sees the old file or the new one, never a part.", raised)


def _wrong_end(disk: _Disk, path: Path, case: tuple) -> str | None:
    """Are the bytes at path when the answer has returned?"""
    _, old, data = case
    last = {name: content for name, (_, content) in disk.moments[-1].items()}
    held = last.get(path)
    if held == data:
        return None
    if held is None or held == old:
        for name, content in last.items():
            if content == data and name.parent == path.parent:
                return f"the bytes are in {name.name!r}, and that was never renamed to {path.name!r}"
            if content == data:
                return "the bytes lie in another folder: rename to path, all of it, and not to path.name alone"
        if old is None:
            return "there is no file at path afterwards"
        was = "still holds the old bytes" if held == old else "is gone: part.replace(path), not path.replace(part)"
        return f"path {was}"
    if old is not None and held == old + data:
        return "the new bytes are appended to the old: the file should hold data alone"
    if held.startswith(data):
        return "behind the new bytes the end of the old ones is left: the file should hold data alone"
    if data.startswith(held):
        return f"only {len(held)} of the {len(data)} bytes are in the file"
    return "the file holds other bytes than data"


def _wrong_moment(disk: _Disk, path: Path, case: tuple) -> str | None:
    """Was the old file or the whole new one at path, at every moment? Only a rename changes all bytes in one act."""
    _, old, data = case
    for then, now in zip(disk.moments, disk.moments[1:], strict=False):
        before, after = then.get(path), now.get(path)
        if before == after:
            continue
        if after is None:
            return DELETED
        number, content = after
        names = [name for name, (other, _) in then.items() if other == number and name != path]
        copied = any(whole == data for name, (_, whole) in then.items() if name != path)
        if before is not None and before[0] == number:
            return COPIED if copied else STRAIGHT
        if names and not any(name.is_relative_to(path.parent) for name in names):
            return ELSEWHERE
        if content != data:
            return EARLY if names else COPIED if copied else STRAIGHT
        if not names:  # it came from outside, or one call has made and written it
            return STRAIGHT if old is None else ELSEWHERE
    return None


def _left(disk: _Disk, path: Path) -> str | None:
    first, last = disk.moments[0], disk.moments[-1]
    neighbour = path.parent / NEIGHBOUR
    if last.get(neighbour) != first[neighbour]:
        return f"{NEIGHBOUR!r}, another file of the folder, is not what it was"
    extra = [name.name for name in last if name not in (path, neighbour)]
    extra += [place.name for place in path.parent.iterdir() if place.is_dir()]
    return f"{extra[0]!r} is left behind: nothing but path should remain" if extra else None


def _wrong_when_broken_off(answer: Callable, case: tuple, at: int) -> str | None:
    _, old, data = case
    with _scene(case) as (path, root):
        with contextlib.suppress(Exception, SystemExit, _Killed):  # what it makes of that is its own business
            _Disk(root, at).watch(answer, path, data)
        held = path.read_bytes() if path.is_file() else None
        if held not in (old, data):
            return DELETED if held is None else AFTER_ERROR
        again = bytes(reversed(SHORT[:500]))
        try:
            answer(path, again)
        except (Exception, SystemExit) as error:
            return f"{STALE} fails on it: {error!r}"
        if path.read_bytes() != again:
            return f"{STALE} adds to it: 'wb' begins anew"
    return None
