"""What a GPU is needed for, in under twelve minutes: `make gpu`.

The unit tests on CUDA, the speed figures, and a row of the published tables. Each step writes what it found as it ends
(build/gpu/<step>.log, benchmarks/results/*_cuda.json), so that whoever loses the machine loses one step.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["-m", "pytest", "-p", "no:nbval", "-o", "addopts=--import-mode=importlib", "-q"]
STEPS = {  # name: what python is called with, and the seconds that it may take at most
    "tests": ([*TESTS, "tests/test_gpu.py"], 150),
    "sampling": (["benchmarks/sampling.py", "--device", "cuda", "--only", "GatedPixelCNN", "--pairs", "1"], 60),
    "training": (["benchmarks/training.py", "--device", "cuda"], 60),
    "published": (["benchmarks/published.py", "gated_pixel_cnn_gpu", "--accelerator", "cuda", "--every", "200"], 540),
}


def main(out=ROOT / "build" / "gpu", steps=STEPS, run=subprocess.run):
    """Run the steps; the exit status is the number of those that failed."""
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, (arguments, most) in steps.items():
        begun, log = time.monotonic(), out / f"{name}.log"
        command = [sys.executable, *arguments]
        if name == "published" and (ROOT / "build/published/gated_pixel_cnn_gpu/checkpoint.safetensors").exists():
            command.append("--resume")
        with log.open("w", encoding="utf-8") as file:
            try:
                done = run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, timeout=most).returncode
            except subprocess.TimeoutExpired:
                done = f"broken off after {most} s; make gpu goes on from its last checkpoint, if it has one"
        failed += done != 0
        print(f"{name:<10}{time.monotonic() - begun:6.0f} s   {'ok' if done == 0 else done}   {log}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
