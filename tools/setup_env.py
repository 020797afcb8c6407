"""Make .venv with everything the course needs, in the versions of constraints.txt.

Run by the Makefile with the system's Python. It must at least start on an old one, to say in one sentence what is
missing; so nothing here is newer than Python 3.6, and nothing is imported from outside the standard library.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (3, 11)
NO_NETWORK = re.compile(
    "name resolution|nodename nor servname|getaddrinfo|Name or service not known|NewConnectionError|NameResolutionError"
    "|Network is unreachable|Failed to establish a new connection|ProxyError|ConnectTimeoutError|Read timed out",
    re.IGNORECASE,
)


def stop(sentence):
    sys.exit(sentence)  # to stderr, with exit status 1


def check_python(version=sys.version_info, which=shutil.which):
    """Stop with one sentence unless this Python can make the environment."""
    if tuple(version[:2]) < NEEDED:
        newer = [name for name in ("python3.13", "python3.12", "python3.11") if which(name)]
        way_out = "install a newer one, then name it: make PYTHON=python3.12"
        if newer:
            way_out = "run make PYTHON=%s" % newer[0]
        stop("The course needs Python 3.11 or newer, but this is Python %d.%d: %s." % (version[0], version[1], way_out))
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            stop(
                "This Python lacks its module %s: install it (on Debian and Ubuntu: "
                "sudo apt install python3-venv), then run make again." % module
            )


def fingerprint(root):
    """What the environment depends on: the two files, the Python version and the place of the project."""
    content = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        content.update((root / name).read_bytes())
    content.update(("%s %s" % (root, sys.version_info[:2])).encode())
    return content.hexdigest()


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
        return "The disk is full: the course needs about 3 GB (7 GB with a CUDA build of torch)."
    errors = re.findall(r"^\s*(?:ERROR|error): (.*)", log, re.MULTILINE)
    return "pip failed: %s (all it said is in build/setup.log)." % (
        errors[-1].rstrip(".") if errors else "no reason given"
    )


def install(python, root):
    """Run pip in the environment; its whole output goes to build/setup.log."""
    (root / "build").mkdir(exist_ok=True)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "-c", "constraints.txt", "-e", ".[test]"]
    env = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")  # a user-wide `--user` setting cannot work in a venv
    log, display = [], Display()
    try:
        with open(str(root / "build" / "setup.log"), "w", encoding="utf-8") as file:
            pip = subprocess.Popen(
                command,
                cwd=str(root),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            for raw in pip.stdout:
                line = raw.decode("utf-8", "replace")
                file.write(line)
                file.flush()
                log.append(line)
                display.line(line)
            failed = pip.wait()
    finally:
        display.close()
    return "".join(log) if failed else None


def make_venv(venv):
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        stop("Python could not make .venv: %s" % " ".join(made.stdout.decode("utf-8", "replace").split())[:300])


def main(root=ROOT):
    check_python()
    venv, stamp, unfinished = root / ".venv", root / ".venv" / "ready", root / ".venv" / "unfinished"
    python = venv / "bin" / "python"
    wanted = fingerprint(root)
    if stamp.exists() and stamp.read_text() == wanted:
        os.utime(str(stamp), None)  # the files are only newer, not different: nothing to do
        return
    print("Setting up .venv (once; some minutes, depending on the network) …", flush=True)
    # An installation that was killed may have left half a package, which pip would take for a whole one.
    usable = not unfinished.exists() and python.exists()
    usable = usable and subprocess.call([str(python), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    if not usable:
        make_venv(venv)
    unfinished.touch()
    if stamp.exists():
        stamp.unlink()
    log = install(python, root)
    if log is not None:
        if "Installing collected packages" not in log:
            unfinished.unlink()  # pip downloads everything before it installs anything: nothing is half done
        stop(explain(log))
    unfinished.unlink()
    stamp.write_text(wanted)
    print("The environment is ready.", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("\nInterrupted: run make again, it starts the set-up over.")
