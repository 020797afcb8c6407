"""Right answers pass in any style, and none passes in which one thing is changed."""

import ast

import pytest
import torch
from answers import BY_CHANCE, RIGHT_ONES, function


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


EXACT_ONES = [(name, body) for name, body in RIGHT_ONES if name not in BY_CHANCE]
MUTANTS = [(name, mutant) for name, body in EXACT_ONES for mutant in mutants(body)]


@pytest.mark.parametrize(("name", "body"), MUTANTS)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_mutation_of_a_right_answer_is_not_correct(name, body, said):
    assert said(name, function(name, body)).startswith("not yet: ")


def perturbed(value):
    """The value with its last entry wrong."""
    if isinstance(value, tuple | list):
        return [*value[:-1], perturbed(value[-1])]
    value = torch.as_tensor(value).detach().clone()
    last = value.view(-1)[-1]
    value.view(-1)[-1] = (
        last * 1.001 + 0.001 if last.is_floating_point() else ~last if last.dtype == torch.bool else last + 1
    )
    return value


@pytest.mark.parametrize(("name", "body"), EXACT_ONES)
def test_one_wrong_entry_is_enough(name, body, said):
    right = function(name, body)
    assert said(name, lambda *arguments: perturbed(right(*arguments))).startswith("not yet: ")
