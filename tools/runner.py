"""What the tools share: finding, running, normalising and writing notebooks.

Run as a script (`python tools/runner.py IN OUT REPORT SECONDS`) it executes one notebook; `run` starts it so in a
fresh process, because the peak memory of a kernel can only be read when it has ended, together with all other children.

There are two shelves: the course, `notebooks/NN_name.ipynb`, and its evidence, `notebooks/evidence/NN_name.ipynb`. The
same file name stands on both, so a notebook is known by its path below `notebooks/`.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path

# nbformat loads jsonschema, and that a checker of web addresses, which builds its grammar for seconds. Nobody needs it.
if "jsonschema" not in sys.modules:
    sys.modules.setdefault("rfc3987_syntax", None)

import nbformat
from tqdm import tqdm

from setup_env import alone

try:
    import resource
except ImportError:  # Windows has none
    resource = None

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
EVIDENCE = "evidence"  # the folder of the second shelf, inside the first
TIMEOUT = 45 * 60  # seconds a notebook; a slow and busy processor needs a third of it, so this only ends what hangs
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
WIDGET = "application/vnd.jupyter.widget-view+json"

for _stream in (sys.stdout, sys.stderr):
    with contextlib.suppress(AttributeError):  # a terminal that lacks a letter shows a question mark and goes on
        _stream.reconfigure(errors="replace")


class Unreadable(Exception):
    """A file that is no notebook; the text says which file and what is wrong with it."""


def shelf(folder=NOTEBOOKS, evidence=False):
    """The paths of one shelf of the notebooks in `folder`, in the order of the course."""
    return sorted(p for p in (Path(folder) / EVIDENCE if evidence else Path(folder)).glob("*.ipynb") if p.is_file())


def name_of(path, folder=NOTEBOOKS):
    """What a notebook is called: its path below `folder`, such as `03_pixel_cnn.ipynb` or `evidence/07_vae.ipynb`."""
    path, folder = Path(path).resolve(), Path(folder).resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def find(patterns=(), folder=NOTEBOOKS, evidence=False):
    """The notebooks whose name begins with one of the patterns (or contains it), all of them without a pattern.

    A pattern means the course's shelf, `evidence/03` the other one; with `evidence=True` every pattern means both.
    """
    course, beside = shelf(folder), shelf(folder, evidence=True)
    if not course + beside:
        sys.exit(f"There are no notebooks in {folder}/ yet.")
    if not patterns:
        return course + beside * evidence
    chosen = set()
    for pattern in patterns:
        pattern = pattern.removeprefix("notebooks/")
        plain = pattern.removeprefix(f"{EVIDENCE}/").removesuffix(".ipynb")
        own = beside if pattern.startswith(f"{EVIDENCE}/") else course
        found = _named(plain, own) + (_named(plain, course + beside) if evidence else [])
        if not found:
            sys.exit(f"No notebook matches {pattern}.")
        chosen.update(found)
    return [p for p in course + beside if p in chosen]


def _named(pattern, paths):
    return [p for p in paths if p.name.startswith(pattern)] or [p for p in paths if pattern in p.name]


def read(path):
    """The notebook at `path`. Raises Unreadable for anything that is not one, FileNotFoundError where nothing is."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror.lower()}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not a notebook: it is not text in UTF-8") from None
    if not text.strip():
        raise Unreadable(f"{path} is not a notebook: it is empty")
    try:
        return nbformat.reads(text, as_version=4)
    except Exception as error:  # nbformat lets through whatever its parser and its upgrades raise
        if re.search(r"^(<{7}|={7}|>{7})", text, re.M):
            raise Unreadable(f"{path} is not a notebook: it has the marks of a merge conflict (<<<<<<<)") from None
        raise Unreadable(f"{path} is not a notebook: {_first_line(error)[:120] or type(error).__name__}") from None


