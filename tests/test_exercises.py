"""Right answers pass, each usual wrong one gets its own hint, and no answer makes a checker raise."""

import ast
import copy
import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils import exercises

ARGUMENTS = {
    "log_density": "log_P, w, d",
    "ring_centres": "k",
    "log_normal": "x, mu, s",
    "bits_per_dim": "nats, shape",
    "made_masks": "rank, degree",
    "masked_linear": "layer, mask, x",
    "mean_nll": "batches",
}
NOT_WRITTEN = "not yet: write your answer in place of ... and run this cell again"


def ring(angle):
    return torch.stack([angle.cos(), angle.sin()], -1)


NAMES = dict(copy=copy, math=math, np=np, torch=torch, F=F, ring=ring)


def function(name, body):
    return eval(f"lambda {ARGUMENTS[name]}: {body}", NAMES)


@pytest.fixture
def said(capsys):
    """What a checker says of an answer: one line."""

    def said(name, answer):
        getattr(exercises, name)(answer)
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and out.startswith(("correct. ", "not yet: ")), out
        return out.rstrip("\n")

    return said


# ---- right answers, in several styles -------------------------------------------------------------------------------

RIGHT = {
    "log_density": [
        "log_P - d * math.log(w)",
        "math.log(math.exp(log_P) / w**d)",
        "torch.tensor(log_P) - torch.tensor(w).log() * d",
        "np.log(np.exp(log_P) / np.prod([w] * d))",
    ],
    "ring_centres": [
        "ring(2 * math.pi * torch.arange(k) / k)",
        "ring(torch.linspace(0, 2 * math.pi, k + 1)[:-1])",
        "ring(-2 * math.pi * torch.arange(1, k + 1).double() / k)",  # another start, clockwise, float64
        "ring(2 * math.pi * torch.arange(k) / k)[torch.randperm(k)]",
        "[(math.sin(2 * math.pi * i / k), math.cos(2 * math.pi * i / k)) for i in range(k)]",
        "np.stack([np.cos(2 * np.pi * np.arange(k) / k), np.sin(2 * np.pi * np.arange(k) / k)], 1)[::-1]",
    ],
    "log_normal": [
        "(-0.5 * ((x - mu) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)).sum(-1)",
        "-((x - mu) ** 2).sum(1) / (2 * s**2) - 0.5 * x.shape[1] * math.log(2 * math.pi * s**2)",
        "torch.distributions.Normal(mu, s).log_prob(x).sum(-1)",
        "x.sub_(mu).div_(s).square_().mul_(-0.5).sub_(math.log(s * math.sqrt(2 * math.pi))).sum(-1)",  # writes into x
    ],
    "bits_per_dim": [
        "nats / (math.prod(shape) * math.log(2))",
        "nats / shape[0] / shape[1] / shape[2] / math.log(2)",
        "nats * math.log2(math.e) / torch.zeros(shape).numel()",
        "torch.tensor(nats) / np.log(2) / np.prod(shape)",
    ],
    "made_masks": [
        "(degree[:, None] >= rank[None, :], rank[:, None] > degree[None, :])",
        "[rank <= degree.unsqueeze(1), degree < rank.unsqueeze(1)]",
        "((rank[:, None] <= degree).T, ~(rank[:, None] <= degree))",
    ],
    "masked_linear": [
        "F.linear(x, layer.weight * mask, layer.bias)",
        "x @ (layer.weight * mask).T + layer.bias",
        "F.linear(x, layer.weight.masked_fill(mask == 0, 0), layer.bias)",
        "torch.func.functional_call(layer, {'weight': layer.weight * mask}, x)",
        "torch.einsum('bi,oi,oi->bo', x, layer.weight, mask) + layer.bias",
    ],
    "mean_nll": [
        "torch.cat(batches).mean()",
        "sum(nll.sum() for nll in batches) / sum(len(nll) for nll in batches)",
        "sum(nll.mean().item() * len(nll) / sum(map(len, batches)) for nll in batches)",
        "np.concatenate(batches).mean()",
        "torch.cat([batches.pop() for _ in batches[:]]).mean()",  # empties the list
    ],
}
RIGHT_ONES = [(name, body) for name, bodies in RIGHT.items() for body in bodies]


