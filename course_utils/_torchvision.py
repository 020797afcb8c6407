"""Make `import torchvision` work beside a build of torch that torchvision was not compiled for.

Read this only if `RuntimeError: operator torchvision::nms does not exist` brought you here.
"""

import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch

# torchvision is published only as a build against CUDA torch. Beside a CPU build its compiled part cannot load, and a
# line of its Python fails: it describes the shapes of these two operators, which nobody has declared. With the
# declarations in place everything written in Python (data sets, transforms, models) runs; calling one of the two
# operators still raises, as it should.
MISSING_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_declared: list[torch.library.Library] = []  # a declaration lives only as long as its Library object


def prepare_torchvision() -> bool:
    """Declare the operators that torchvision misses where its compiled part cannot load; call before importing it.

    Costs some milliseconds, never imports torchvision's Python code, and may be called again.

    Returns:
        True if the declarations were needed and are in place, False where torchvision is absent, already imported,
        or works by itself.
    """
    if _declared:
        return True
    if "torchvision" in sys.modules:
        return False
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _compiled_part_loads(Path(spec.origin).parent):
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in MISSING_SCHEMAS:
        # Another package may have helped itself in the same way; declaring an operator twice is an error.
        if not hasattr(torch.ops.torchvision, schema.split("(")[0]):
            library.define(schema)
    _declared.append(library)
    return True


def _compiled_part_loads(folder: Path) -> bool:
    """Whether torchvision's own operators load; where they do, they stay loaded and nothing is left to do."""
    candidates = (folder / f"_C{suffix}" for suffix in EXTENSION_SUFFIXES)
    compiled = next((path for path in candidates if path.exists()), None)
    if compiled is None:
        return False
    try:
        torch.ops.load_library(str(compiled))
    except (ImportError, OSError):
        return False
    return True