def read_all(paths):
    """The notebooks as a dictionary by path; stops with a sentence for each that cannot be read."""
    notebooks, wrong = {}, []
    for path in paths:
        try:
            notebooks[path] = read(path)
        except Unreadable as error:
            wrong.append(f"{error}.")
    if wrong:
        sys.exit("\n".join(wrong))
    return notebooks


def writable(folder):
    """The folder, made if need be; stops with a sentence and the way out where nothing can be written there."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        above = [p for p in (folder, *folder.parents) if not p.is_dir() and (p.exists() or p.is_symlink())]
        why = (error.strerror or str(error)).lower()
        if above:
            why = f"{above[0]} is a {'file' if above[0].exists() else 'link to nowhere'}"
        sys.exit(f"Nothing can be written to {folder}: {why}. Name another place: make … OUT=/tmp/course")
    return folder


def jobs(text):
    """The number of notebooks at a time, as argparse's `type`."""
    if not (text.strip().isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"JOBS must be a whole number from 1 on, got {text!r}")
    return int(text)


def write(path, content):
    """Write text or bytes so that a kill leaves either the old file or the new one, never half of one.

    A file that was there keeps its permissions, a new one gets those that the user's umask leaves; a link stays a link.
    """
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "xb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8"))
        if path.exists():
            os.chmod(part, stat.S_IMODE(path.stat().st_mode))
        os.replace(part, path)
    except OSError as error:  # a full disk does not say which file it had no place for
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder, way_out):
    """Hold the lock on a folder that is written to; another run waits, and says for what and what else can be done."""
    with alone(folder, f"Another run writes to {folder}: waiting until it has ended ({way_out}) …"):
        yield


def remove_parts(folder):
    """Remove what a killed run left half-written beside the notebooks; only for who holds the lock on the folder."""
    for path in [*Path(folder).glob(".*.ipynb.*.part"), *(Path(folder) / EVIDENCE).glob(".*.ipynb.*.part")]:
        path.unlink(missing_ok=True)


def said_by_checks(notebook):
    """Numbers of the cells tagged `check` that show something: one that passes has nothing to say."""
    code = [c for c in notebook.cells if c.cell_type == "code"]
    return [number for number, cell in enumerate(code, 1) if "check" in tags(cell) and cell.outputs]


def dumps(notebook):
    """The one way a notebook of this project is written as text."""
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def tags(cell):
    return set(cell.metadata.get("tags", []))


def source_hash(notebook):
    """Changes when something a reader wrote changes that outputs depend on; Markdown and alt texts do not count."""
    cells = [(c.source, sorted(tags(c))) for c in notebook.cells if c.cell_type == "code"]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def first_heading(notebook):
    match = next((re.search(r"^#\s+(.+)$", c.source, re.M) for c in notebook.cells if c.cell_type == "markdown"), None)
    return match.group(1).strip() if match else ""


# ---- running -------------------------------------------------------------------------------------------------------