@pytest.mark.parametrize(("name", "body"), RIGHT_ONES)
def test_a_right_answer_in_any_style_is_correct(name, body, said):
    assert said(name, function(name, body)).startswith("correct. ")


def mutants(body):
    """The expression with one operator or one fraction changed, in each possible way."""
    swaps = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
    swaps |= {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq}
    for i in range(len(list(ast.walk(ast.parse(body))))):
        tree = ast.parse(body, mode="eval")
        for node in list(ast.walk(tree))[i : i + 1]:
            if isinstance(node, ast.BinOp) and type(node.op) in swaps:
                node.op = swaps[type(node.op)]()
            elif isinstance(node, ast.Compare):
                node.ops = [swaps[type(node.ops[0])]()]
            elif isinstance(node, ast.Constant) and isinstance(node.value, float):
                node.value *= 2
            else:
                continue
            yield ast.unparse(tree)


MUTANTS = [(name, mutant) for name, body in RIGHT_ONES for mutant in mutants(body)]


@pytest.mark.parametrize(("name", "body"), MUTANTS)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_mutation_of_a_right_answer_is_not_correct(name, body, said):
    assert said(name, function(name, body)).startswith("not yet: ")


def perturbed(value):
    """The value with its last entry wrong."""
    if isinstance(value, tuple | list):
        return [*value[:-1], perturbed(value[-1])]
    value = torch.as_tensor(value).detach().clone()
    value.view(-1)[-1] = ~value.view(-1)[-1] if value.dtype == torch.bool else value.view(-1)[-1] * 1.001 + 0.001
    return value


@pytest.mark.parametrize(("name", "body"), RIGHT_ONES)
def test_one_wrong_entry_is_enough(name, body, said):
    right = function(name, body)
    assert said(name, lambda *arguments: perturbed(right(*arguments))).startswith("not yet: ")


# ---- the usual wrong answers, each with a word of its hint ----------------------------------------------------------

