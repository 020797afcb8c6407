"""The glossary and the notebooks know of one another: terms, links both ways, symbols and where they stand."""

import re
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
GLOSSARY = NOTEBOOKS / "glossary.ipynb"
COURSE = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
EVIDENCE = sorted((NOTEBOOKS / "evidence").glob("[0-9][0-9]_*.ipynb"))
ENTRY = re.compile(
    r'<a id="([a-z0-9-]+)"></a>\*\*(.+?)\*\* · ([^·\n]+) · (?:(.+) · )?\[(\d\d)\]\((\S+)\)<br>\n(\S.*)[.?]$'
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
MATHS = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.S)


def markdown(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def entries():
    blocks = [block for source in markdown(GLOSSARY) for block in source.split("\n\n") if "<a id=" in block]
    found = [ENTRY.fullmatch(block) for block in blocks]
    assert all(found), f"not the form of an entry: {blocks[found.index(None)]}"
    return [match.groups() for match in found]


def rows():
    """Symbols: the letters, and a list of (meaning, numbers of the notebooks, empty for all)."""
    for source in markdown(GLOSSARY):
        for line in re.findall(r"^\| (\$.+) \|$", source, re.M):
            letters, meanings, _ = (cell.strip() for cell in line.split(" | "))
            yield letters, [(text, numbers(text)) for text in re.split(r" · |; (?=\$)", meanings)]


def numbers(text):
    bracket = re.findall(r"\(((?:all )?\d\d[^()]*)\)", text)
    found = []
    for part in bracket:
        part = re.sub(r";.*| on$", "", part)
        for first, last in re.findall(r"(\d\d)(?: to (\d\d))?", part):
            found += range(int(first), int(last or first) + 1)
    return found


def aliases(english):
    """The names outside brackets: `ELBO, evidence lower bound` and `gate, gated unit (of an LSTM)` have two each."""
    return [name.strip() for name in re.split(r", | and ", re.sub(r"\([^)]*\)", "", english))]


def links(path):
    up = re.escape("../" if path in EVIDENCE else "")
    return re.findall(rf"\[([^\]]+)\]\({up}glossary\.ipynb#([^)]+)\)", "\n\n".join(markdown(path)))


def test_no_term_stands_twice_and_all_are_in_order():
    slugs, names = [entry[0] for entry in entries()], [entry[1].lower() for entry in entries()]
    assert len(slugs) >= 90
    assert len(set(slugs)) == len(slugs) and len(set(names)) == len(names)
    letters = [re.sub(r"[^a-z]", "", name.replace("β", "beta")) for name in names]
    assert [name[0] for name in letters] == sorted(name[0] for name in letters)


def test_every_term_has_a_chinese_one():
    without = [english for _, english, chinese, *_ in entries() if not CHINESE.search(chinese)]
    assert without == ["RealNVP"]  # a name that Chinese texts leave as it is


def test_the_index_has_every_chinese_word_once_and_leads_to_its_entry():
    (start,) = [i for i, source in enumerate(markdown(GLOSSARY)) if source.startswith("## 中文索引")]
    lines = [line for source in markdown(GLOSSARY)[start:] for line in re.findall(r"^\*\*[A-Z]\*\* .+$", source, re.M)]
    found = [link for line in lines for link in re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", line)]
    words = [(word.strip(), slug) for slug, _, chinese, *_ in entries() for word in re.split("[、（）]", chinese)]
    assert sorted(found) == sorted((word, slug) for word, slug in words if CHINESE.search(word))
    letters = [line[2] for line in lines]
    assert letters == sorted(set(letters))


def test_every_term_stands_in_the_notebook_that_introduces_it():
    missing = []
    for _, english, _, _, number, file, _ in entries():
        assert file.startswith(f"{number}_") and (NOTEBOOKS / file) in COURSE, f"{english}: there is no {file}"
        both = [path for path in (NOTEBOOKS / file, NOTEBOOKS / "evidence" / file) if path.exists()]
        text = re.sub(r"\s+", " ", "\n".join(block for path in both for block in markdown(path))).lower()
        if not any(name.lower() in text for name in aliases(english)):
            missing.append((english, number))
    assert missing == []


def test_links_lead_to_entries_and_entries_back_one_each():
    home = {slug: number for slug, _, _, _, number, _, _ in entries()}
    used = [(slug, path.name[:2]) for path in COURSE for _, slug in links(path)]
    beside = [(slug, path.name[:2]) for path in EVIDENCE for _, slug in links(path)]
    assert [slug for slug, _ in used + beside if slug not in home] == [], "no such entry"
    # In the course once, where the term is introduced; or in that chapter's evidence, which may link to others as well.
    assert len(set(used)) == len(used) and set(used) <= set(home.items())
    assert set(home.items()) - set(used) <= set(beside), "no link to the entry"


def test_the_promise_has_no_link_to_the_glossary():
    # The index of pages and slides quotes it, and there the link would lead to a notebook.
    assert [path.name for path in COURSE + EVIDENCE if "glossary.ipynb" in markdown(path)[0]] == []


def test_links_inside_the_glossary_lead_to_its_headings():
    text = "\n".join(markdown(GLOSSARY))
    slugs, headings = {entry[0] for entry in entries()}, re.findall(r"^## (.+)$", text, re.M)
    wanted = [link for link in re.findall(r"\]\(#([^)]+)\)", text) if link not in slugs]
    assert wanted == headings and len(wanted) > 10


def stands_in(symbol, maths):
    before = "" if symbol.startswith("\\") else r"(?<![A-Za-z\\])"
    return re.search(before + re.escape(symbol) + r"(?![A-Za-z])", maths)


def test_a_symbol_stands_in_formulas_of_the_notebooks_named():
    maths = {}
    for path in COURSE + EVIDENCE:
        found = " ".join(a or b for a, b in MATHS.findall("\n".join(markdown(path))))
        maths[int(path.name[:2])] = maths.get(int(path.name[:2]), "") + " " + found
    wrong = []
    for letters, meanings in rows():
        symbols = [re.sub(r"\(.*", "", symbol) for symbol in re.findall(r"\$(.+?)\$", letters)]
        for meaning, where in meanings:
            places = [number for number in where if not any(stands_in(s, maths.get(number, "")) for s in symbols)]
            wrong += [(letters, meaning, places)] * bool(places)
    assert wrong == []


def test_no_symbol_has_two_rows():
    symbols = [symbol for letters, _ in rows() for symbol in re.findall(r"\$(.+?)\$", letters)]
    assert len(symbols) > 40 and len(set(symbols)) == len(symbols)
