import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from course_utils.data import digits
from course_utils.models import DigitClassifier, digit_classifier

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks/results/digit_classifier_cpu.json"


def test_the_stored_classifier_reads_handwriting_it_has_not_seen():
    images, model = digits(), DigitClassifier.trained()
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    for split, least in (("valid", 0.99), ("test", 0.98)):
        right = model(getattr(images, split)).argmax(1) == getattr(images, f"{split}_labels")
        assert right.double().mean() >= least > stored["nearest_picture"][split]  # better than the nearest picture
        assert right.double().mean().item() == pytest.approx(stored["runs"][stored["kept"]][split], abs=0.005)
    assert digit_classifier.WEIGHTS.stat().st_size < 200_000


def test_it_comes_ready_to_use_and_the_same_every_time():
    model, x = DigitClassifier.trained(), digits().test[:9]
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(model(x), model(x)) and torch.equal(model(x), DigitClassifier.trained()(x))
    torch.testing.assert_close(model.features(x[3:4]), model.features(x)[3:4])  # each picture by itself
    x = x.clone().requires_grad_()
    model(x).sum().backward()  # a picture may still be changed to please it
    assert x.grad.abs().sum() > 0


def test_features_are_what_the_logits_are_read_from():
    model, x = DigitClassifier.trained(), digits().valid
    features = model.features(x)
    assert features.shape == (350, 64)
    linear = model.decide[-1]
    torch.testing.assert_close(model(x), F.linear(features, linear.weight, linear.bias))
    train = model.features(digits().train)
    assert train.mean(0).abs().max() < 0.4 and train.std(0).min() > 0.5 and train.std(0).max() < 2


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8), (3, 5, 9), (1, 2, 3)])
def test_other_pictures_and_classes(shape):
    torch.manual_seed(0)
    model = DigitClassifier(shape, classes=4)
    x = torch.rand(6, *shape)
    assert model(x).shape == (6, 4) and model.features(x).shape == (6, 64)
    F.cross_entropy(model(x), torch.arange(6) % 4).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    model.eval()
    seen = torch.autograd.functional.jacobian(lambda x: model(x[None])[0], x[0]).abs().amax(0)
    assert (seen > 0).all()


def test_weights_that_are_not_there_or_not_its_own_are_refused_with_the_command_that_makes_them(tmp_path, monkeypatch):
    path = tmp_path / "digit_classifier.safetensors"
    weights = load_file(digit_classifier.WEIGHTS)
    monkeypatch.setattr(digit_classifier, "WEIGHTS", path)

    def refused(match):
        with pytest.raises(ValueError, match=match) as caught:
            DigitClassifier.trained()
        assert "benchmarks/classifier.py" in str(caught.value)

    refused("must hold the weights of this network")
    path.write_bytes(b"no weights")
    refused("must hold the weights of this network")
    save_file({"look.0.weight": weights["look.0.weight"]}, path)
    refused("Missing key|loading state_dict")
    save_file(weights | {"decide.1.bias": torch.zeros(3)}, path)
    refused("must hold the weights of this network")
    save_file(weights, path)
    assert not DigitClassifier.trained().training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (8, 8)}, "^shape must"),
        ({"shape": (1, 0, 8)}, "^shape must"),
        ({"classes": 1}, "^classes must"),
        ({"dropout": 1.0}, "^dropout must"),
    ],
)
def test_a_classifier_of_nothing_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DigitClassifier(**change)


@pytest.mark.parametrize("x", [torch.zeros(2, 1, 8, 9), torch.zeros(2, 64), torch.zeros(2, 1, 8, 8).long(), None])
def test_pictures_of_another_shape_are_refused(x):
    model = DigitClassifier()
    for method in (model, model.features):
        with pytest.raises(ValueError, match="^x must be a floating-point tensor of shape"):
            method(x)


@pytest.mark.parametrize("change", [lambda x: 255 * x, lambda x: 2 * x - 1, lambda x: x + 0.01, lambda x: x * math.nan])
def test_pictures_on_another_scale_are_refused(change):
    model, x = DigitClassifier.trained(), digits().test[:9]
    for method in (model, model.features):
        with pytest.raises(ValueError, match=r"^x must hold values in \[0, 1\], got some from"):
            method(change(x))
    torch.testing.assert_close(model(x + 1e-6), model(x), rtol=1e-3, atol=1e-3)  # rounding is no other scale
    assert model(x[:0]).shape == (0, 10)


def test_it_can_be_compiled_and_transformed():
    """Neither can branch on the values of x, so that there they are taken as they are."""
    model, x = DigitClassifier.trained(), digits().test[:3]
    each = torch.func.vmap(lambda picture: model(picture[None])[0])(x)
    torch.testing.assert_close(each, model(x))
    compiled = torch.compile(lambda x: model(x), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
