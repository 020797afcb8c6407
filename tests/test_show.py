"""Tables: order, rounding, the best value, and both ways in which a table is shown."""

import math

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st

from course_utils import show

ROWS = [
    {"model": "PixelCNN", "test nats": torch.tensor(20.1234), "parameters": 123456},
    {"model": "VAE <b>", "test nats": np.float64(24.5), "parameters": np.int64(7)},
    {"model": "GAN", "parameters": 7},
]


def shown(table):
    """(headings, rows) of the HTML, each cell as text, the best ones between stars."""
    page = BeautifulSoup(table._repr_html_(), "html.parser")
    for strong in page.find_all("strong"):
        strong.replace_with(f"*{strong.text}*")
    head, *rows = ([cell.text for cell in row.find_all(["th", "td"])] for row in page.find_all("tr"))
    return head, rows


def column(rows, name="x", **arguments):
    """How a column of these values is written."""
    return [row[-1] for row in shown(show.table([{name: value} for value in rows], **arguments))[1]]


def test_rows_keep_their_order_columns_theirs_and_what_is_missing_is_a_dash():
    head, rows = shown(show.table(ROWS))
    assert head == ["model", "test nats", "parameters"]
    assert rows == [["PixelCNN", "20.1", "123,456"], ["VAE <b>", "24.5", "7"], ["GAN", "–", "7"]]


@pytest.mark.parametrize("missing", [None, math.nan, torch.tensor(math.nan), np.nan])
def test_none_and_nan_are_missing(missing):
    assert column([1.5, missing]) == ["1.50", "–"]


def test_rows_are_sorted_up_or_down_with_missing_values_last():
    def models(order):
        return [row[0] for row in shown(show.table(ROWS, order=order))[1]]

    assert models("test nats") == ["PixelCNN", "VAE <b>", "GAN"]
    assert models("-test nats") == ["VAE <b>", "PixelCNN", "GAN"]
    assert models("model") == ["GAN", "PixelCNN", "VAE <b>"]
    assert models("parameters") == ["VAE <b>", "GAN", "PixelCNN"]  # equal ones as they were
    minus = [{"-x": 2}, {"-x": 1}]
    assert shown(show.table(minus, order="-x"))[1] == [["1"], ["2"]]  # a name may begin with a minus
    assert show.table(ROWS, order="-test nats").frame["model"].tolist() == ["VAE <b>", "PixelCNN", "GAN"]


def test_the_best_value_of_a_column_is_bold_also_where_it_is_shared():
    _, rows = shown(show.table(ROWS, best={"test nats": "min", "parameters": "min"}))
    assert [row[1:] for row in rows] == [["*20.1*", "123,456"], ["24.5", "*7*"], ["–", "*7*"]]
    _, rows = shown(show.table(ROWS, best={"parameters": "max"}))
    assert [row[2] for row in rows] == ["*123,456*", "7", "7"]
    assert column([1.2345, 1.2346, 1.25], best={"x": "max"}) == ["1.23", "1.23", "*1.25*"]
    assert column([1.2345, 1.2346, 1.1], best={"x": "max"}) == [
        "*1.23*",
        "*1.23*",
        "1.10",
    ]  # looks the same: is the same
    assert column([None, None], best={"x": "max"}) == ["–", "–"]


@pytest.mark.parametrize(
    "values, digits, expected",
    [
        ([88.712, 91.3, 102.44], 3, ["88.7", "91.3", "102.4"]),
        ([0.31415, 0.2718], 3, ["0.314", "0.272"]),
        ([1234567.8, 2345678.9], 3, ["1,234,568", "2,345,679"]),
        ([1, 2.5], 2, ["1.0", "2.5"]),
        ([100.0, 2000.0], 3, ["100", "2,000"]),
        ([1, 1000, 1_000_000], 3, ["1", "1,000", "1,000,000"]),
        ([-0.5, 0.5, -0.0001], 1, ["−0.5", "0.5", "−0.0001"]),
        ([0.0012, 5.0, 30.0], 3, ["0.0012", "5.00", "30.00"]),
        ([0.0, 2.0], 3, ["0.00", "2.00"]),
        ([0.00000123, 0.5], 3, ["1.2e−06", "0.500"]),  # a small number is not nothing
        ([math.inf, -math.inf, 2.0], 3, ["∞", "−∞", "2.00"]),
        ([True, False, None], 3, ["yes", "no", "–"]),
        (["a", 2.5], 3, ["a", "2.50"]),
    ],
)
def test_numbers_of_a_column_are_rounded_alike(values, digits, expected):
    assert column(values, digits=digits) == expected


