"""What the tools share: finding, running, normalising and writing notebooks.

Run as a script (`python tools/runner.py IN OUT REPORT CWD SECONDS`) it executes one notebook; `run` starts it so in a
fresh process, because the peak memory of a kernel can only be read when it has ended, together with all other children.
"""

import contextlib
import hashlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import nbformat
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
TIMEOUT = 15 * 60  # seconds a notebook; the longest takes a few minutes, so this only ends what hangs
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def find(patterns=(), folder=NOTEBOOKS):
    """The notebooks whose name begins with one of the patterns (or contains it), all of them without a pattern."""
    paths = sorted(Path(folder).glob("*.ipynb"))
    chosen = [p for p in paths if not patterns or any(p.name.startswith(n) for n in patterns)]
    chosen = chosen or [p for p in paths if any(n in p.name for n in patterns)]
    if not chosen:
        sys.exit(f"No notebook matches {' '.join(patterns)}." if paths else f"There are no notebooks in {folder}/ yet.")
    return chosen


def read(path):
    return nbformat.read(path, as_version=4)


def write(path, content):
    """Write text or bytes so that a kill leaves either the old file or the new one, never half of one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8"))
        os.chmod(part, 0o644)  # mkstemp makes files that only their owner may read
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


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


def run(path, out, folder=None, timeout=TIMEOUT):
    """Execute one notebook in a fresh process; the executed copy goes to `out`.

    Returns a dictionary: name, seconds, peak_mb and error, which is None or a dictionary with cell, message and source.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    report = out.with_name(f".{out.name}.report.part")
    command = [
        sys.executable,
        __file__,
        str(path),
        str(out),
        str(report),
        str(folder or Path(path).parent),
        str(timeout),
    ]
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
    )
    # The kernel of this environment, even where the user has another one of the same name.
    jupyter = {"JUPYTER_PREFER_ENV_PATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **threads, **jupyter}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    _running.add(process)
    try:
        stderr = process.communicate()[1]
        if report.exists():
            return json.loads(report.read_text(encoding="utf-8"))
        said = stderr.strip().splitlines()[-1:] or ["no message"]
        error = {"cell": 0, "message": f"the process that ran it ended with status {process.returncode}: {said[0]}"}
        return dict(
            name=Path(path).name, seconds=time.perf_counter() - begun, peak_mb=0.0, error={**error, "source": ""}
        )
    finally:
        _running.discard(process)
        report.unlink(missing_ok=True)


_running = set()  # processes to end when we are ended


def run_all(paths, out_of, jobs=2, folder=None, timeout=TIMEOUT, done=lambda path, result: None):
    """Run notebooks, `jobs` at a time, with a bar and a line for each; `done` sees a result and may add to its line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))  # so that `finally` below is reached
    pool, results = ThreadPoolExecutor(jobs), {}
    # Longest first would end sooner, but in the order of the course a reader can begin with the first page.
    futures = {pool.submit(run, p, out_of(p), folder, timeout): p for p in paths}
    width = max(len(p.name) for p in paths)
    try:
        with tqdm(total=len(paths), unit=" notebooks", disable=None, leave=False, dynamic_ncols=True) as bar:
            for future in as_completed(futures):
                path, result = futures[future], future.result()
                results[path] = result
                line = f"{path.name:{width}}  {result['seconds']:6.1f} s  {result['peak_mb']:6,.0f} MB"
                remark = done(path, result) or ""
                tqdm.write(f"{line}  {'FAILED' if result['error'] else remark}".rstrip(), file=sys.stdout)
                if result["error"]:
                    tqdm.write(describe(result), file=sys.stdout)
                sys.stdout.flush()
                bar.update()
    except KeyboardInterrupt:
        sys.exit("Interrupted; what was finished is kept.")
    finally:
        for future in futures:
            future.cancel()
        for process in list(_running):
            process.terminate()
        pool.shutdown()
    return [results[p] for p in paths]


def describe(result):
    """A failed notebook, its cell and its error, for a terminal."""
    error = result["error"]
    where = f"{result['name']}, cell In [{error['cell']}]" if error["cell"] else result["name"]
    source = error["source"].strip().splitlines()
    shown = [f"    | {line}" for line in source[:5]] + ["    | …"] * (len(source) > 5)
    return "\n".join([f"  {where}: {error['message']}", *shown])


def execute(notebook, folder, timeout=TIMEOUT):
    """Run all cells of the notebook, in place. Returns None or the error as a dictionary."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    deadline, at = time.monotonic() + timeout, {"cell": 0, "source": ""}

    def started(cell, cell_index):
        before = notebook.cells[: cell_index + 1]
        at.update(cell=sum(c.cell_type == "code" and bool(c.source.strip()) for c in before), source=cell.source)

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
        on_cell_start=started,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return {**at, "message": f"{error.ename}: {_first_line(error.evalue)}"}
    except CellTimeoutError:
        return {**at, "message": f"still running after {timeout:.0f} s, the time a notebook may take"}
    except DeadKernelError:
        return {**at, "message": "the kernel died (killed, perhaps for lack of memory)"}
    return None


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
        if "solution" in tags(cell):
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
    """Copy the cell's alt text to where IPython's own `Image(alt=…)` keeps it: beside each picture."""
    data = output.get("data", {})
    keep_the_picture(data)
    for kind in data:
        if kind.startswith("image/"):
            output.metadata.setdefault(kind, nbformat.from_dict({})).pop("alt", None)
            if cell.metadata.get("alt"):
                output.metadata[kind]["alt"] = cell.metadata["alt"]
            if not output.metadata[kind]:
                del output.metadata[kind]


def main(path, out, report, folder, timeout):
    notebook, begun = read(path), time.perf_counter()
    error = execute(notebook, folder, float(timeout))
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # bytes on macOS, kilobytes elsewhere
    write(out, dumps(normalise(notebook)))
    result = {"name": Path(path).name, "seconds": seconds, "error": error}
    result["peak_mb"] = peak / (2**20 if sys.platform == "darwin" else 2**10)
    write(report, json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
