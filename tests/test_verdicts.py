"""The verdicts of 14_face_to_face: one for each question of 00_start_here, and no number that nobody has measured.

A verdict may quote the course, `03_pixel_cnn.ipynb`, and its evidence, `evidence/07_vae.ipynb`.
"""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CLAIMS, VERDICTS = "00_start_here.ipynb", "14_face_to_face.ipynb"
KINDS = {"yes", "partly", "no"}
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+\.ipynb)(?:#[^)]*)?\)")
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")


def read(name):
    return nbformat.read(NOTEBOOKS / name, as_version=4).cells


def table(text):
    """The cells of a Markdown table, without its head."""
    lines = [line.strip().strip("|") for line in text.splitlines() if line.strip().startswith("|")]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def table_below(name, heading):
    (text,) = [cell.source for cell in read(name) if cell.cell_type == "markdown" and heading in cell.source]
    return table(text[text.index(heading) :])


def numbers(text):
    """The numbers of a text as strings; 5.60 and 5.6 are one."""
    plain = (number.replace(",", "") for number in NUMBER.findall(text))
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in plain}


def measured(name):
    """All numbers that a notebook prints or says; of the notebook of verdicts only what it prints."""
    found = set()
    for cell in read(name):
        for output in cell.get("outputs", []):
            found |= numbers(output.get("text", ""))
            data = output.get("data", {})
            found |= numbers(re.sub(r"<[^>]*>", " ", data.get("text/html", ""))) | numbers(data.get("text/plain", ""))
        if cell.cell_type == "markdown" and name != VERDICTS:
            found |= numbers(cell.source)
    return found


def quoted(text):
    """Pairs of a notebook and the numbers quoted from it: those before its link, after the link before."""
    parts = LINK.split(text)  # text, target, text, target, ..., text
    pairs = [(target, numbers(before)) for before, target in zip(parts[0::2], parts[1::2], strict=False)]
    return [*pairs, (VERDICTS, numbers(parts[-1]))]


def claims():
    return table_below(CLAIMS, "### Questions on trial")


def verdicts():
    """The rows of all tables of verdicts, one for each part of the course."""
    head, found = "| question | answer |", []
    for cell in read(VERDICTS):
        if cell.cell_type == "markdown" and head in cell.source:
            found += table(cell.source[cell.source.index(head) :])
    return found


def test_every_claim_has_one_verdict_and_no_verdict_is_without_a_claim():
    assert len(claims()) >= 13
    assert [row[0] for row in verdicts()] == [row[0] for row in claims()]


def test_a_verdict_is_one_of_three():
    assert {row[1] for row in verdicts()} <= KINDS


def test_a_verdict_speaks_of_every_notebook_that_tested_its_claim():
    where = {row[0]: set(re.findall(r"\d\d", row[1])) for row in claims()}
    for claim, _, found, *_ in verdicts():
        linked = {name.removeprefix("evidence/")[:2] for name in LINK.findall(found)}
        assert where[claim] - {"14"} <= linked, claim
        if "14" in where[claim]:
            assert quoted(found)[-1][1], f"{claim}: no number of this notebook"


def test_every_number_was_measured_where_the_verdict_says():
    known = {}
    for claim, _, found, *_ in verdicts():
        assert any(values for _, values in quoted(found)), f"no number: {claim}"
        for name, values in quoted(found):
            known.setdefault(name, measured(name))
            assert values <= known[name], f"{claim} {name} does not say {sorted(values - known[name])}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "0.65 to 0.74 nats ([01](a.ipynb)), 12 % ([03](b.ipynb))",
            [("a.ipynb", {"0.65", "0.74"}), ("b.ipynb", {"12"})],
        ),
        ("0.9 ([07](evidence/07_vae.ipynb#2.-Blur))", [("evidence/07_vae.ipynb", {"0.9"})]),
        ("1 of 2,000 ([03](b.ipynb)); here 1.05", [("b.ipynb", {"1", "2000"}), (VERDICTS, {"1.05"})]),
        ("$z$ of −3.1", [(VERDICTS, {"3.1"})]),
    ],
)
def test_a_number_belongs_to_the_link_behind_it(text, found):
    assert [pair for pair in quoted(text) if pair[1]] == found


def test_a_number_is_found_as_a_whole():
    assert numbers("gap -0.741 ± 0.042 nats, 2,000 of 64") == {"0.741", "0.042", "2000", "64"}
    assert numbers("5.6000 and 30.0, not 1181th or x2") == {"5.6", "30"}