def as_tool(main):
    """Run a tool's `main` as a program: Ctrl-C and a full disk end it in a sentence."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted; what was finished is kept.")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        sys.exit(f"{error.strerror or error}{where}. What was finished is kept; a file that was there is as it was.")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to tidy, so a last Ctrl-C need not be told


@cache
def loopback_works():
    """Whether two sockets can talk over 127.0.0.1, which a container without a network may not even have."""
    with contextlib.closing(socket.socket()) as server:
        try:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            socket.create_connection(server.getsockname(), timeout=2).close()
        except OSError:
            return False
    return True


def transport():
    """Arguments for a KernelManager: Jupyter's default, tcp over 127.0.0.1, or files where there is no loopback device.

    The files need an absolute path: Jupyter's default is relative and the kernel runs in another folder than we do.
    """
    if loopback_works():
        return {}
    return {"transport": "ipc", "ip": os.path.join(tempfile.mkdtemp(prefix="kernel-"), "ipc")}


def clean_environment(home):
    """What a kernel sees of the environment: all but what would make its outputs those of this user.

    Nobody's backend of matplotlib, profile of IPython, search path or encoding goes into stored outputs, and no `-O`
    takes the asserts out of checks. `home` is an empty folder for IPython.
    """
    foreign = ("MPLBACKEND", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT")
    foreign += ("PYTHONSAFEPATH", "PYTHONPLATLIBDIR", "PYTHONDEVMODE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    kept = {name: value for name, value in kept.items() if not name.startswith("JUPYTER_")}
    kept.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    kept.update(VECLIB_MAXIMUM_THREADS="1", PYDEVD_DISABLE_FILE_VALIDATION="1")
    kept.update(PYTHONPATH=str(ROOT), PYTHONIOENCODING="utf-8", PYTHONUTF8="1")
    # The kernel of this environment, even where the user has another one of the same name.
    # Its files lie in `home`, since the user's own home may be read-only.
    kept.update(
        dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), str(home))
    )
    kept.update(JUPYTER_PREFER_ENV_PATH="1")
    spec = importlib.util.find_spec("matplotlib")
    if spec:  # its own defaults; MPLCONFIGDIR stays, since the list of fonts lies there
        kept["MATPLOTLIBRC"] = str(Path(spec.origin).parent / "mpl-data" / "matplotlibrc")
    return kept


def run(path, out, timeout=TIMEOUT, name=None):
    """Execute one notebook in a fresh process, in its own folder; the executed copy goes to `out`.

    Returns a dictionary: name, seconds, peak_mb, cells (number, seconds, first line and id of each), and error, which
    is None or a dictionary with cell, message and source.
    """
    path, out, name = Path(path), Path(out), name or Path(path).name
    begun = time.perf_counter()

    def failed(message):
        error = {"cell": 0, "message": message, "source": ""}
        return dict(name=name, seconds=time.perf_counter() - begun, peak_mb=0.0, cells=[], error=error)

    try:
        read(path)
    except (Unreadable, FileNotFoundError) as error:
        return failed(str(error))
    with tempfile.TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True) as home:
        report = Path(home) / "report.json"
        # Its input is a pipe that closes when we end it or die ourselves; and a terminal's Ctrl-C reaches us alone.
        process = subprocess.Popen(
            [sys.executable, __file__, str(path), str(out), str(report), str(timeout)],
            env=clean_environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        _running.add(process)
        if _ending.is_set():
            process.stdin.close()
        try:
            stderr = process.stderr.read().decode("utf-8", "replace")
            process.wait()
            if report.exists():
                return {**json.loads(report.read_text(encoding="utf-8")), "name": name}
            said = stderr.strip().splitlines()[-1:] or ["no message"]
            return failed(f"the process that ran it ended with status {process.returncode}: {said[0]}")
        finally:
            _running.discard(process)
            process.stdin.close()
            process.stderr.close()


_running, _ending = set(), threading.Event()  # processes to end when we are ended, and whether we are


def end_with_parent():
    """End this process and its kernel as soon as the pipe on our input closes: who started us is dead or told us to."""
    os.read(0, 1)  # not sys.stdin.read, which would hold a lock that Python needs when it ends
    for client in _clients:
        process = getattr(getattr(client.km, "provisioner", None), "process", None)
        if process and process.poll() is None:
            process.kill()
    os._exit(1)


_clients = []  # of kernels that this process has started


def find_fonts():
    """Have matplotlib look for fonts once, here, and say here that it cannot keep their list, not in a notebook.

    Where the user's home cannot be written to, it makes a temporary folder and names it in the environment.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with contextlib.suppress(ImportError):
        importlib.import_module("matplotlib.font_manager")