GAUSSIAN = "(-0.5 * ((x - mu) / s) ** 2 {}){}"
WRONG = {
    "log_density": [
        ("log_P + d * math.log(w)", "sign"),
        ("log_P - math.log(w)", "w is a side"),
        ("log_P - 2 * math.log(w)", "right only for d = 2"),
        ("log_P / d - math.log(w)", "whole cell"),
        ("log_P / w**d", "already a logarithm"),
        ("math.log(log_P) - d * math.log(w)", "already a logarithm"),
        ("torch.tensor(log_P).log() - d * math.log(w)", "already a logarithm"),
        ("math.exp(log_P) / w**d", "that is the density"),
        ("log_P - d * math.log2(w)", "natural logarithm"),
        ("log_P - d * torch.log(w)", "use math.log"),
    ],
    "ring_centres": [
        ("ring(torch.linspace(0, 2 * math.pi, k))", "linspace includes its end"),
        ("ring(torch.linspace(0, 2 * math.pi, k + 1))", "one too many"),
        ("ring(torch.linspace(0, 2 * math.pi, k)[:-1])", "k - 1 points"),
        ("ring(torch.linspace(0, 1, k + 1)[:-1])", "a whole turn is 2 pi"),
        ("ring(torch.linspace(0, 360, k + 1)[:-1])", "radians"),
        ("ring(torch.arange(k))", "print the last angle"),
        ("ring(torch.linspace(0, math.pi, k + 1)[:-1])", "print the last angle"),
        ("ring(torch.arange(k) * 2 * math.pi / (k + 1))", "print the last angle"),
        ("ring(torch.arange(8) / 8 * 2 * math.pi)", "use k, not 8"),
        ("ring(torch.arange(k) / k * 2 * math.pi).T", "one centre per row"),
    ],
    "log_normal": [
        (GAUSSIAN.format("- math.log(s) - 0.5 * x.shape[1] * math.log(2 * math.pi)", ".sum(-1)"), "D times again"),
        (GAUSSIAN.format("- math.log(s)", ".sum(-1) - 0.5 * math.log(2 * math.pi)"), "1 / sqrt(2 pi)"),
        (GAUSSIAN.format("- 0.5 * math.log(2 * math.pi)", ".sum(-1) - math.log(s)"), "factor 1 / s"),
        (GAUSSIAN.format("", ".sum(-1) - math.log(s) - 0.5 * math.log(2 * math.pi)"), "both belong to every dimension"),
        (GAUSSIAN.format("- math.log(s)", ".sum(-1)"), "the constant is missing"),
        (GAUSSIAN.format("- 0.5 * math.log(2 * math.pi)", ".sum(-1)"), "log s is missing"),
        (GAUSSIAN.format("+ math.log(s) - 0.5 * math.log(2 * math.pi)", ".sum(-1)"), "the sign of log s"),
        (GAUSSIAN.format("- 0.5 * math.log(2 * math.pi * s)", ".sum(-1)"), "half of log s"),
        ("-torch.distributions.Normal(mu, s).log_prob(x).sum(-1)", "*negative*"),
        ("torch.distributions.Normal(mu, s).log_prob(x).mean(-1)", "add up"),
        ("torch.distributions.Normal(mu, s).log_prob(x).sum()", "one number for all points"),
        ("torch.distributions.Normal(mu, s).log_prob(x)", "sum over the dimensions"),
        ("torch.distributions.Normal(mu, s).log_prob(x).sum(0)", "sums over the points"),
        ("torch.distributions.Normal(mu, s**0.5).log_prob(x).sum(-1)", "standard deviation"),
        (GAUSSIAN.format("- torch.log(s)", ".sum(-1)"), "use math.log"),
    ],
    "bits_per_dim": [
        ("nats / math.prod(shape)", "nats per dimension"),
        ("nats / math.log(2)", "bits per image"),
        ("nats * math.log(2) / math.prod(shape)", "the wrong way"),
        ("nats / (shape[-1] * shape[-2]) / math.log(2)", "a colour image"),
        ("nats / (shape[-1] * shape[-2])", "two things"),
        ("math.log2(nats) / math.prod(shape)", "logarithms already"),
        ("nats / len(shape) / math.log(2)", "is a product"),
        ("nats / sum(shape) / math.log(2)", "is a product"),
        ("nats / len(shape)", "is a product"),
        ("nats / sum(shape)", "is a product"),
        ("nats / math.log(2) * math.prod(shape)", "divide by"),
        ("nats * math.prod(shape)", "divide by"),
        ("nats / math.prod(shape) / torch.log(2)", "use math.log"),
    ],
    "made_masks": [
        ("(degree[:, None] >= rank, rank[:, None] >= degree)", "a pixel sees itself"),
        ("(degree[:, None] > rank, rank[:, None] > degree)", "direct predecessor"),
        ("(degree[:, None] > rank, rank[:, None] >= degree)", "another convention"),
        ("(degree[:, None] < rank, rank[:, None] <= degree)", "turned round"),
        ("(degree[:, None] <= rank, rank[:, None] < degree)", "up to its degree"),
        ("(degree[:, None] <= rank, rank[:, None] > degree)", "up to its degree"),
        ("(degree[:, None] >= rank, rank[:, None] < degree)", "up to its degree"),
        ("(rank[:, None] > degree, degree[:, None] >= rank)", "the input mask comes first"),
        ("(degree >= rank[:, None], rank > degree[:, None])", "nn.Linear"),
        ("(degree >= rank[:, None], rank[:, None] > degree)", "(H, D) and (D, H)"),
        ("(degree[:, None] >= rank, rank > degree[:, None])", "(H, D) and (D, H)"),
        ("(degree[:, None] >= torch.arange(len(rank)), torch.arange(len(rank))[:, None] > degree)", "ranks"),
        ("((degree[:, None] >= rank).float(), (rank[:, None] > degree).float())", "bool"),
        ("(degree[:, None] >= rank, (rank[:, None] > degree).int())", "bool"),
    ],
    "masked_linear": [
        ("layer.weight.data.mul_(mask) is None or layer(x)", "the layer's weights changed"),
        (
            "setattr(layer, 'weight', torch.nn.Parameter(layer.weight * mask)) or layer(x)",
            "the layer's weights changed",
        ),
        ("F.linear(x, layer.weight * mask, layer.bias.data.mul_(2))", "the layer's bias changed"),
        ("layer(x)", "the mask is not used"),
        ("F.linear(x, layer.weight * mask)", "the bias is missing"),
        ("F.linear(x, layer.weight * mask, 2 * layer.bias)", "entry [0, 0] should be"),
        ("F.linear(x, layer.weight * mask, layer.bias).T", "of shape (3, 4), and was a tensor of shape (4, 3)"),
        ("F.linear(x, layer.weight * mask, layer.bias).detach().numpy()", "a tensor is asked for"),
        ("F.linear(x, layer.weight * mask, layer.bias).detach()", "no gradient reaches the weights"),
        ("F.linear(x, layer.weight.data * mask, layer.bias)", ".data"),
        ("F.linear(x, layer.weight.detach() * mask, layer.bias)", "detach()"),
        ("F.linear(x, torch.nn.Parameter(layer.weight * mask), layer.bias)", "copies"),
        ("layer(x * mask)", "the weights' shape (outputs, inputs)"),
        ("layer(x) * mask", "the weights' shape (outputs, inputs)"),
        ("x @ layer.weight + layer.bias", "transpose"),
        ("x @ (layer.weight * mask) + layer.bias", "transpose"),
    ],
    "mean_nll": [
        ("torch.stack([nll.mean() for nll in batches]).mean()", "as much as a full one"),
        ("sum(nll.mean() for nll in batches) / (len(batches) - 1)", "two bugs"),
        ("sum(nll.sum() for nll in batches) / len(batches)", "divided by the number of batches"),
        ("sum(nll.sum() for nll in batches) / (len(batches) - 1)", "divided by the number of batches"),
        ("torch.cat(batches).sum() / (len(batches) * len(batches[0]))", "the last batch is shorter"),
        ("torch.cat(batches[:-1]).mean()", "dropped"),
        ("torch.cat(batches).sum()", "the mean per image"),
        ("torch.stack(batches).mean()", "torch.cat"),
    ],
}


