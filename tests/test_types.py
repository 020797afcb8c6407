"""Types of the public API: pyright finds nothing to say of the package, of right uses of it, and flags wrong ones.

What a reader types in an editor is checked against these types; without ``py.typed`` the editor would not look at them.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARE = 0.95  # of the public symbols, at least, have a type that is written down

needs_pyright = pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed")

# As a reader uses the package. Every name has the type that its reader relies on.
RIGHT_USES = """
import torch
from torch import Tensor

from course_utils import data, divergences, metrics, models, objectives, runtime, show
from course_utils.distributions import Bernoulli, Gaussian, bernoulli, bits_per_dim, categorical, gaussian
from course_utils.training import progress

device: torch.device = runtime.device()
generator: torch.Generator = runtime.seed_everything(0)
steps: int = runtime.by_scale(laptop=200, gpu=2_000)

images = data.digits()
shape: tuple[int, int, int] = images.shape
model = models.PixelCNN(shape, channels=16, layers=2, distribution=categorical(images.levels)).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = progress(data.batches(images.train, 64, steps=steps, generator=generator))
for x in losses:
    loss = -model.log_prob(x.to(device)).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.record(loss)
history: Tensor = losses.history

drawn: Tensor = model.sample(16, generator=generator)
known = torch.zeros(shape, dtype=torch.bool)
completed: Tensor = model.complete(images.test[:4], known)
every, nats = model.completions(images.test[0], ~known)
pixels = model.conditionals(images.test[:2])
mean, of_one = pixels.mean, pixels[:, 0, 3, 4].log_prob(images.test[:2, 0, 3, 4])
in_bits = bits_per_dim(-model.log_prob(images.test[:2]), 64)

for pictures, labels in data.batches((images.train, torch.arange(len(images.train))), 32, epochs=1):
    print(pictures.shape, labels.sum().item())

vae = models.VAE(images.train.shape[1:], latent=2, hidden=[64], distribution=bernoulli())
mu, log_var = vae.encode(images.test)
bound: Tensor = vae.elbo(images.test, beta=0.5)
decoded = vae.decode(mu).mode
active: int = metrics.active_units(mu)

players = models.Generator(shape, latent=8), models.Discriminator(shape, spectral=True)
fake: Tensor = players[0].sample(16)
cost: Tensor = objectives.OBJECTIVES["non_saturating"].generator(players[1](fake), players[1](fake))

flow = models.RealNVP((2,), layers=4)
ring = data.ring(modes=8)
density: Tensor = flow.log_prob(ring.sample(100)) - ring.log_prob(ring.sample(100))
noise_schedule: Tensor = models.Diffusion((2,), steps=50).alpha
velocity: Tensor = models.FlowMatching(shape, levels=17).velocity(images.test, torch.rand(len(images.test)))
exact: Tensor = models.LinearGaussianVAE.fit(images.train, latent=3).log_prob(images.test)

near: metrics.Nearest = metrics.nearest(drawn, images.train)
frechet: float = metrics.frechet_distance(mu, mu)
modes: int = metrics.mode_coverage(ring.sample(50), ring.centres, 0.1).modes
coin, width = Bernoulli(torch.zeros(3)), Gaussian(torch.zeros(3), torch.zeros(3))
same_shape: Tensor = coin.log_prob(coin.sample()) + width.log_prob(width.sample(generator))
family = gaussian(std=0.1)(torch.zeros(5, 1)).log_prob(torch.zeros(5))
far: Tensor = divergences.jsd(torch.tensor([0.5, 0.5]), torch.tensor([0.1, 0.9]))
show.table([{"model": "PixelCNN", "nats": loss.item()}], digits=2, best={"nats": "min"})
"""

# What a reader may get wrong. The comment is the rule that must say so, and nothing else may be said.
MISTAKES = """
from course_utils import data, models
from course_utils.distributions import categorical

