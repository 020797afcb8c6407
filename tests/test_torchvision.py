"""Each case runs in a process of its own, because an operator once declared stays declared."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

# The package's own __init__ may prepare torchvision; these programs must see the time before that.
LOAD = """
import importlib.util, pathlib, sys, torch
spec = importlib.util.spec_from_file_location("prepare", "course_utils/_torchvision.py")
prepare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prepare)
"""
NEEDED = """
needed = not prepare._compiled_part_loads(pathlib.Path(importlib.util.find_spec("torchvision").origin).parent)
"""

needs_torchvision = pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")


def run(program: str) -> None:
    result = subprocess.run([sys.executable, "-c", LOAD + program], cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@needs_torchvision
def test_the_parts_written_in_python_work_after_preparing_and_operators_raise():
    run(f"""{NEEDED}
assert prepare.prepare_torchvision() == needed
assert "torchvision" not in sys.modules  # preparing is cheap: it imports nothing of it
assert prepare.prepare_torchvision() == needed  # and may be called again
import torchvision.datasets, torchvision.models, torchvision.ops, torchvision.transforms.v2 as v2, torchvision.utils
torchvision.utils.make_grid(v2.Resize(4)(torch.rand(1, 3, 8, 8)))
assert torchvision.models.resnet18().eval()(torch.rand(1, 3, 32, 32)).shape == (1, 1000)
try:
    torchvision.ops.nms(torch.rand(1, 4), torch.rand(1), 0.5)
    raised = False
except (RuntimeError, NotImplementedError):
    raised = True
assert raised == needed
""")


@needs_torchvision
def test_without_preparing_the_import_fails_where_preparing_is_needed_and_afterwards_it_is_not_too_late():
    run(f"""{NEEDED}
try:
    import torchvision
    failed = False
except RuntimeError as error:
    failed = "nms does not exist" in str(error)
assert failed == needed
if needed:  # another package may have helped itself to one of the two; declaring that twice would raise
    other = torch.library.Library("torchvision", "FRAGMENT")
    other.define(prepare.MISSING_SCHEMAS[0])
    assert prepare.prepare_torchvision()
import torchvision
""")


@needs_torchvision
def test_nothing_is_declared_where_the_compiled_part_loads_or_torchvision_is_absent_or_imported_already():
    run("""
loaded, find_spec = [], importlib.util.find_spec
torch.ops.load_library = loaded.append
assert prepare.prepare_torchvision() is False
assert len(loaded) == 1 and "_C" in loaded[0]
importlib.util.find_spec = lambda name: None
assert prepare.prepare_torchvision() is False
importlib.util.find_spec, sys.modules["torchvision"] = find_spec, object()
assert prepare.prepare_torchvision() is False
assert len(loaded) == 1 and not prepare._declared and not hasattr(torch.ops.torchvision, "nms")
""")
