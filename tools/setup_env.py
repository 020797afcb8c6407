"""Make .venv with everything the course needs, in the versions of constraints.txt.

A set-up may be killed at any moment, and two may be started at once: the next one repairs, the second one waits.
Run by make.py with the system's Python. It must at least start on an old one, to say in one sentence what is
missing; so nothing here is newer than Python 3.6, and nothing is imported from outside the standard library.
"""

import ast
import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has msvcrt
    import msvcrt

    fcntl = None

ROOT = Path(__file__).resolve().parent.parent
NEEDED, KNOWN = (3, 11), (3, 14)  # the least, and the newest that has been tried
NO_NETWORK = re.compile(
    "name resolution|nodename nor servname|getaddrinfo|Name or service not known|NewConnectionError|NameResolutionError"
    "|Network is unreachable|Failed to establish a new connection|ProxyError|ConnectTimeoutError|Read timed out"
    "|dns error|error sending request",
    re.IGNORECASE,
)


def stop(sentence):
    sys.exit(sentence)  # to stderr, with exit status 1


def try_lock(handle):
    """Lock an open file; False if another process has it. A file system that knows no locks lets everybody in."""
    try:
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        return not isinstance(error, BlockingIOError if fcntl else PermissionError)
    return True


@contextlib.contextmanager
def alone(folder, busy):
    """Hold a lock on a folder, which dies with its process; who has to wait for it says `busy`. Gives its handle.

    The folder itself is locked, so that no file of ours stays in it. Windows locks only files: there it is one of the
    user's temporary files.
    """
    place, flags = str(folder), os.O_RDONLY
    if fcntl is None:
        name = "what-i-cannot-create-%s.lock" % hashlib.sha256(os.path.realpath(place).encode()).hexdigest()[:16]
        place, flags = os.path.join(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT
    handle = os.open(place, flags)
    try:
        if not try_lock(handle):
            print(busy, flush=True)
            while not try_lock(handle):
                time.sleep(0.2)
        yield handle
    finally:
        os.close(handle)  # which unlocks


def check_python(version=sys.version_info, which=shutil.which):
    """Stop with one sentence unless this Python can make the environment."""
    if tuple(version[:2]) < NEEDED:
        newer = [minor for minor in range(KNOWN[1], NEEDED[1] - 1, -1) if which("python3.%d" % minor)]
        command = "py -3.%d make.py lab" if os.name == "nt" else "make lab PYTHON=python3.%d"
        way_out = ("run " if newer else "install a newer one, then ") + command % (newer[0] if newer else 13)
        stop("The course needs Python 3.11 or newer, but this is Python %d.%d: %s." % (version[0], version[1], way_out))
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            stop(
                "This Python lacks its module %s: install it (on Debian and Ubuntu: "
                "sudo apt install python3-venv), then run make again." % module
            )


def fingerprint(root, version=None):
    """What the environment depends on: the two files, its Python's version and the place of the project."""
    content = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        content.update((root / name).read_bytes())
    content.update(("%s %s" % (root, tuple(version or sys.version_info[:2]))).encode())
    return content.hexdigest()


def version_of(venv):
    """The Python version of an environment as (3, 11), which need not be that of whoever asks; or None."""
    try:
        text = (venv / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", text, re.MULTILINE)
    return (int(found.group(1)), int(found.group(2))) if found else None


def python_of(venv):
    """The path of an environment's Python, which Windows keeps elsewhere."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def contents(venv):
    """The names in the environment's site-packages: packages, and the folders that say which version each has."""
    where = "Lib/site-packages/*" if os.name == "nt" else "lib/python*/site-packages/*"
    names = [path.name for path in venv.glob(where)]
    return sorted(name for name in names if not name.startswith(("__pycache__", "~")))


def is_ready(root):
    """Whether the environment is as it was left: a few file operations, because every command asks.

    A Python that is gone (its system was updated) and a package that was removed or replaced are noticed; that a
    package has what it should is found out by `verify`, which takes seconds.
    """
    venv = root / ".venv"
    stamp, listing = venv / "ready", venv / "installed"
    try:
        # exists() follows the link: one that leads nowhere is no Python
        if (venv / "unfinished").exists() or not python_of(venv).exists():
            return False
        if stamp.read_text(encoding="utf-8") != fingerprint(root, version_of(venv)):
            return False
        if not listing.exists():
            return True
        return set(listing.read_text(encoding="utf-8").split("\n")) <= set(contents(venv))
    except (OSError, UnicodeDecodeError):
        return False


VERIFY = """
import importlib, importlib.metadata, pathlib, re, sys, tomllib
root = pathlib.Path(sys.argv[1]).resolve()
project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
missing = []
for line in project["dependencies"] + project["optional-dependencies"]["test"]:
    name = re.match("[A-Za-z0-9_.-]+", line)[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        missing.append(name)
if missing:
    sys.exit("missing: " + ", ".join(missing))
# matplotlib looks for fonts once; here, and not as a warning in the first notebook
for name in ("numpy", "torch", "matplotlib.font_manager", "ipykernel", "jupyterlab", "nbclient", "nbconvert", "pytest"):
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit("%s cannot be imported (%s: %s)" % (name, type(error).__name__, str(error).split("\\n")[0]))
found = importlib.util.find_spec("course_utils")
if found is None or not pathlib.Path(found.origin).resolve().is_relative_to(root):
    sys.exit("course_utils is not the one of this project: " + str(found and found.origin))
"""


def verify(python, root):
    """None if the environment works, else what is wrong with it, in a few words."""
    # -I: what a search path of the user's would find is not in the environment
    command = [str(python), "-I", "-c", VERIFY, str(root)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return None if done.returncode == 0 else (said[-1] if said else "its Python does not start")


class Display:
    """Shows what pip is doing: one line that changes in a terminal, few lines elsewhere (a log of a server)."""

    def __init__(self, stream=sys.stdout):
        self.stream, self.live = stream, stream.isatty()
        self.begun, self.said, self.collected, self.doing = time.time(), time.time(), 0, "starting pip"
        self.finished = threading.Event()
        if self.live:
            # A thread, because pip is silent during a long download and the seconds should still count.
            self.ticker = threading.Thread(target=self.tick, daemon=True)
            self.ticker.start()

    def tick(self):
        while not self.finished.wait(0.5):
            self.draw()

    def draw(self):
        text = "  %3d s  %s" % (time.time() - self.begun, self.doing)
        self.stream.write("\r\033[K" + text[: shutil.get_terminal_size().columns - 1])
        self.stream.flush()

    def say(self, text):
        self.doing, self.said = text, time.time()
        if not self.live:
            self.stream.write("  %3d s  %s\n" % (time.time() - self.begun, text))
            self.stream.flush()

    def line(self, line):
        """Take one line of pip's output."""
        word = line.split()
        if line.startswith("Collecting "):
            self.collected += 1
            self.doing = "package %d: %s" % (self.collected, word[1])
            if not self.live and time.time() - self.said > 5:
                self.say(self.doing)
        elif line.lstrip().startswith("Downloading ") and re.search(r"\(\d{2,}(\.\d+)? MB\)|GB\)", line):
            self.say("downloading " + word[1].rsplit("/", 1)[-1] + " " + " ".join(word[2:]))
        elif line.startswith("Installing collected packages"):
            count = len(line.split(","))
            self.say(
                "installing %d package%s" % (count, "s (about a minute)" if count > 9 else "s" if count > 1 else "")
            )

    def close(self):
        self.finished.set()
        if self.live:
            self.ticker.join()
            self.stream.write("\r\033[K")


def explain(log):
    """One sentence for a failed pip."""
    if NO_NETWORK.search(log):
        return (
            "The set-up has to download packages once and there is no network "
            "(or it broke off): connect and run make again."
        )
    if "No space left on device" in log:
        return (
            "The disk is full, or that of temporary files (%s): the course needs about 3 GB "
            "(7 GB with a CUDA build of torch)." % tempfile.gettempdir()
        )
    if sys.version_info[:2] > KNOWN:
        return (
            "pip failed under Python %d.%d; the course has been tried with 3.11 to 3.14: name one of these, as in "
            "make lab PYTHON=python3.14 (what pip said is in .venv/setup.log)." % sys.version_info[:2]
        )
    errors = re.findall(r"^\s*(?:ERROR|error): (.*)", log, re.MULTILINE)
    return "pip failed: %s (all it said is in .venv/setup.log)." % (
        errors[-1].rstrip(".") if errors else "no reason given"
    )


# What of the user's settings pip needs to find packages. The others (--user, --prefix, --target, --no-deps, another
# Python, requirements and constraints of other projects) are about other installations, and break this one.
KEPT_SETTINGS = (
    "index-url extra-index-url no-index find-links cert client-cert proxy trusted-host timeout default-timeout retries "
    "cache-dir no-cache-dir keyring-provider prefer-binary use-feature"
).split()


def pip_environment(python):
    """The environment for pip: without the user's files and variables of settings, but with those in KEPT_SETTINGS."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONSAFEPATH")
    env = {name: value for name, value in os.environ.items() if name not in foreign and not name.startswith("PIP_")}
    env.update(PYTHONUNBUFFERED="1", PYTHONUTF8="1", PYTHONIOENCODING="utf-8")
    files = {name: os.environ[name] for name in ("PIP_CONFIG_FILE",) if name in os.environ}
    # pip itself says what its files set: lines such as global.index-url='…'. It is asked without the variables, some of
    # which (PIP_USER, PIP_QUIET) change what it says; the variables come last, since they are stronger than files.
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, env=dict(env, **files), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    env["PIP_CONFIG_FILE"] = os.devnull
    settings = {"global": {}, "install": {}}
    for line in listed.stdout.decode("utf-8", "replace").splitlines():
        match = re.match(r"(global|install)\.([\w-]+)=(.*)$", line.strip())
        if match:
            try:
                settings[match.group(1)][match.group(2)] = str(ast.literal_eval(match.group(3)))
            except (SyntaxError, ValueError):
                continue
    for name in KEPT_SETTINGS:
        variable = "PIP_" + name.replace("-", "_").upper()
        value = settings["install"].get(name, settings["global"].get(name, ""))
        value = os.environ.get(variable, "") or value
        if value:
            env[variable] = " ".join(value.split())
    return env


def commands(python, torch="", pins=""):
    """What is run in the environment, one after the other.

    With `torch` "cpu", uv first installs the build of PyTorch that has no GPU libraries, since it knows where such
    builds are; pip then finds the pinned version installed, whatever its build, and leaves it alone. With `pins`
    "none" the newest versions are installed that pyproject.toml allows.
    """
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    for name, value, known in (("TORCH", torch, "cpu"), ("PINS", pins, "none")):
        if value not in ("", known):
            stop("%s is %s or nothing, got %r." % (name, known, value))
    pinned = [] if pins else ["-c", "constraints.txt"]
    pip += pinned
    first = []
    if torch == "cpu":
        uv = [str(python), "-m", "uv", "pip", "install", "--python", str(python), "--torch-backend", "cpu"]
        first = [pip + ["uv"], uv + pinned + ["torch", "torchvision"]]
    return first + [pip + ["-e", ".[test]"]]


def install(python, root, lock=None):
    """Run pip in the environment; its whole output goes to .venv/setup.log, and is returned if it failed, else None.

    pip keeps the lock, too: if this process is killed, the next set-up waits until its pip has ended as well.
    """
    env = pip_environment(python)
    todo = commands(python, os.environ.get("TORCH", ""), os.environ.get("PINS", ""))
    log, display, failed, pip = [], Display(), 0, None
    kept = {"pass_fds": (lock,)} if lock is not None and os.name != "nt" else {}
    try:
        with open(str(root / ".venv" / "setup.log"), "w", encoding="utf-8") as file:
            for command in todo:
                pip = subprocess.Popen(
                    command,
                    cwd=str(root),
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    **kept,
                )
                for raw in pip.stdout:
                    line = raw.decode("utf-8", "replace")
                    file.write(line)
                    file.flush()
                    log.append(line)
                    display.line(line)
                failed = pip.wait()
                if failed:
                    break
    finally:
        display.close()
        if pip and pip.poll() is None:  # interrupted, or the log cannot be written
            pip.terminate()
            pip.wait()
    return "".join(log) if failed else None


def advice(system=sys.platform, environment=os.environ, exists=os.path.exists):
    """On Linux without a GPU, how to save gigabytes; empty where that is no question."""
    told = environment.get("TORCH") or any("INDEX" in name or name == "PIP_FIND_LINKS" for name in environment)
    if told or not system.startswith("linux") or exists("/proc/driver/nvidia") or exists("/dev/kfd"):
        return ""
    return "There is no GPU here: with TORCH=cpu (make lab TORCH=cpu) this downloads gigabytes less."


def make_venv(venv):
    """An environment without packages, marked as unfinished before there is anything in it."""
    venv.mkdir(exist_ok=True)
    (venv / "unfinished").touch()
    # what `venv --clear` does, but for the mark; a link to a folder elsewhere stays a link
    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path.name != "unfinished":
            path.unlink()
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        stop("Python could not make .venv: %s" % " ".join(made.stdout.decode("utf-8", "replace").split())[-300:])


def main(root=ROOT):
    if is_ready(root):
        return
    check_python()
    with alone(root, "Another set-up is at work here: waiting until it has ended …") as lock:
        if not is_ready(root):
            set_up(root, lock)


def set_up(root, lock=None):
    venv = root / ".venv"
    stamp, unfinished, python = venv / "ready", venv / "unfinished", python_of(venv)
    if not venv.is_dir() and (venv.exists() or venv.is_symlink()):
        stop(".venv is %s: remove it, then run make again." % ("a file" if venv.exists() else "a link to nowhere"))
    again = stamp.exists() and stamp.read_bytes() == fingerprint(root, version_of(venv)).encode()
    what = "Repairing .venv: its Python is gone, or a package" if again else "Setting up .venv"
    print("%s (once; some minutes, depending on the network) …" % what, flush=True)
    if advice():
        print(advice(), flush=True)
    # An installation that was killed may have left half a package, which pip would take for a whole one.
    usable = not unfinished.exists() and python.exists()
    usable = usable and subprocess.call([str(python), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    while True:
        fresh = not usable
        if fresh:
            make_venv(venv)
        unfinished.touch()
        if stamp.exists():
            stamp.unlink()
        log = install(python, root, lock=lock)
        if log is not None:
            if "Installing collected packages" not in log:
                unfinished.unlink()  # pip downloads everything before it installs anything: nothing is half done
            stop(explain(log))
        wrong = verify(python, root)
        if wrong is None:
            break
        if fresh:
            stop("pip ended well, but the environment does not work: %s (see .venv/setup.log)." % wrong.rstrip("."))
        usable = False  # pip takes a package for installed whose files are gone: start from nothing
    (venv / "installed").write_text("\n".join(contents(venv)), encoding="utf-8")
    unfinished.unlink()
    stamp.write_text(fingerprint(root, version_of(venv)), encoding="utf-8")
    print("The environment is ready.", flush=True)


if __name__ == "__main__":
    if os.name == "nt":
        os.system("")  # switches on the sequence that clears a line
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows a question mark and goes on
    try:
        main()
    except KeyboardInterrupt:
        stop("\nInterrupted: run make again, it starts the set-up over.")
    except OSError as error:
        stop("The set-up cannot write %s: %s." % (error.filename or ROOT, error.strerror or error))
