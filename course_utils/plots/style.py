"""One style for all figures, one colour a family, and the door through which a figure is shown.

Importing this module sets the style.
"""

import inspect
import textwrap
from typing import Any, SupportsFloat

import matplotlib.pyplot as plt
from matplotlib import color_sequences
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart; a family keeps its colour in every notebook.
COLOURS = {
    "data": "#000000",
    "autoregressive": "#0072B2",
    "vae": "#E69F00",
    "gan": "#009E73",
    "flow": "#CC79A7",
    "diffusion": "#56B4E9",
    "baseline": "#7F7F7F",
    "wrong": "#D55E00",
}
# For codes, as in the latent explorer: a colour for each label (Petroff, arXiv 2107.02270), and a cycle for phases,
# none of which fades into a white or a black page.
LABELS = color_sequences["petroff10"]
CYCLE = LinearSegmentedColormap.from_list("cycle", ["#5b5bd6", "#d1551c", "#e9b000", "#2ba6a6", "#5b5bd6"])
WIDTH = 9.0  # inches: what fits a page and a slide
LINE = 1.35 * 12 / 72  # inches from one line of text to the next

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "font.size": 12,  # readable from the last row of a lecture hall
        "axes.titlesize": 13,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "figure.titlesize": 13,  # a suptitle is a title like any other
        "figure.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": plt.cycler(color=[COLOURS[k] for k in ("autoregressive", "vae", "gan", "wrong", "flow")]),  # pyright: ignore[reportPrivateImportUsage]
        "lines.linewidth": 2,
        "legend.frameon": False,
        "image.cmap": "gray",
        "image.interpolation": "nearest",
    }
)


def show(figure: Figure, alt: str) -> None:
    """Show a figure once; in a notebook its picture carries `alt`, a text for readers who cannot see it.

    Outside a notebook this is ``plt.show()``.
    """
    if not _in_a_notebook():
        plt.show()
        return
    from IPython.display import display

    display(figure, metadata={"image/png": {"alt": " ".join(alt.split())}})
    plt.close(figure)  # or the kernel would show it a second time at the end of the cell


def _in_a_notebook() -> bool:
    """Is this a kernel that shows figures as pictures?"""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def colour_of(name: object) -> str | None:
    """The colour of a family, however its name is written, or None: of "VAE" that of "vae"."""
    return COLOURS.get(str(name).lower())


def sentence(*parts: str) -> str:
    """Parts of an alt text as sentences, those that are empty left out."""
    kept = [part.strip() for part in parts if part.strip()]
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in kept)


def short(value: SupportsFloat) -> str:
    """A number in at most four significant digits."""
    value = float(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def wrap_title(title: str, width: float = WIDTH) -> str:
    """The title, broken into lines that fit ``width`` inches; a bold letter takes about a ninth of an inch."""
    lines = title.split("\n")
    return "\n".join(part for line in lines for part in textwrap.wrap(line, max(12, int(width * 8.8))) or [""])


def show_source(thing: Any) -> None:
    """Show the source code of a class, function or method of this package, highlighted where a notebook can."""
    from IPython.display import Code, display

    display(Code(textwrap.dedent(inspect.getsource(thing)), language="python"))
