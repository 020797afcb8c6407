"""Docstrings for a page: their formulas, plain text for `help()`, become LaTeX; papers and names become links.

A formula stands in an indented block of its own, in a small regular notation:

    x_{i-1}, x_<i, M^-1, (L - s^2 I)^(1/2)     scripts: a name, a number, a group
    sum_k, integral_0^1, Π_i, E_{z ~ q(z|x)}   what applies to all that follows
    sqrt(...), log |...|, 1/K, (p + q) / 2     a fraction is drawn only where one term stands on either side
    for some y in fake                         words stay words; two spaces and more part statements and remarks

What is not understood is no formula and stays as it is written, line by line.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

WIDE = 66  # letters as drawn: what the column of a page holds; a wider line gets a row for each of its statements
GREEK = {name: f"\\{name}" for name in "alpha beta gamma eta lambda mu phi pi sigma tau theta Phi".split()}
GREEK["eps"], GREEK["chi"] = r"\varepsilon", r"\chi"
FUNCTIONS = {name: f"\\{name}" for name in ("det", "exp", "log", "max", "min", "tanh")}
LINEAR = {"sum": r"\sum", "Σ": r"\sum", "Π": r"\prod", "integral": r"\int", "E": r"\mathbb{E}"}
DISTRIBUTIONS = {"N": r"\mathcal{N}", "U": r"\mathcal{U}"}
RELATIONS = {"=": "=", "<": "<", ">": ">", "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "~": r"\sim", "->": r"\to"}
BINARY = {"+": "+", "-": "-", "*": "*", "·": r"\cdot", ".": r"\cdot", "±": r"\pm"}
BRACKETS = {"(": ")", "[": "]", "{": "}", "|": "|"}
TOKEN = re.compile(
    r"""(?P<space>\ +) | (?P<code>``[^`]+``) | (?P<stressed>\*[a-z]{2,}\*) | (?P<number>\d+(?:\.\d+)?)
    | (?P<dots>\.\.\.) | (?P<sign><=|>=|!=|->|\|\||[-=<>~+*/·±.,;:()\[\]{}|])
    | (?P<name>[A-Za-z]-th\b | [A-Za-z]{2,}(?:-[a-z]{2,})+ | [A-Za-z]{2,}'s | [A-Za-z]+\d* | [ΣΠ])
    | (?P<script>_(?=[\w{<])|\^(?=[\w{(-])|²|')""",
    re.X,
)


class Unknown(ValueError):
    """A text that is not of this notation."""


@dataclass
class Token:
    kind: str
    text: str
    space: bool  # whether a space stands before it


@dataclass
class Node:
    """A piece of a formula: kind is word, atom, function, linear, binary, relation, slash or mark."""

    kind: str
    latex: str
    space: bool = False
    bare: str = ""  # of a group in round brackets: what stands between them


def tokens(text: str) -> list[Token]:
    found, place, space = [], 0, False
    while place < len(text):
        match = TOKEN.match(text, place)
        if not match:
            raise Unknown(text[place:])
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], space))
        space, place = match.lastgroup == "space", match.end()
    return found


# ---- one statement -------------------------------------------------------------------------------------------------


def statement(text: str) -> list[Node]:
    """The nodes of a text without double spaces; raises Unknown."""
    parser = Parser(tokens(text))
    nodes, _ = parser.sequence("")
    return nodes


class Parser:
    def __init__(self, found: list[Token]):
        self.found, self.place = found, 0

    def look(self, ahead: int = 0) -> Token:
        place = self.place + ahead
        return self.found[place] if place < len(self.found) else Token("end", "", True)

    def take(self) -> Token:
        self.place += 1
        return self.found[self.place - 1]

    def sequence(self, closers: str, small: bool = False) -> tuple[list[Node], str]:
        """All up to a closing bracket, which is taken, too; `small` is what stands in a script, without fractions."""
        nodes: list[Node] = []
        while True:
            token = self.look()
            if token.kind == "end":
                if closers:
                    raise Unknown("a bracket is not closed")
                closer = ""
                break
            if token.text in closers and token.kind == "sign" and not self._divides(nodes, closers):
                closer = self.take().text
                break
            nodes.append(self.node(nodes, closers))
        return (nodes if small else fractions(nodes)), closer

    def node(self, before: list[Node], closers: str) -> Node:
        token = self.take()
        previous = before[-1].kind if before else "mark"
        if token.kind == "number":
            if self.look().text == "_":
                raise Unknown("a number of code, 2_000")
            return self.scripts(Node("atom", token.text, token.space))
        if token.kind == "dots":
            return Node("atom", r"\dots", token.space)
        if token.kind == "code":
            return Node("atom", typed(token.text.strip("`")), token.space)
        if token.kind == "stressed":
            return Node("atom", rf"\textit{{{token.text.strip('*')}}}", token.space)
        if token.kind == "name":
            return self.name(token, before)
        if token.kind != "sign":
            raise Unknown(token.text)
        if token.text == "||":
            return Node("relation", r"\,\|\,", token.space)
        if token.text in RELATIONS:
            if token.text == "=" and before and not token.space:
                raise Unknown("an argument of code, key=value")
            return Node("relation", RELATIONS[token.text], token.space)
        if token.text == "/":
            return Node("slash", "/", token.space)
        if token.text == "|" and self._divides(before, closers, token):
            return Node("relation", r"\mid", token.space)
        if token.text in BRACKETS:
            return self.scripts(self.group(token))
        if token.text in ",;:":
            return Node("mark", token.text, token.space)
        if token.text == ".":
            if not token.space or not self.look().space or self.look().kind == "end":
                raise Unknown("a dot that is no product")
        if token.text in BINARY:
            bare = previous in ("mark", "relation") and token.text == "*"  # the star of (B, *shape)
            return Node("binary", "{*}" if bare else BINARY[token.text], token.space)
        raise Unknown(token.text)

    def _divides(self, before: list[Node], closers: str, bar: Token | None = None) -> bool:
        """Whether a bar is the one of p(x | z): after something, in brackets, with a space on both sides or on none."""
        ahead = 0 if bar else 1
        bar = bar or self.look()
        if bar.text != "|" or closers in ("", "|") or not before:
            return False
        return before[-1].kind in ("atom", "word") and bar.space == self.look(ahead).space

    def group(self, opening: Token) -> Node:
        closers = BRACKETS[opening.text] + {"[": ")", "(": "]"}.get(opening.text, "")  # [0, 1) and (0, 1], too
        inside, closer = self.sequence(closers)
        if closer != BRACKETS[opening.text] and [node.latex for node in inside].count(",") != 1:
            raise Unknown("brackets do not belong together")
        latex = join(inside)
        left, right = (f"\\{sign}" if sign in "{}" else sign for sign in (opening.text, closer))
        if re.search(r"\\(frac|sum|int|prod)\b", latex):
            left, right = rf"\left{left}", rf"\right{right}"
        bare = latex if opening.text == "(" and closer == ")" else ""
        return Node("atom", f"{left}{latex}{right}", opening.space, bare)

    def name(self, token: Token, before: list[Node]) -> Node:
        text, following = token.text, self.look()
        code = self.python_name(text)
        if code:
            return self.call(Node("atom", typed(code), token.space))
        scripted = following.kind == "script"
        called = following.text in ("(", "[") and following.kind == "sign" and not following.space
        if text in LINEAR and not (text in ("sum", "integral") and is_word(following)):
            return self.scripts(Node("linear", LINEAR[text], token.space), call=text == "E")
        if text == "sqrt" and called and following.text == "(":
            self.take()
            inside, closer = self.sequence(")")
            return self.scripts(Node("atom", rf"\sqrt{{{join(inside)}}}", token.space))
        if text in FUNCTIONS and (called or not is_word(following) or text in ("det", "log")):
            return self.scripts(Node("function", FUNCTIONS[text], token.space), call=True)
        if text == "grad":
            return Node("function", r"\nabla", token.space)
        if text == "mod":
            return Node("binary", r"\bmod", token.space)
        if text == "in" and before and before[-1].kind == "atom" and following.kind in ("name", "sign"):
            return Node("relation", r"\in", token.space)
        if text in DISTRIBUTIONS and called and following.text == "(":
            return self.call(Node("atom", DISTRIBUTIONS[text], token.space))
        if text == "a" and is_word(following) and (not before or before[-1].kind in ("word", "mark")):
            return Node("word", "a", token.space)
        if re.fullmatch(r"[A-Za-z]-th", text):
            return Node("atom", rf"{text[0]}\text{{{text[1:]}}}", token.space)
        symbol = self.symbol(text, called)
        if symbol:
            return self.call(self.scripts(Node("atom", symbol, token.space)))
        if re.search(r"\d", text) and not called:
            raise Unknown(text)
        if called and not re.search(r"[-']", text):
            inner = text if text.isalpha() else rf"\text{{{text}}}"  # else MathJax divides expm1 before the number
            return self.call(Node("atom", rf"\operatorname{{{inner}}}", token.space))
        if scripted:
            kind = "operatorname*" if text == "mean" else "operatorname" if self.calls_later() else "mathrm"
            node = Node("function" if text == "mean" else "atom", rf"\{kind}{{{text}}}", token.space)
            return self.call(self.scripts(node))
        return Node("word", text, token.space)

    def python_name(self, text: str) -> str:
        """high_frequency_power: words joined by underscores are a name in code, which is taken whole."""
        parts, ahead = [text], 0
        while self.look(ahead).text == "_" and self.look(ahead + 1).kind == "name" and not self.look(ahead + 1).space:
            parts.append(self.look(ahead + 1).text)
            ahead += 2
        plain = all(part.isalpha() and len(part) > 1 for part in parts)
        if ahead and plain and text not in (*GREEK, *LINEAR, *FUNCTIONS) and parts[-1] != "hat" and len(text) > 2:
            if len(parts) > 2 or len(parts[-1]) > 2:
                self.place += ahead
                return "_".join(parts)
        return ""

    def symbol(self, text: str, called: bool) -> str:
        """A letter or a Greek name, with its number and its hat; empty for a word."""
        letters, digits = re.fullmatch(r"([A-Za-z]*?)(\d*)", text).groups() if text.isalnum() else ("", "")
        if letters in GREEK:
            latex = GREEK[letters]
        elif len(letters) == 1:
            latex = letters
        elif re.fullmatch(r"d[a-z]", letters) and not called:
            latex = rf"\mathrm{{d}}{letters[1]}"
        else:
            return ""
        if self.look().text == "_" and self.look(1).text == "hat":
            self.place += 2
            latex = rf"\hat{{{latex}}}"
        sign = "^" if letters == "chi" else "_"
        return f"{latex}{sign}{{{digits}}}" if digits else latex

    def calls_later(self) -> bool:
        """Whether a bracket follows a script: softmax_j(...)."""
        after = self.look(2)
        return self.look(1).kind in ("name", "number") and after.text == "(" and not after.space

    def call(self, node: Node) -> Node:
        """With the brackets that follow without a space: a function's argument, an index."""
        if self.look().text in ("(", "[") and self.look().kind == "sign" and not self.look().space:
            inside = self.scripts(self.group(self.take()))
            return Node("atom", node.latex + inside.latex, node.space)
        return node

    def scripts(self, node: Node, call: bool = False) -> Node:
        """With all its sub- and superscripts, and for `call` the brackets that follow them."""
        latex = node.latex
        while self.look().kind == "script" and not self.look().space:
            sign = self.take().text
            if sign == "²":
                latex += "^2"
            elif sign == "'":
                latex += "'"
            else:
                latex += sign + self.script(sign)
        node = Node(node.kind, latex, node.space, node.bare if latex == node.latex else "")
        if call:
            called = self.call(node)
            return Node(called.kind, called.latex, called.space)
        return node

    def script(self, sign: str) -> str:
        token = self.take()
        if token.text == "{" or (token.text == "(" and sign == "^"):
            inside, _ = self.sequence(BRACKETS[token.text], small=True)
            return f"{{{join(inside)}}}"
        before = ""
        if (token.text == "<" and sign == "_") or (token.text == "-" and sign == "^"):
            before, token = token.text, self.take()
        if token.space or token.kind not in ("name", "number"):
            raise Unknown(sign + token.text)
        text = token.text
        if text in GREEK:
            text = GREEK[text]
        elif text.isalpha() and len(text) > 2:
            text = rf"\text{{{text}}}"
        return text if len(before + text) == 1 else f"{{{before}{text}}}"


def is_word(token: Token) -> bool:
    """A word as it stands in a sentence; a name of a letter, a function or a Greek letter is none."""
    known = token.text in (*GREEK, *FUNCTIONS, *LINEAR, "sqrt")
    return token.kind == "name" and len(token.text) > 1 and token.text.isalpha() and token.space and not known


def typed(name: str) -> str:
    if not re.fullmatch(r"[\w.]+", name):
        raise Unknown(name)
    return rf"\mathtt{{{name}}}".replace("_", r"\_")


def fractions(nodes: list[Node]) -> list[Node]:
    """a / b as a fraction where it can't be read in two ways: one term before it and one after it.

    Without spaces, as in 1/K, it binds those two alone. With spaces nothing may be multiplied from the left, except by
    what is linear (a sum of a / b is the same either way), nor from the right.
    """
    done, i = [], 0
    while i < len(nodes):
        node = nodes[i]
        if node.kind == "slash" and done and i + 1 < len(nodes) and _divides_two(done, nodes, i):
            left, right = done.pop(), nodes[i + 1]
            above, below = (term.bare or join([term]) for term in (left, right))
            node = Node("atom", rf"\frac{{{above}}}{{{below}}}", left.space)
            i += 1
        done.append(node)
        i += 1
    return done


def _divides_two(done: list[Node], nodes: list[Node], i: int) -> bool:
    left, right = done[-1], nodes[i + 1]
    before = done[-2] if len(done) > 1 else None
    after = nodes[i + 2] if i + 2 < len(nodes) else None
    terms = {left.kind, right.kind} <= {"atom", "word"} and (left.kind, right.kind) != ("word", "atom")
    if not terms or left.latex.startswith(r"\frac"):
        return False
    if right.kind == "word" and after and after.kind == "word":
        return False
    if not nodes[i].space and not right.space:
        return (not before or before.kind != "atom" or left.space) and (not after or after.kind != "slash")
    free = not before or before.kind in ("linear", "mark", "relation") or before.latex in ("+", "-")
    return free and (not after or after.kind in ("mark", "relation", "word") or after.latex in ("+", "-"))


def join(nodes: list[Node], outside: bool = False) -> str:
    """LaTeX of neighbours, words in one \\text; `outside` all brackets, space for the eye follows a comma."""
    out, i = [], 0
    while i < len(nodes):
        node = nodes[i]
        if node.kind == "word":
            run = [node.latex]
            while i + 1 < len(nodes) and nodes[i + 1].kind == "word":
                i += 1
                run.append(nodes[i].latex)
            latex = rf"\text{{{' '.join(run)}}}"
        else:
            latex = node.latex
        if out:
            before = nodes[i - (len(run) if node.kind == "word" else 1)]
            wide = outside and before.latex == "," and node.space
            out.append(r"\ " if wide else _between(before, node))
        out.append(latex)
        i += 1
    return "".join(out)


def _between(before: Node, node: Node) -> str:
    """The space between two neighbours; operators and relations bring their own."""
    if not node.space and before.latex not in (";", ":"):
        return " "
    worded = "word" in (before.kind, node.kind) or r"\textit" in (before.latex[:7], node.latex[:7])
    if worded and not {before.kind, node.kind} & {"binary", "relation", "slash"} and before.kind != "function":
        return r"\ "
    if before.latex in (";", ":"):
        return r"\ "
    if before.kind == "linear" and before.latex.startswith(r"\mathbb"):
        return r"\,"
    opens = node.latex.startswith(("(", "[", "|", r"\{", r"\left", r"\mathrm"))
    return r"\," if before.kind == node.kind == "atom" and opens else " "


# ---- a block -------------------------------------------------------------------------------------------------------


@dataclass
class Segment:
    column: int
    text: str
    nodes: list[Node]


def block(lines: list[str]) -> str | None:
    """LaTeX of the lines of a formula; None for what is no formula."""
    lines = [line.rstrip() for line in lines]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    lines = [line[margin:] for line in lines]
    if not any(lines) or any(line.startswith(" ") or re.match(r"[-*] |\d+\. ", line) for line in lines):
        return None
    try:
        cells = table(lines)
        if cells:
            rows = " \\\\\n".join(" & ".join(r" \quad ".join(map(join, cell)) for cell in row) for row in cells)
            return f"\\small\\begin{{array}}{{{'l' * len(cells[0])}}}\n{rows}\n\\end{{array}}"
        rows = [segments(line) for line in lines]
    except Unknown:
        return None
    filled = [row for row in rows if row]
    if 2 * sum(is_prose(row) for row in filled) > len(filled):
        return None
    return layout(rows)


def segments(line: str) -> list[Segment]:
    """Parts of a line that two spaces and more divide; spaces around a relation only align it with its neighbours."""
    found = [(m.start(), m[0]) for m in re.finditer(r"\S(?: ?\S)*", line)]
    merged: list[tuple[int, str]] = []
    for column, text in found:
        if merged and (re.match(r"(?:=|->)(?: |$)", text) or re.search(r"(?:^| )(?:=|->)$|:$", merged[-1][1])):
            merged[-1] = merged[-1][0], f"{merged[-1][1]} {text}"
        else:
            merged.append((column, text))
    return [Segment(column, text, statement(text)) for column, text in merged]


def is_prose(row: list[Segment]) -> bool:
    """More than a few words, and nothing that is equal to or less than something."""
    nodes = [node for segment in row for node in segment.nodes]
    return sum(node.kind == "word" for node in nodes) > 4 and not any(node.kind == "relation" for node in nodes)


def table(lines: list[str]) -> list[list[list[list[Node]]]]:
    """Cells, where three lines and more begin at the same columns and the first column has only names; else nothing."""
    starts = [[m.start() for m in re.finditer(r"\S(?: ?\S)*", line)] for line in lines]
    shared = sorted(set.intersection(*map(set, starts)))
    if len(lines) < 3 or len(shared) < 3:
        return []
    cells = [[line[a:b].strip() for a, b in zip(shared, [*shared[1:], None], strict=True)] for line in lines]
    if not all(re.fullmatch(r"[A-Za-z_ -]{2,}", row[0]) for row in cells):
        return []
    # in the first column, a name's underscores and dashes are letters
    first = [[[Node("atom", typed(row[0])) if "_" in row[0] else Node("word", row[0])]] for row in cells]
    return [
        [name, *([segment.nodes for segment in segments(cell)] for cell in row[1:])]
        for name, row in zip(first, cells, strict=True)
    ]


def layout(rows: list[list[Segment]]) -> str:
    """The lines below one another, aligned at their relations, or flush where one begins as a sentence."""
    filled = [row for row in rows if row]
    if len(filled) == 1 and (len(filled[0]) == 1 or width(*filled[0]) <= WIDE):
        return r" \qquad ".join(join(segment.nodes, True) for segment in filled[0])
    second = [row[1].column for row in filled if len(row) > 1]
    beside = len(second) > 1 and len(set(second)) == 1  # remarks that stand below one another
    if beside:
        broken = max(width(row[0]) for row in filled) + max(width(*row[1:]) for row in filled) > WIDE
    else:
        broken = any(width(*row) > WIDE for row in filled)
    flush = any(_told(row[0].nodes) for row in filled)
    done = []
    for row in rows:
        if not row:
            done[-1] += "[1ex]"
            continue
        first, rest = row[0], row[1:]
        done.append(_aligned(first.nodes, flush))
        if broken:
            done.extend(_aligned(segment.nodes, flush or _told(segment.nodes), r"\quad ") for segment in rest)
        elif rest:
            aside = r" \qquad ".join(join(segment.nodes, True) for segment in rest)
            done[-1] += (" &&\\quad " if beside else r" \qquad ") + aside
    return f"\\begin{{aligned}}\n{_rows(done)}\n\\end{{aligned}}"


def width(*row: Segment) -> int:
    """About how many letters wide these statements are drawn, the space between them included."""
    total = 0
    for segment in row:
        drawn = re.sub(r"\\(text|textit|math\w+|operatorname\*?|hat)\{([^{}]*)\}", r"\2", join(segment.nodes))
        drawn = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", lambda m: max(m[1], m[2], key=len), drawn)
        drawn = re.sub(r"\\(frac|sqrt|left|right)\b", "", drawn)
        drawn = re.sub(r"\\[A-Za-z]+", "x", drawn)
        total += len(re.sub(r"[{}\\^_]| (?=\W)|(?<=\W) ", "", drawn)) + 4
        total += sum(node.kind in ("binary", "relation") for node in segment.nodes)
    return total


def _rows(done: list[str]) -> str:
    text = done[0]
    for row in done[1:]:
        gap = "[1ex]" if text.endswith("[1ex]") else ""
        text = f"{text.removesuffix('[1ex]')} \\\\{gap}\n{row}"
    return text


def _told(nodes: list[Node]) -> bool:
    """Whether a statement begins as a sentence, so that its first relation is no place to align at."""
    where = _relation(nodes)
    marks = [node for node in nodes[:where] if node.latex in (":", ";")]
    return where is None or bool(marks) or sum(node.kind == "word" for node in nodes[:where]) > 2


def _relation(nodes: list[Node]) -> int | None:
    """The first sign of equality, else the first relation."""
    signs = [i for i, node in enumerate(nodes) if node.kind == "relation" and node.latex != r"\mid"]
    equal = [i for i in signs if nodes[i].latex == "="]
    first = signs[0] if signs else None
    if first is not None and nodes[first].latex in (r"\in", r"\,\|\,") and equal:
        first = equal[0]
    return first


def _aligned(nodes: list[Node], flush: bool, indent: str = "") -> str:
    if flush:
        return f"& {indent}{join(nodes, True)}"
    where = _relation(nodes)
    return f"{join(nodes[:where], True)} &{join(nodes[where:], True)}"


# ---- a docstring ---------------------------------------------------------------------------------------------------

SECTION = re.compile(r"[A-Z][a-z]+:$")
PAPER = re.compile(r"arXiv\s+(\d{4}\.\d{4,5})")


def parts(text: str) -> list[tuple[str, list[str]]]:
    """A docstring's lines in order, in parts: ("text", lines) and ("block", lines).

    A block is indented, has an empty line or nothing before it, and belongs neither to a section (Args) nor to a list.
    """
    found, owner, lines = [], "", text.split("\n")
    i = 0
    while i < len(lines):
        line = lines[i]
        begins = line.startswith(" ") and (i == 0 or not lines[i - 1].strip())
        if begins and not SECTION.match(owner) and not owner.startswith(("- ", "* ")):
            end = i
            while end < len(lines) and (lines[end].startswith(" ") or not lines[end].strip()):
                end += 1
            while not lines[end - 1].strip():
                end -= 1
            found.append(("block", lines[i:end]))
            i = end
            continue
        if line.strip() and not line.startswith(" "):
            owner = line
        if not found or found[-1][0] == "block":
            found.append(("text", []))
        found[-1][1].append(line)
        i += 1
    return found


def restructured(text: str, link: Callable[[str], str] | None = None) -> str:
    """A docstring as reStructuredText for Sphinx; `link` makes one of a name in double backticks, or gives ""."""
    done = []
    for kind, lines in parts(text):
        if kind == "text":
            done.append(prose("\n".join(lines), link))
            continue
        latex = block(lines)
        if latex is None:
            if done and done[-1].rstrip().endswith("::"):  # the mark of what comes is ours
                done[-1] = done[-1].rstrip()[:-1] + "\n"
            done.append("\n".join([f".. code-block:: {language(lines)}", "", *lines]))
        else:
            body = ["   " + line for line in ("\\[" + latex + "\\]").split("\n")]
            done.append("\n".join([".. math::", "   :no-wrap:", "", *body]))
    return "\n".join(done)


def language(lines: list[str]) -> str:
    """Python for what Python can read, and reads as more than one expression; else no language."""
    code = "\n".join(line[min(len(x) - len(x.lstrip()) for x in lines if x.strip()) :] for line in lines)
    try:
        compile(code, "docstring", "exec")
    except SyntaxError:
        return "none"
    return "python" if "\n" in code else "none"


def prose(text: str, link: Callable[[str], str] | None = None) -> str:
    """Plain text: the stars and bars of its formulas are no marks. What stands in double backticks is code."""
    pieces = text.split("``")
    for i in range(0, len(pieces), 2):
        plain = re.sub(r"([\\*|`])", r"\\\1", pieces[i])
        plain = re.sub(r"(?<=\w)_(?=\W|$)", r"\\_", plain)
        pieces[i] = PAPER.sub(r"`arXiv \1 <https://arxiv.org/abs/\1>`__", plain)
    for i in range(1, len(pieces), 2):
        pieces[i] = (link(pieces[i]) if link else "") or f"``{pieces[i]}``"
    return "".join(pieces)


def linker(names: dict[str, str], first: list[str], described: object) -> Callable[[str], str]:
    """Links from the docstring of an object: to the code that a page ends in, and to what the package offers.

    A name of small letters may be an argument, a method or a plain word, so it is a link only behind that of a module,
    or where it has an underscore and the same file defines it.
    """
    here = getattr(described, "__module__", None) or getattr(described, "__name__", "")
    try:
        taken = set(inspect.signature(described).parameters)
    except (TypeError, ValueError):
        taken = set()

    def link(name: str) -> str:
        if name in first:
            return f"`{name} <#read-first>`__"
        head, rest = name, ""
        while head and head not in names:
            head, _, last = head.rpartition(".")
            rest = f".{last}{rest}"
        if not head or name in taken or not re.fullmatch(r"[\w.]+", name):
            return ""
        if name.islower() and "." not in name and ("_" not in name or names[name].rpartition(".")[0] != here):
            return ""
        return f":py:obj:`{name} <{names[head]}{rest}>`"

    return link