images = data.digits()
model = models.PixelCNN(images.shape, distribution=categorical(17))
model.sample("16")  # reportArgumentType
images.trian  # reportAttributeAccessIssue
nats: float = model.log_prob(images.test)  # reportAssignmentType
models.PixelCNN(images.shape, chanels=32)  # reportCallIssue
models.VAE(images.shape, distribution=categorical)  # reportArgumentType
data.batches(images, 64)  # reportArgumentType
images.train.mean() + model.sample(4).log_prob  # reportAttributeAccessIssue
models.VAE(images.shape).encode(images.test).mean()  # reportAttributeAccessIssue
"""


def run_pyright(*arguments: str, **variables: str) -> dict:
    """What pyright says, with the settings of pyproject.toml, of what this Python finds installed."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, encoding="utf-8")
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, list[dict]]:
    """Everything said of the package and of both texts, by the name of the file; one run, since it reads torch."""
    folder = tmp_path_factory.mktemp("types")
    texts = {"right_uses.py": RIGHT_USES, "mistakes.py": MISTAKES}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    answer = run_pyright("course_utils", *(str(folder / name) for name in texts))
    assert answer["summary"]["filesAnalyzed"] > 100  # the whole package was looked at
    by_file: dict[str, list[dict]] = {}
    for said in answer["generalDiagnostics"]:
        path = Path(said["file"])
        by_file.setdefault(path.name if path.name in texts else "course_utils", []).append(said)
    return by_file


def _lines(said: list[dict]) -> list[str]:
    return [f"{Path(s['file']).name}:{s['range']['start']['line'] + 1}: {s['message']}" for s in said]


@needs_pyright
@pytest.mark.slow
def test_the_package_has_no_wrong_type(found):
    assert not _lines(found.get("course_utils", []))


@needs_pyright
@pytest.mark.slow
def test_right_uses_pass(found):
    assert not _lines(found.get("right_uses.py", []))


@needs_pyright
@pytest.mark.slow
def test_every_mistake_is_flagged_in_its_line(found):
    want = {(k, line.split("# ")[1]) for k, line in enumerate(MISTAKES.split("\n")) if "# report" in line}
    errors = [said for said in found.get("mistakes.py", []) if said["severity"] == "error"]
    assert {(said["range"]["start"]["line"], said["rule"]) for said in errors} == want, _lines(errors)


@needs_pyright
@pytest.mark.slow
def test_public_names_have_types():
    # --verifytypes asks the first `python` of the PATH, whatever --pythonpath says, and finds no editable install
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    answer = run_pyright("--verifytypes", "course_utils", "--ignoreexternal", PATH=path, PYTHONPATH=str(ROOT))
    types = answer["typeCompleteness"]
    unknown = [s["name"] for s in types["symbols"] if s["isExported"] and not s["isTypeKnown"]]
    assert types["exportedSymbolCounts"]["withKnownType"] > 1_000, "torch or the package was not found"
    assert types["completenessScore"] >= SHARE, unknown


def test_an_ignored_error_names_its_rule():
    """No file and no line is left out as a whole."""
    files = list((ROOT / "course_utils").rglob("*.py"))
    lines = [(file, line) for file in files for line in file.read_text(encoding="utf-8").split("\n")]
    assert len(files) > 100
    loose = [
        f"{file.name}: {line.strip()}"
        for file, line in lines
        if re.search(r"#\s*(type:\s*ignore|pyright:(?!\s*ignore\[report\w+(, report\w+)*\]))", line)
    ]
    assert not loose


def test_settings_are_those_that_the_types_are_written_for():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    assert settings["typeCheckingMode"] == "basic" and settings["include"] == ["course_utils"]
    assert not [name for name, value in settings.items() if name.startswith("report") and value in (False, "none")]


def test_the_mark_of_a_typed_package_lies_in_it():
    assert (ROOT / "course_utils" / "py.typed").is_file()
