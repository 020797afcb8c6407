"""Tables of the course: ``table(rows)`` is a real HTML table on page and slide, and plain text in a terminal."""

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from course_utils import _check

MISSING = "–"
WIDEST = 100  # characters of a terminal
SENTENCE = 24  # characters above which a cell may be broken into lines


class Table:
    """What ``table`` returns: shown as HTML where that is possible, else as text.

    Attributes:
        frame: the values, a pandas DataFrame in the order shown.
        cells: the same as text, a column a list.
        best: the columns' best cells, a column a set of row numbers.
        numeric: the columns that hold numbers.
        headings: what stands above the columns.
    """

    frame: pd.DataFrame
    headings: list[str]
    caption: str
    cells: dict[Any, list[str]]
    numeric: set[Any]
    best: dict[Any, set[int]]

    def __init__(
        self,
        frame: pd.DataFrame,
        headings: list[str],
        best: Mapping[Any, str],
        digits: int | Mapping[Any, int],
        caption: str,
    ):
        self.frame, self.headings, self.caption = frame, headings, caption
        self.cells, self.numeric, self.best = {}, set(), {}
        for name in frame.columns:
            values = frame[name].tolist()
            if all(_is_number(value) or value is None for value in values):
                self.numeric.add(name)
            significant, decimals = (3, digits.get(name)) if isinstance(digits, Mapping) else (digits, None)
            self.cells[name] = _texts(values, significant, decimals)
            self.best[name] = _best(values, self.cells[name], best.get(name))

    def _repr_html_(self) -> str:
        """The table in HTML: the same text for the same values, so that stored outputs can be compared."""
        names = list(self.frame.columns)
        side = {name: "right" if name in self.numeric else "left" for name in names}
        lines = ['<table class="dataframe course-table">']
        if self.caption:
            lines.append(f"<caption>{html.escape(self.caption)}</caption>")
        head = (
            f'<th scope="col" style="text-align: {side[name]}">{html.escape(heading)}</th>'
            for name, heading in zip(names, self.headings, strict=True)
        )
        lines += ["<thead>", f"<tr>{''.join(head)}</tr>", "</thead>", "<tbody>"]
        for row in range(len(self.frame)):
            cells = []
            for name in names:
                text = html.escape(self.cells[name][row])
                text = f"<strong>{text}</strong>" if row in self.best[name] else text
                # A heading is broken into lines before a number or a name is; only sentences have to be.
                wrap = "" if max(map(len, self.cells[name])) > SENTENCE else "; white-space: nowrap"
                cells.append(f'<td style="text-align: {side[name]}{wrap}">{text}</td>')
            lines.append(f"<tr>{''.join(cells)}</tr>")
        return "\n".join([*lines, "</tbody>", "</table>"])

    def __repr__(self) -> str:
        """The table as text of at most 100 characters a line, the best values marked with a star."""
        columns = []
        for name in self.frame.columns:
            texts = self.cells[name]
            if self.best[name]:
                texts = [text + ("*" if row in self.best[name] else " ") for row, text in enumerate(texts)]
            columns.append(texts)
        widths = _widths(self.headings, columns, [name in self.numeric for name in self.frame.columns])
        right = [name in self.numeric for name in self.frame.columns]
        rule = "  ".join("-" * width for width in widths)
        lines = textwrap.wrap(self.caption, WIDEST) if self.caption else []
        lines += _line(self.headings, widths, right, bottom=True) + [rule]
        for row in zip(*columns, strict=True):
            lines += _line(row, widths, right)
        return "\n".join(line.rstrip() for line in lines)


def table(
    rows: Sequence[Mapping[str, Any]],
    *,
    order: str | None = None,
    best: Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] = 3,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    caption: str | None = None,
) -> Table:
    """A table with a line for each row; as the last expression of a cell it is shown.

    Numbers are rounded, a column at a time and to the same number of decimals, so that a typical value of the column
    has ``digits`` significant digits; thousands are separated. Values that are missing, None or NaN are a dash.

    Args:
        rows: dictionaries from column to value: text, a number, a tensor of one number, True or False.
        order: the column to sort by, with a minus in front for falling values; missing values come last. Without it the
            rows keep their order.
        best: for some columns "min" or "max"; the best value is set in bold, in a terminal it has a star.
        digits: significant digits; or for some columns the number of decimals.
        columns: the columns to show, in this order; or a dictionary from column to heading. By default all, in the
            order in which they first occur; an underscore in a name becomes a space in the heading.
        caption: a line above the table.

    Raises:
        ValueError: there are no rows or no columns, a row is no dictionary, an argument names a column that no row
            has, ``best`` is something else than "min" or "max", or of a column of words, or ``digits`` is too small.
    """
    names = _names(rows)
    shown = list(names) if columns is None else list(columns)
    if not shown:
        raise ValueError("columns must name at least one column, got none")
    best = _mapping("best", best or {})
    _known("columns", shown, names)
    _known("best", best, shown)
    for name, which in best.items():
        if which not in ("min", "max"):
            raise ValueError(f'best must be "min" or "max" for each column, got {which!r} for {name!r}')
    if isinstance(digits, Mapping):
        _known("digits", digits, shown)
        digits = {name: _check.whole(f"digits[{name!r}]", value, least=0) for name, value in digits.items()}
    else:
        digits = _check.whole("digits", digits)
    values = {name: [_plain(row.get(name)) for row in rows] for name in names}
    for name in best:
        if not all(value is None or _is_number(value) for value in values[name]):
            raise ValueError(f"best must name columns of numbers, got {name!r}")
    frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in values.items()})
    if order is not None:
        frame = _sorted(frame, order, names)
    headings = [str(columns[name]) if isinstance(columns, Mapping) else str(name).replace("_", " ") for name in shown]
    chosen: Any = frame[shown]  # pandas-stubs leave open whether one column or several
    return Table(chosen.reset_index(drop=True), headings, best, digits, caption or "")