def run_all(paths, out_of, jobs=2, folder=NOTEBOOKS, timeout=TIMEOUT, done=lambda path, result: None):
    """Run notebooks, `jobs` at a time, with a bar and a line for each; `done` sees a result and may add to its line."""
    names = {path: name_of(path, folder) for path in paths}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))  # so that `finally` below is reached
    find_fonts()
    pool, results, futures = ThreadPoolExecutor(jobs), {}, {}
    width = max(len(name) for name in names.values())
    try:
        # Longest first would end sooner, but in the order of the course a reader can begin with the first page.
        for path in paths:
            futures[pool.submit(run, path, out_of(path), timeout, names[path])] = path
        with tqdm(total=len(paths), unit=" notebooks", disable=None, leave=False, dynamic_ncols=True) as bar:
            for future in as_completed(futures):
                path, result = futures[future], future.result()
                results[path] = result
                line = f"{names[path]:{width}}  {result['seconds']:6.1f} s  {result['peak_mb']:6,.0f} MB"
                remark = done(path, result) or ""
                tqdm.write(f"{line}  {'FAILED' if result['error'] else remark}".rstrip(), file=sys.stdout)
                if result["error"]:
                    tqdm.write(describe(result), file=sys.stdout)
                elif slow := slowest(result, 3):
                    said = [f"In [{number}] {seconds:.1f} s {line[:40]}" for number, seconds, line, _ in slow]
                    tqdm.write("    slowest: " + " · ".join(said), file=sys.stdout)
                sys.stdout.flush()
                bar.update()
    except KeyboardInterrupt:
        sys.exit("Interrupted; what was finished is kept.")
    finally:
        _ending.set()
        for future in futures:
            future.cancel()
        for process in list(_running):
            with contextlib.suppress(OSError):
                process.stdin.close()
        pool.shutdown()
        _ending.clear()
    return [results[p] for p in paths]


def slowest(result, count=5, least=0.5):
    """The slowest cells of a result: number, seconds, first line, id; none that took less than `least` seconds."""
    cells = [cell for cell in result.get("cells", []) if cell[1] >= least]
    return sorted(cells, key=lambda cell: -cell[1])[:count]


def describe(result):
    """A failed notebook, its cell and its error, for a terminal."""
    error = result["error"]
    where = f"{result['name']}, cell In [{error['cell']}]" if error["cell"] else result["name"]
    source = error["source"].strip().splitlines()
    shown = [f"    | {line}" for line in source[:5]] + ["    | …"] * (len(source) > 5)
    return "\n".join([f"  {where}: {error['message']}", *shown])


class _Ended(Exception):
    """The notebook asked its kernel to end."""


def execute(notebook, folder, timeout=TIMEOUT, cells=None):
    """Run all cells of the notebook, in place. Returns None or the error as a dictionary.

    To the list `cells` it adds number, seconds, first line and id of every code cell that ran.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    deadline, at = time.monotonic() + timeout, {"cell": 0, "source": ""}
    begun, kernel = [0.0], []

    def started(cell, cell_index):
        before = notebook.cells[: cell_index + 1]
        at.update(cell=sum(c.cell_type == "code" and bool(c.source.strip()) for c in before), source=cell.source)
        begun[0] = time.perf_counter()

    def ended(cell, cell_index, execute_reply):
        if cells is not None:
            cells.append([at["cell"], time.perf_counter() - begun[0], _first_line(cell.source.strip()), cell.get("id")])
        if any(part.get("source") == "ask_exit" for part in execute_reply["content"].get("payload", [])):
            raise _Ended

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        config=Config(ConnectionFileMixin=transport()),
        resources={"metadata": {"path": str(folder)}},
        timeout_func=lambda cell: max(1, int(deadline - time.monotonic())),
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_notebook_start=lambda notebook: kernel.append(getattr(client.km.provisioner, "process", None)),
        on_cell_start=started,
        on_cell_executed=ended,
    )
    _clients.append(client)
    try:
        client.execute()
    except CellExecutionError as error:
        return {**at, "message": f"{error.ename}: {_first_line(error.evalue)}"}
    except CellTimeoutError:
        return {**at, "message": f"still running after {timeout:.0f} s, the time a notebook may take"}
    except DeadKernelError:
        return {**at, "message": f"the kernel died {why_it_died(kernel[0] if kernel else None)}"}
    except _Ended:
        return {**at, "message": "the notebook ended its kernel (exit or quit); no cell after this one ran"}
    return None


def why_it_died(process):
    """The cause, as far as the exit status of a kernel's process tells it."""
    status = process.poll() if process else None
    if status is None:
        return "(why is not known)"
    if status == -9:  # SIGKILL, a name that Windows lacks
        return "(killed from outside, perhaps for lack of memory)"
    if status < 0:
        return f"({signal.Signals(-status).name}, a fault in compiled code)"
    return f"(its process ended with status {status})"


