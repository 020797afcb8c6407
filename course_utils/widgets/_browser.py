"""What all widgets hand over: a script and a style for the browser, and a still picture for every other reader.

The browser gets each widget's script as a text of its own, which has no place to load another one from. So what the
scripts share, common.js, is set before each of them, and common.css before each style.
"""

import base64
import io
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent


def script(name: str) -> str:
    """common.js and the widget's own name.js, as one script."""
    return _joined(f"{name}.js")


def style(name: str) -> str:
    """common.css and the widget's own name.css, as one style."""
    return _joined(f"{name}.css")


def still(figure: Figure) -> dict[str, str]:
    """A figure as the part of a cell's output that any reader can show."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    return {"image/png": base64.b64encode(png.getvalue()).decode()}


def _joined(file: str) -> str:
    common = (HERE / "common").with_suffix(Path(file).suffix)
    return f"{common.read_text(encoding='utf-8')}\n{(HERE / file).read_text(encoding='utf-8')}"
