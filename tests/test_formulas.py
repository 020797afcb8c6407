"""Formulas of docstrings: nothing is lost or changed on the way to LaTeX, and what is no formula stays as it is."""

import ast
import re

import pytest

import formulas
import runner


def docstrings():
    """Every docstring of the package, with where it stands."""
    for path in sorted((runner.ROOT / "course_utils").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                where = f"{path.relative_to(runner.ROOT).as_posix()}:{getattr(node, 'name', '')}"
                yield where, ast.get_docstring(node)


def blocks():
    return [(w, lines) for w, text in docstrings() for kind, lines in formulas.parts(text) if kind == "block"]


BLOCKS = blocks()
TRANSLATED = [(where, lines, formulas.block(lines)) for where, lines in BLOCKS if formulas.block(lines)]


# ---- all blocks of the package ---------------------------------------------------------------------------------------

# What a command of LaTeX says in the notation of docstrings; the others only set type. Not the translator's own table.
SAYS = {
    **{f"\\{name}": name for name in "alpha beta eta mu phi sigma theta chi Phi det exp log max min tanh in".split()},
    **{r"\varepsilon": "eps", r"\nabla": "grad", r"\sum": "sum", r"\prod": "Π", r"\int": "integral", r"\bmod": "mod"},
    **{r"\le": "<=", r"\ge": ">=", r"\ne": "!=", r"\sim": "~", r"\to": "->", r"\mid": "|", r"\|": "||"},
    **{r"\cdot": "·", r"\dots": "...", r"\sqrt": "sqrt", r"\pm": "±", r"\{": "{", r"\}": "}", r"\_": "_"},
}
TYPE = {f"\\{name}" for name in "frac text textit mathrm mathbb mathcal mathtt operatorname left right".split()}
TYPE |= {f"\\{name}" for name in "begin end small quad qquad hat".split()}
SPACE = {r"\,", "\\ ", "\\\\"}


def said(latex):
    """The letters, digits and signs of LaTeX in the order in which they are read, without brackets that group."""
    latex = re.sub(r"\\hat\{(\\?\w+)\}(_\{\d+\})?", r"\1\2 hat", latex)
    latex = re.sub(r"\\(begin|end)\{\w+\}(\{l+\})?|\[1ex\]", "", latex)
    out = []
    for piece in re.findall(r"\\[A-Za-z]+|\\.|\\\n|\S", latex.replace("\\\\\n", " ")):
        if piece.startswith("\\"):
            assert piece in SAYS or piece in TYPE or piece in SPACE, piece
            piece = SAYS.get(piece, "/" if piece == r"\frac" else "")
        out.append(piece)
    return only_signs("".join(out).replace("&", ""))


def only_signs(text):
    """Without spaces, scripts' signs and grouping brackets; all divisions go, for a fraction stands elsewhere."""
    text = text.replace("Σ", "sum").replace("²", "2").replace("``", "")
    text = re.sub(r"(?<=\w)\.(?= \S)| \. ", "·", text)
    return re.sub(r"[\s(){}\[\]_^/·*']", "", text)


def as_written(lines):
    text = " ".join(re.sub(r"(?<=\S) \. (?=\S)", " · ", line) for line in lines)
    return only_signs(text)


@pytest.mark.parametrize("where, lines, latex", TRANSLATED, ids=[where for where, *_ in TRANSLATED])
def test_every_name_number_and_sign_of_a_formula_is_drawn_in_its_order(where, lines, latex):
    assert said(latex) == as_written(lines)


@pytest.mark.parametrize("where, lines, latex", TRANSLATED, ids=[where for where, *_ in TRANSLATED])
def test_divisions_and_brackets_are_kept(where, lines, latex):
    text = "\n".join(lines)
    assert latex.count(r"\frac") + latex.count("/") == text.count("/")
    assert latex.count("{") == latex.count("}") and latex.count(r"\left") == latex.count(r"\right")
    for sign in "[|":
        assert latex.replace("[1ex]", "").replace(r"\mid", "|").replace(r"\|", "||").count(sign) == text.count(sign)
    # brackets vanish only as those of a fraction, a root or an exponent
    gone = text.count("(") - latex.count("(")
    assert 0 <= gone <= 2 * latex.count(r"\frac") + latex.count(r"\sqrt") + latex.count("^{")


def test_nearly_all_blocks_are_formulas_and_the_others_are_a_list_and_code():
    left = [where.rpartition("/")[2] for where, lines in BLOCKS if formulas.block(lines) is None]
    assert left == ["training.py:progress", "__init__.py:"]
    assert len(TRANSLATED) > 60


# ---- the notation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, latex",
    [
        ("x_{i-1}", "x_{i - 1}"),
        ("x_<i", "x_{<i}"),
        ("M^-1 W'", "M^{-1} W'"),
        ("(L - s^2 I)^(1/2)", "(L - s^2 I)^{1 / 2}"),
        ("x0_hat", r"\hat{x}_{0}"),
        ("eps ~ N(0, I)", r"\varepsilon \sim \mathcal{N}(0 , I)"),
        ("1/N sum_n p", r"\frac{1}{N} \sum_n p"),
        ("p(x|z) = p(x | z)", r"p(x \mid z) = p(x \mid z)"),
        ("|x - y|^2", "|x - y|^2"),
        ("f(v |x|)", r"f(v\,|x|)"),
        ("log |det df/dx|", r"\log \left|\det \frac{\mathrm{d}f}{\mathrm{d}x}\right|"),
        ("(p + q) / 2", r"\frac{p + q}{2}"),
        ("high_frequency_power + x_kept", r"\mathtt{high\_frequency\_power} + x_{\text{kept}}"),
        ("u uniform in [0, 1)^D", r"u\ \text{uniform in}\ [0 , 1)^D"),
        ("t in [0, 1]", r"t \in [0 , 1]"),
        ("integral_0^1 v dt", r"\int_0^1 v\,\mathrm{d}t"),
        ("a >= b != c", r"a \ge b \ne c"),
    ],
)
def test_the_notation(text, latex):
    assert formulas.block([f"    {text}"]) == latex