@example([2.0, 2.0, 0.5, 0.625], 1)
@given(st.lists(st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3), min_size=1, max_size=6), st.integers(1, 5))
def test_what_is_written_is_the_number_to_the_decimals_of_its_column(values, digits):
    texts = [text.replace(",", "").replace("−", "-") for text in column(values, digits=digits)]
    middle = sorted(map(abs, values))[(len(values) - 1) // 2]
    for value, text in zip(values, texts, strict=True):
        # What would round to 0 has decimals of its own; each text is the value rounded to the decimals it shows.
        last = 0.0 if "e" in text else 0.5 * 10.0 ** -len(text.partition(".")[2])
        assert float(text) == pytest.approx(value, abs=last * (1 + 1e-9), rel=0.5 if "e" in text else 1e-12)
        assert float(text) != 0
    if len(values) == 1:  # as many significant digits as asked for
        assert float(texts[0]) == pytest.approx(middle * math.copysign(1, values[0]), rel=0.51 * 10 ** (1 - digits))


def test_decimals_can_be_told_for_each_column():
    rows = [{"a": 1.23456, "b": 1.23456}]
    assert shown(show.table(rows, digits={"a": 1}))[1] == [["1.2", "1.23"]]
    assert shown(show.table(rows, digits={"a": 0, "b": 4}))[1] == [["1", "1.2346"]]


def test_columns_are_chosen_and_named():
    head, rows = shown(show.table(ROWS, columns=["parameters", "model"], order="test nats"))
    assert head == ["parameters", "model"] and rows[0] == ["123,456", "PixelCNN"]
    head, _ = shown(show.table(ROWS, columns={"test nats": "nats per image"}))
    assert head == ["nats per image"]
    assert shown(show.table([{"test_nats": 1}]))[0] == ["test nats"]


def test_the_html_is_the_same_for_the_same_rows_safe_and_aligned():
    tables = [show.table(ROWS, best={"test nats": "min"}, caption="a < b") for _ in range(2)]
    first, second = (table._repr_html_() for table in tables)
    assert first == second and " id=" not in first and "<style" not in first
    page = BeautifulSoup(first, "html.parser")
    assert page.table["class"] == ["dataframe", "course-table"] and page.caption.text == "a < b"
    assert page.find(string="VAE <b>") is not None
    for row in page.find_all("tr"):
        name, *numbers = row.find_all(["th", "td"])
        assert "left" in name["style"] and all("right" in cell["style"] for cell in numbers)


def test_a_page_may_break_headings_and_sentences_but_no_number_and_no_name():
    page = BeautifulSoup(show.table([{"model": "PixelCNN", "x": 1.5, "remark": 25 * "a"}])._repr_html_(), "html.parser")
    assert ["nowrap" in cell["style"] for cell in page.find_all("td")] == [True, True, False]
    assert not any("nowrap" in cell["style"] for cell in page.find_all("th"))


def test_a_terminal_gets_columns_under_each_other():
    table = show.table(ROWS, best={"test nats": "min"}, caption="Three models")
    assert repr(table).split("\n") == [
        "Three models",
        "model     test nats  parameters",
        "--------  ---------  ----------",
        "PixelCNN      20.1*     123,456",
        "VAE <b>        24.5           7",
        "GAN               –           7",
    ]


def test_a_wide_table_breaks_headings_and_words_but_no_number():
    words = "words that go on and on until there is no room for them in a terminal, and then some more words"
    row = {f"a heading of the column number {k}": 1234567 * (k + 1) for k in range(6)} | {"remark": words}
    table = show.table([row, row], caption=words + " " + words)
    lines = repr(table).split("\n")
    assert max(map(len, lines)) <= 100
    for k in range(6):
        assert sum(line.count(f"{1234567 * (k + 1):,}") for line in lines) == 2
    assert all(repr(table).split().count(word) >= 2 for word in words.split())


def test_a_table_tells_both_forms_to_the_notebook():
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(show.table(ROWS))
    assert set(data) == {"text/plain", "text/html"}


@pytest.mark.parametrize(
    "rows, arguments, said",
    [
        ([], {}, r"rows must be a list of at least one dictionary, got \[\]"),
        ({"a": 1}, {}, "rows must be a list of at least one dictionary, got {'a': 1}"),
        ("rows", {}, "rows must be a list"),
        ([1], {}, r"rows\[0\] must be a dictionary, got 1"),
        ([{}], {}, "rows must have at least one column"),
        ([{"a": torch.zeros(2)}], {}, r"rows must hold text and single numbers, got shape \(2,\)"),
        (ROWS, {"order": "nats"}, "order must name columns of rows .*'test nats'.*, got 'nats'"),
        (ROWS, {"order": "-nats"}, "order must name columns of rows"),
        ([{"a": 1}, {"a": "b"}], {"order": "a"}, "order must name a column of only numbers or only words, got 'a'"),
        (ROWS, {"best": {"nats": "min"}}, "best must name columns of rows"),
        (ROWS, {"best": {"test nats": "least"}}, 'best must be "min" or "max" for each column, got \'least\''),
        (ROWS, {"best": {"model": "min"}}, "best must name columns of numbers, got 'model'"),
        (ROWS, {"best": "test nats"}, "best must be a dictionary"),
        (ROWS, {"columns": ["nats"]}, "columns must name columns of rows"),
        (ROWS, {"columns": []}, "columns must name at least one column"),
        (ROWS, {"digits": 0}, "digits must be a whole number of at least 1, got 0"),
        (ROWS, {"digits": {"test nats": -1}}, r"digits\['test nats'\] must be a whole number of at least 0, got -1"),
        (ROWS, {"digits": {"nats": 1}}, "digits must name columns of rows"),
    ],
)
def test_a_table_refuses_what_it_cannot_show(rows, arguments, said):
    with pytest.raises(ValueError, match=said):
        show.table(rows, **arguments)