@pytest.mark.parametrize(("name", "body", "word"), [(name, *pair) for name, pairs in WRONG.items() for pair in pairs])
def test_a_usual_mistake_gets_its_hint(name, body, word, said):
    line = said(name, function(name, body))
    assert line.startswith("not yet: ") and word in line, line


def test_the_bugs_of_the_tasks_get_their_hints(said):
    def mean_nll(batches):
        total = 0
        for i, nll in enumerate(batches):  # noqa: B007
            total += nll.mean()
        return total / i

    def by_images(batches):
        total = 0
        for i, nll in enumerate(batches):  # noqa: B007
            total += nll.sum().item()
        return total / i

    def copied(layer, mask, x):
        layer = copy.deepcopy(layer)
        layer.weight.data *= mask
        return layer(x)

    def restored(layer, mask, x):
        before = layer.weight.data.clone()
        layer.weight.data *= mask
        y = layer(x)
        layer.weight.data = before
        return y

    assert "two bugs" in said("mean_nll", mean_nll)
    assert "divided by the number of batches" in said("mean_nll", by_images)
    assert "the gradient reaches a copy, not the layer" in said("masked_linear", copied)
    assert "masked weights still receive a gradient" in said("masked_linear", restored)


def test_without_a_hint_the_first_entry_that_differs_is_named(said):
    def one_flipped(rank, degree):
        output = rank[:, None] > degree
        output[1, 0] = False
        return degree[:, None] >= rank, output

    line = said("made_masks", one_flipped)
    assert line == (
        "not yet: for rank = [0, 1, 2, 3], degree = [0, 0, 1, 2, 2] "
        "entry [1, 0] of the second should be True, and was False"
    )
    line = said("ring_centres", lambda k: 2 * ring(2 * math.pi * torch.arange(k) / k))
    assert line == "not yet: for k = 8 entry [0, 0] should be 1, and was 2"
    line = said("ring_centres", lambda k: torch.zeros(k, 3))
    assert line == "not yet: for k = 8 it should be a tensor of shape (8, 2), and was a tensor of shape (8, 3)"
    line = said("made_masks", lambda rank, degree: (degree[:, None] >= rank, degree > 0))
    assert "the second should be a tensor of shape (4, 5), and was [0, 0, 1, 2, 2]" not in line
    assert "the second should be a tensor of shape (4, 5), and was [False, False, True, True, True]" in line
    line = said("log_density", lambda log_P, w, d: 3)
    assert line == "not yet: for log_P = -3, w = 0.05, d = 2 it should be 2.9915, and was 3"


# ---- nothing raises -------------------------------------------------------------------------------------------------


class Hostile:
    """Fails at whatever is done with it."""

    def fail(self, *arguments):
        raise RuntimeError("no")

    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __bool__ = __float__ = __array__ = __getitem__ = fail
    __hash__ = None


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no")