def peak_mb():
    """The largest memory of a child that has ended, in megabytes; 0 on Windows, which forgets it with the child."""
    if resource is None:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # bytes on macOS, kilobytes elsewhere
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _first_line(text):
    return next(iter(str(text).splitlines()), "")


# ---- normal form ---------------------------------------------------------------------------------------------------


def normalise(notebook):
    """Bring a notebook into the one form that is stored, in place: what is not reproducible or not ours is dropped."""
    course = notebook.metadata.get("course")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    if course:
        notebook.metadata["course"] = course
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first version whose cells have ids
    known, seen = {"alt", "jupyter", "slideshow", "tags"}, set()
    for number, cell in enumerate(notebook.cells, 1):
        if not cell.get("id") or cell["id"] in seen:
            cell["id"] = f"cell-{number}-{hashlib.sha256(cell.source.encode()).hexdigest()[:6]}"
        seen.add(cell["id"])
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in known and v not in ([], {})})
        cell.source = cell.source.rstrip()
        if cell.cell_type != "code":
            continue
        if tags(cell) & {"solution", "check"}:
            cell.metadata.setdefault("jupyter", nbformat.from_dict({}))["source_hidden"] = True
        cell.outputs = merge_streams(cell.outputs)
        for output in cell.outputs:
            describe_images(cell, output)
    return notebook


def merge_streams(outputs):
    """One stream output for stdout and one for stderr, at the place of its first piece, without overwritten text."""
    merged, first = [], {}
    for output in outputs:
        if output.output_type == "stream" and output.name in first:
            first[output.name].text += output.text
        else:
            merged.append(output)
            if output.output_type == "stream":
                first[output.name] = output
    for output in first.values():
        output.text = re.sub(r"^.*\r(?=[^\n])", "", output.text, flags=re.M)  # what a progress bar painted over
    return [o for o in merged if o.output_type != "stream" or o.text]


def keep_the_picture(data):
    """Drop the widget from an output that has a picture beside it: stored, it has no kernel and shows an error."""
    if WIDGET in data and any(kind.startswith("image/") or kind == "text/html" for kind in data):
        del data[WIDGET]


def describe_images(cell, output):
    """Copy the cell's alt text to where IPython's own `Image(alt=…)` keeps it, beside each picture.

    A cell without one leaves what the picture brought along: a figure knows what it draws.
    """
    data = output.get("data", {})
    keep_the_picture(data)
    for kind in data:
        if kind.startswith("image/") and cell.metadata.get("alt"):
            output.metadata.setdefault(kind, nbformat.from_dict({}))["alt"] = cell.metadata["alt"]


def main(path, out, report, timeout):
    threading.Thread(target=end_with_parent, daemon=True).start()
    notebook, begun, cells = read(path), time.perf_counter(), []
    error = execute(notebook, Path(path).resolve().parent, float(timeout), cells)
    seconds = time.perf_counter() - begun
    write(out, dumps(normalise(notebook)))
    result = {"name": Path(path).name, "seconds": seconds, "error": error, "cells": cells, "peak_mb": peak_mb()}
    write(report, json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