def _names(rows) -> list:
    """The columns of all rows, in the order in which they first occur."""
    if isinstance(rows, str | Mapping) or not isinstance(rows, Sequence) or not len(rows):
        raise ValueError(f"rows must be a list of at least one dictionary, got {_check.describe(rows)}")
    names = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(f"rows[{number}] must be a dictionary, got {_check.describe(row)}")
        names |= dict.fromkeys(row)
    if not names:
        raise ValueError("rows must have at least one column, got empty dictionaries")
    return list(names)


def _mapping(name: str, value) -> Mapping:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a dictionary from column to text, got {value!r}")
    return value


def _known(argument: str, wanted, names) -> None:
    for name in wanted:
        if name not in names:
            raise ValueError(f"{argument} must name columns of rows ({', '.join(map(repr, names))}), got {name!r}")


def _sorted(frame: pd.DataFrame, order: str, names) -> pd.DataFrame:
    falling = order not in names and isinstance(order, str) and order.startswith("-")
    name = order[1:] if falling else order
    _known("order", [name], names)
    try:
        return frame.sort_values(name, ascending=not falling, na_position="last", kind="stable")
    except TypeError:
        raise ValueError(f"order must name a column of only numbers or only words, got {name!r}") from None


def _plain(value):
    """A Python value for a tensor or array of one element, None for what is missing."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    elif hasattr(value, "ndim") and hasattr(value, "shape"):
        raise ValueError(f"rows must hold text and single numbers, got shape {tuple(value.shape)}")
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _texts(values: list, digits: int, decimals: int | None) -> list[str]:
    """The values of a column as text, all numbers with the same number of decimals."""
    numbers = [value for value in values if _is_number(value) and math.isfinite(value)]
    if decimals is None:
        fractions = [abs(value) for value in numbers if value]
        whole = all(isinstance(value, int) for value in numbers)
        decimals = 0 if whole or not fractions else digits - 1 - math.floor(math.log10(median(fractions)))
        decimals = min(max(decimals, 0), 2 * digits)  # 0.0000012 is written as 1.2e-06, not with eight decimals
    return [_text(value, digits, decimals) for value in values]


def _text(value, digits: int, decimals: int) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not _is_number(value):
        return str(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,.{decimals}f}"
    if value and float(text.replace(",", "")) == 0:  # a small number is not nothing
        text = f"{value:.{max(digits - 1, 1)}g}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.lstrip("-")


def _best(values: list, texts: list[str], which: str | None) -> set[int]:
    """The rows that hold the best value, and those that look the same after rounding."""
    numbers = [value for value in values if value is not None]
    if which is None or not numbers:
        return set()
    winner = texts[values.index(min(numbers) if which == "min" else max(numbers))]
    return {row for row, text in enumerate(texts) if text == winner}


def _widths(headings: list[str], columns: list[list[str]], numeric: list[bool]) -> list[int]:
    """Widths of the columns: what they hold; a heading and then words are broken where that would be too wide."""
    longest = [max(map(len, column)) for column in columns]
    widths = [max(width, len(heading)) for width, heading in zip(longest, headings, strict=True)]
    least = [
        max([width] + [len(word) for word in heading.split()]) for width, heading in zip(longest, headings, strict=True)
    ]
    floor = [width if number else 8 for width, number in zip(least, numeric, strict=True)]
    for smallest in (least, floor):
        while sum(widths) + 2 * (len(widths) - 1) > WIDEST:
            spare = [width - small for width, small in zip(widths, smallest, strict=True)]
            if max(spare) <= 0:
                break
            widths[spare.index(max(spare))] -= 1
    return widths


def _line(texts, widths: list[int], right: list[bool], bottom: bool = False) -> list[str]:
    """One row as lines of text, broken inside its columns where that is needed."""
    parts = [textwrap.wrap(text, width) or [""] for text, width in zip(texts, widths, strict=True)]
    height = max(map(len, parts))
    parts = [[""] * (height - len(part)) + part if bottom else part + [""] * (height - len(part)) for part in parts]
    return [
        "  ".join(text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, widths, right, strict=True))
        for line in zip(*parts, strict=True)
    ]