JUNK = {
    "bool": True,
    "nan": math.nan,
    "infinite": math.inf,
    "complex": 1j,
    "large": 10**30,
    "larger": 10**5000,
    "string": "2.99",
    "bytes": b"abc",
    "long string": "x" * 100_000,
    "empty tuple": (),
    "pair of None": (None, None),
    "pair of strings": ("a", "b"),
    "ragged": [[1.0], [1.0, 2.0]],
    "list of ...": [..., ...],
    "dictionary": {"a": 1},
    "set": {1, 2},
    "object": object(),
    "class": int,
    "function": len,
    "generator": (i for i in range(2)),
    "hostile": Hostile(),
    "pair of hostiles": (Hostile(), Hostile()),
    "array": np.zeros((8, 2)),
    "array of objects": np.array([None, "a"]),
    "array of strings": np.array(["a", "b"]),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "scalar": torch.tensor(1.0),
    "scalar nan": torch.tensor(math.nan),
    "empty": torch.zeros(0),
    "empty rows": torch.zeros(0, 2),
    "int8": torch.ones(3, 4, dtype=torch.int8),
    "half": torch.ones(3, 4, dtype=torch.float16),
    "complex tensor": torch.ones(3, 4, dtype=torch.complex64),
    "sparse": torch.eye(4).to_sparse(),
    "meta": torch.zeros(3, 4, device="meta"),
    "double with gradient": torch.ones(3, 4, dtype=torch.float64, requires_grad=True) * 1,
    "five dimensions": torch.zeros(1, 2, 3, 4, 5),
    "module": torch.nn.Linear(6, 4),
}


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.filterwarnings("ignore")  # what torch and NumPy say of such values does not matter here
def test_junk_is_not_correct_and_never_raises(name, junk, said):
    line = said(name, lambda *arguments: JUNK[junk])
    assert line.startswith("not yet: ") and len(line) < 400


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_answer_yet(name, said):
    assert said(name, lambda *arguments: ...) == NOT_WRITTEN
    assert said(name, lambda *arguments: None) == NOT_WRITTEN


@pytest.mark.parametrize(
    "error", [NameError("bits"), ZeroDivisionError("by zero"), SystemExit(), StopIteration(), Unprintable()], ids=repr
)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_answer_that_raises_gets_its_error_named(name, error, said):
    def answer(*arguments):
        raise error

    line = said(name, answer)
    assert line.startswith("not yet: your code raised ") and type(error).__name__ in line
    if error.args:
        assert str(error) in line


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_cannot_be_called_with_the_arguments_is_named_too(name, said):
    for answer in (lambda: 0.0, 3.0, None, ...):
        assert "your code raised TypeError" in said(name, answer)


def test_an_interrupt_goes_through():
    def answer(batches):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.mean_nll(answer)


def test_a_checker_leaves_the_random_numbers_alone(capsys):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for name in ARGUMENTS:
        getattr(exercises, name)(function(name, RIGHT[name][0]))
    assert torch.equal(torch.rand(1), expected)


# ---- the notebooks --------------------------------------------------------------------------------------------------


def tagged_cells():
    """Each exercise and its solution, with the last program of the task's text if it has one."""
    for path in sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb")):
        task = None
        for cell in nbformat.read(path, as_version=4).cells:
            tag = next((tag for tag in cell.metadata.get("tags", []) if tag in ("exercise", "solution")), None)
            if tag:
                yield pytest.param(tag, cell.source, task, id=f"{path.stem}-{tag}-{cell.source.splitlines()[0]}")
            elif cell.cell_type == "markdown":
                task = (re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL) or [None])[-1]


@pytest.mark.parametrize(("tag", "source", "task"), list(tagged_cells()))
def test_the_cells_of_the_notebooks_say_what_they_should(tag, source, task, capsys):
    names = dict(exercises=exercises, math=math, torch=torch, F=F)
    exec(source, names)
    out = capsys.readouterr().out.rstrip("\n")
    assert out.startswith("correct. ") if tag == "solution" else out == NOT_WRITTEN
    if task:  # "find the bug": the function as it stands in the task gets a hint, not only the entry that differs
        exec(task + source.splitlines()[-1], names)
        out = capsys.readouterr().out
        assert out.startswith("not yet: ") and not out.startswith("not yet: for "), out
