"""Write constraints.txt: one version of every package the project can pull in, valid for Linux, macOS and Windows.

uv resolves for all platforms at once; pip, which the set-up uses, can only resolve for the machine it runs on.
Torch and torchvision stay at the tested pair: change TESTED, run this, then run everything.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTED = ("torch==2.13.0", "torchvision==0.28.0")
EXTRAS = ("test", "cpu", "diff", "site", "scale")
HEADER = """\
# Every package the project can pull in (extras: {extras}), one version each,
# for Python 3.11 to 3.14 on Linux, macOS and Windows. Written by `make pins` (tools/pins.py), not by hand.
# Torch and torchvision are the pair that was tested.
"""


def main():
    if shutil.which("uv") is None:
        sys.exit("make pins needs uv: install it with `pip install uv`.")
    command = ["uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"]
    # One version each, also where a newer Python would get a newer release: everybody runs the same code.
    command += ["--fork-strategy", "fewest", "--no-annotate", "--no-header", "--quiet", "--constraints", "-"]
    command += [part for extra in EXTRAS for part in ("--extra", extra)]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(TESTED), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("uv found no versions that fit together; constraints.txt is unchanged.")
    part = ROOT / "constraints.txt.part"
    part.write_text(HEADER.format(extras=", ".join(EXTRAS)) + done.stdout, encoding="utf-8")
    part.replace(ROOT / "constraints.txt")


if __name__ == "__main__":
    main()