@pytest.mark.parametrize("text", ["a b / c", "a / b c", "log a / b", "a · b / c", "a / b / c"])
def test_what_can_be_read_in_two_ways_stays_a_stroke(text):
    assert r"\frac" not in formulas.block([text])


@pytest.mark.parametrize("text", ["a + b / c", "sum_k p / q", "E a / 2", "(a / b) c"])
def test_what_cannot_is_a_fraction(text):
    assert r"\frac" in formulas.block([text])


@pytest.mark.parametrize(
    "text",
    [
        "x = f(a, key=3)",
        "x = 3_000",
        "model.log_prob(x)",
        "(a + b",
        "a] + b",
        "|a + b",
        "[0, 1, 2)",
        "x @ y",
        'print("a")',
        "x_?",
        "- first point",
        "1. first point",
        "these are simply words that make up a sentence of its own",
        "if x:\n    y",
    ],
)
def test_what_is_not_understood_is_no_formula(text):
    assert formulas.block(text.split("\n")) is None


def test_lines_are_aligned_and_remarks_stand_below_one_another():
    latex = formulas.block(["a = b + c    one", "d = e        two"])
    assert (
        latex == "\\begin{aligned}\na &= b + c &&\\quad \\text{one} \\\\\nd &= e &&\\quad \\text{two}\n\\end{aligned}"
    )


def test_a_line_that_is_too_wide_gets_a_row_for_each_statement():
    latex = formulas.block([f"y = {' + '.join('abcdefghijklmn')},   z = {' + '.join('opqrstuvw')}"])
    assert latex.count("\\\\\n") == 1 and latex.count("&=") == 2


# ---- docstrings ------------------------------------------------------------------------------------------------------


def test_only_indented_blocks_of_the_text_are_formulas():
    text = "One.\n\n    x = 1\n\nText:\n    y = 2\n\nArgs:\n    a: that.\n\n    b = 3\n\n- point\n\n    c = 4"
    assert [lines for kind, lines in formulas.parts(text) if kind == "block"] == [["    x = 1"]]
    made = formulas.restructured(text)
    assert ".. math::\n   :no-wrap:\n\n   \\[x = 1\\]\n\nText:" in made and "    y = 2" in made


def test_nothing_of_a_docstring_is_lost():
    for where, text in docstrings():
        assert [line for _, lines in formulas.parts(text) for line in lines if line.strip()] == [
            line for line in text.split("\n") if line.strip()
        ], where


def test_code_stays_code():
    made = formulas.restructured("Like this::\n\n    for x in y:\n        print(x)\n\nEnd.")
    assert made == "Like this:\n\n.. code-block:: python\n\n    for x in y:\n        print(x)\n\nEnd."


def test_stars_and_bars_are_no_marks_and_papers_are_links():
    made = formulas.restructured("a*b |c| x_ ``d*`` (Author,\narXiv 1606.05328).")
    assert made == ("a\\*b \\|c\\| x\\_ ``d*`` (Author,\n`arXiv 1606.05328 <https://arxiv.org/abs/1606.05328>`__).")


def test_names_are_links_where_they_cannot_be_anything_else():
    def described(big_name, other): ...

    described.__module__ = "p.here"
    names = {"VAE": "p.models.vae.VAE", "models.VAE": "p.models.vae.VAE", "dots": "p.here.dots"}
    names |= {"big_name": "p.here.big_name", "own_name": "p.here.own_name", "far_name": "p.there.far_name"}
    link = formulas.linker(names, ["VAE.terms"], described)
    assert link("VAE") == ":py:obj:`VAE <p.models.vae.VAE>`"
    assert link("models.VAE.sample") == ":py:obj:`models.VAE.sample <p.models.vae.VAE.sample>`"
    assert link("VAE.terms") == "`VAE.terms <#read-first>`__"
    assert link("own_name") == ":py:obj:`own_name <p.here.own_name>`"
    # a plain word, an argument, a name that another file has too, nobody's name, a call
    for name in ("dots", "big_name", "far_name", "unknown", "VAE(2)"):
        assert link(name) == ""


def test_a_docstring_may_begin_with_its_formula():
    assert formulas.restructured("    x = 1\n\nText.").startswith(".. math::")
