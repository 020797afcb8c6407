"""Published likelihoods beside our own: the course's models on the papers' data, on one device or on many.

    python benchmarks/published.py                                       the table of what is stored
    python benchmarks/published.py gated_pixel_cnn                       one device
    torchrun --nproc-per-node 2 benchmarks/published.py gated_pixel_cnn  as many processes as GPUs (or CPU cores)
    python benchmarks/published.py gated_pixel_cnn --resume              go on where a run was stopped or killed

Needs Lightning Fabric: ``pip install -e .[scale]``. Fabric says where tensors lie, in which precision the network
computes and how gradients are averaged over processes; the training is the loop of the notebooks, in ``train``. What
that loop gains here is five things that a long run needs, each in a few lines: a learning rate that falls to zero, a
bound on the gradient's length, a running average of the weights, Muon for the large kernels, and checkpoints.

The batch is divided among the processes, so their number changes the speed and not the gradient. After ``--every``
steps and each epoch ``build/published/<row>/checkpoint.safetensors`` is replaced by a new one. SIGTERM, as a cluster
sends it, and Ctrl-C write a checkpoint, too, and end the script with status 0 (torchrun itself then reports the
signal). The weights are those of the epoch with the best validation; the test pictures are looked at once, at the end.
Writes results/published_<row>_<device>.json, and 24 samples beside it. benchmarks/cluster/ has the command for SLURM
and for Kubernetes.
"""

import argparse
import functools
import gc
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
from _common import RESULTS, keep, machine, store, write_whole
from _long_runs import (
    Average,
    Muon,
    generators,
    is_large,
    match_strides,
    order_of,
    rate_at,
    set_generators,
    share,
    some,
)
from _published_rows import ROWS
from lightning_fabric import Fabric
from lightning_fabric.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from tqdm import tqdm

from course_utils import data, distributions, runtime
from course_utils.training import load_checkpoint, save_checkpoint

FOLDER = Path(__file__).resolve().parent.parent / "build" / "published"
FULL = states.StateDictOptions(full_state_dict=True, cpu_offload=True)  # whole tensors, however they are divided
SAME = "data", "epochs", "batch", "rate", "muon", "clip", "seed", "limit"  # in which a resumed run must not differ


class Run:
    """Everything a checkpoint holds: weights, their average and the best of it, optimiser, generators, the position.

    The learning rate and the order of the pictures are functions of the step and of the seed, so the step says both.

    Args:
        fabric: launched.
        name: of a row.
        options: of the command line.
        images: what is trained on; all of it lies on the device.
    """

    def __init__(self, fabric: Fabric, name: str, options: argparse.Namespace, images: data.Images):
        self.fabric, self.name, self.options, self.row = fabric, name, options, ROWS[name]
        self.path = Path(options.folder or FOLDER / name) / "checkpoint.safetensors"
        self.train, self.valid = (some(part, options.limit).to(fabric.device) for part in (images.train, images.valid))
        self.per_epoch = len(self.train) // options.batch  # what fills no batch has its turn in another epoch's order
        torch.manual_seed(options.seed)  # the same first weights in every process
        self.network = self.row.make(images.shape, make_family(images)).to(memory_format=torch.channels_last)
        self.model = fabric.setup_module(torch.compile(self.network) if options.compile else self.network)
        large, others = [], []
        for name, weight in self.network.named_parameters():
            (large if options.muon and is_large(name, weight) else others).append(weight)
        adam = torch.optim.Adam(others, options.rate, fused=not options.divided)
        kinds = [adam, Muon(large, options.muon)] if large else [adam]
        self.optimizers = [fabric.setup_optimizers(optimizer) for optimizer in kinds]
        self.average = Average(self.network.parameters())
        self.best: dict[str, Tensor] = {}
        self.step, self.history, self.taken_up = 0, [], []
        self.total = torch.zeros((), dtype=torch.float64, device=fabric.device)  # of this epoch's losses
        self.seconds = self.cpu_seconds = 0.0  # until now, of all runs that led here
        self.clock = time.monotonic(), time.process_time()
        torch.manual_seed(options.seed + 1 + fabric.global_rank)  # noise and dropout differ between processes

    @property
    def steps(self) -> int:
        return self.options.epochs * self.per_epoch

    @property
    def inner(self) -> list[torch.optim.Optimizer]:
        """The optimisers without Fabric's wrapping."""
        return [optimizer.optimizer for optimizer in self.optimizers]

    def facts(self) -> dict:
        """What a checkpoint says in words and numbers."""
        options = {key: getattr(self.options, key) for key in SAME}
        kept = {key: getattr(self, key) for key in ("step", "seconds", "cpu_seconds", "history", "taken_up")}
        return {"row": self.name, "options": options, "total": self.total.item(), **kept}

    def tick(self) -> None:
        """Add up the seconds since the last call: wall time, and processor time of all processes."""
        now = time.monotonic(), time.process_time()
        self.seconds += now[0] - self.clock[0]
        spent = torch.tensor(now[1] - self.clock[1], device=self.fabric.device)
        self.cpu_seconds += self.fabric.all_reduce(spent, reduce_op="sum").item()
        self.clock = now

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, whole, on the CPU; only in the first process."""
        self.average.swap()
        whole = {key: value.clone() for key, value in states.get_model_state_dict(self.network, options=FULL).items()}
        self.average.swap()
        return whole

    def save(self) -> None:
        """Write a checkpoint. Every process takes part, the first one writes."""
        self.tick()
        self.total = self.fabric.all_reduce(self.total, reduce_op="mean")
        tensors = {f"average.{key}": value for key, value in self.weights().items()}
        tensors |= {f"best.{key}": value for key, value in self.best.items()}
        model, optimizer = states.get_state_dict(self.network, self.inner, options=FULL)
        tensors |= {f"model.{key}": value for key, value in model.items()}
        for name, moments in optimizer.get("state", {}).items():
            tensors |= {f"optimizer.{name}.{key}": torch.as_tensor(value) for key, value in moments.items()}
        mine = generators(self.fabric.device)
        rows = mine.new_zeros(self.fabric.world_size, len(mine))
        rows[self.fabric.global_rank] = mine
        tensors["generators"] = self.fabric.all_reduce(rows, reduce_op="sum")  # each process has filled its own row
        if self.fabric.is_global_zero:
            save_checkpoint(self.path, tensors, self.facts())
            lines = "".join(json.dumps(line) + "\n" for line in self.history)  # those of this checkpoint, no others
            write_whole(self.path.with_name("log.jsonl"), lines)
        self.fabric.barrier()

    def load(self) -> None:
        """Go on from the checkpoint.

        Raises:
            ValueError: it belongs to another run, or is damaged. FileNotFoundError: there is none.
        """
        tensors, facts = load_checkpoint(self.path)
        mine = self.facts()
        for key in ("row", "options"):
            if facts.get(key) != mine[key]:
                was = f"{self.path} was written with {key} {facts.get(key)}, not {mine[key]}"
                raise ValueError(f"--resume needs the same run, but {was}: give the same options or another --folder")
        part = {kind: {} for kind in ("model", "average", "best", "optimizer")}
        for key, value in tensors.items():
            kind, _, name = key.partition(".")
            if kind in part:
                part[kind][name] = value
        moments = {}
        for key, value in part["optimizer"].items():
            name, _, moment = key.rpartition(".")
            moments.setdefault(name, {})[moment] = value
        try:
            states.set_model_state_dict(self.network, part["average"], options=FULL)
            self.average = Average(self.network.parameters())
            everywhere = states.StateDictOptions(full_state_dict=True)  # FULL has it in the first process alone
            groups = states.get_optimizer_state_dict(self.network, self.inner, options=everywhere)
            states.set_state_dict(
                self.network,
                self.inner,
                model_state_dict=part["model"],
                optim_state_dict=groups | {"state": moments},
                options=FULL,
            )
            for optimizer in self.inner:
                match_strides(optimizer)
            generator = tensors["generators"]
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"--resume needs the same model, but {self.path} holds the weights of another") from error
        for key in ("step", "seconds", "cpu_seconds", "history", "taken_up"):
            setattr(self, key, facts[key])
        self.best = part["best"]
        self.total.fill_(facts["total"])
        self.taken_up.append(self.step)
        if self.fabric.global_rank < len(generator):  # a process that was not there before keeps its own seed
            set_generators(generator[self.fabric.global_rank], self.fabric.device)


def make_family(images: data.Images) -> distributions.PixelFamily:
    """Bernoulli for two levels, a mixture of logistics for more."""
    if images.levels == 2:
        return distributions.bernoulli()
    return distributions.discretized_logistic_mixture(images.levels, 10)


@torch.no_grad()
def evaluate(run: Run, pictures: Tensor, samples: int | None) -> tuple[float, float]:
    """Mean of -log p(x) in nats a picture, and its standard error, with the weights that are in the network."""
    run.model.eval()
    sums = torch.zeros(3, dtype=torch.float64, device=run.fabric.device)  # pictures, their nats, nats squared
    for x in share(pictures, run.fabric).split(50):
        nats = -(run.model(x) if samples is None else run.network.log_prob(x, samples)).double()
        sums += torch.stack([torch.ones_like(nats).sum(), nats.sum(), nats.square().sum()])
    count, total, squares = run.fabric.all_reduce(sums, reduce_op="sum").tolist()
    run.model.train()
    return total / count, math.sqrt(max(0.0, squares / count - (total / count) ** 2) / count)


def train(run: Run, asked_to_stop: list[int]) -> bool:
    """The loop. Returns whether it came to its end; a signal in ``asked_to_stop`` ends it earlier."""
    fabric, batch = run.fabric, run.options.batch
    bar = tqdm(total=run.steps, initial=run.step, disable=not fabric.is_global_zero, mininterval=1)
    order = None
    run.model.train()
    while run.step < run.steps:
        epoch, position = divmod(run.step, run.per_epoch)
        if order is None or position == 0:
            order = order_of(epoch, len(run.train), run.options.seed).to(fabric.device)
        rows = share(order[position * batch : (position + 1) * batch], fabric)
        for optimizer, highest in zip(run.optimizers, (run.options.rate, run.options.muon), strict=False):
            optimizer.param_groups[0]["lr"] = rate_at(run.step, run.steps, highest)
            optimizer.zero_grad()
        # gradients are averaged over the processes: divide by their mean number of pictures, not by this one's
        loss = -run.model(run.train[rows], run.row.bound).sum() * (fabric.world_size / batch)
        fabric.backward(loss)
        fabric.clip_gradients(run.model, run.optimizers[0], max_norm=run.options.clip)
        for optimizer in run.optimizers:
            optimizer.step()
        run.average.update(run.step)
        run.total += loss.detach()
        run.step += 1
        bar.update()

        end_of_epoch = run.step % run.per_epoch == 0
        stop = run.step % 10 == 0 and any_process(fabric, bool(asked_to_stop))
        if end_of_epoch:
            finish_epoch(run)
        if end_of_epoch or stop or run.step % run.options.every == 0:
            run.save()
        if stop:
            break
    bar.close()
    return run.step == run.steps


def finish_epoch(run: Run) -> None:
    """Validate the averaged weights, keep them if they are the best, and say so in one line."""
    run.average.swap()
    valid, _ = evaluate(run, run.valid, run.row.samples and run.row.samples[0])
    run.average.swap()
    trained = run.fabric.all_reduce(run.total, reduce_op="mean").item() / run.per_epoch
    run.total.zero_()
    if all(valid < line["valid"] for line in run.history):
        run.best = run.weights()
    run.tick()
    line = {"epoch": run.step // run.per_epoch, "step": run.step, "train": trained, "valid": valid}
    run.history.append(line | {"seconds": run.seconds, "cpu_seconds": run.cpu_seconds})
    run.fabric.log_dict({"train": trained, "valid": valid}, run.step)
    if run.fabric.is_global_zero:
        tqdm.write(json.dumps(run.history[-1]))


def any_process(fabric: Fabric, asked: bool) -> bool:
    """Whether any process was asked to stop: a decision of all, or the others would wait for it for ever."""
    return fabric.all_reduce(torch.tensor(float(asked), device=fabric.device), reduce_op="sum").item() > 0


def finish(run: Run, images: data.Images) -> None:
    """Look at the test pictures, once, with the weights that validation chose, and store the row."""
    best = {key[5:]: value for key, value in load_checkpoint(run.path)[0].items() if key.startswith("best.")}
    states.set_model_state_dict(run.network, best, options=FULL)
    pictures = some(images.test, run.options.limit).to(run.fabric.device)
    test, error = evaluate(run, pictures, run.row.samples and run.row.samples[1])
    if not run.fabric.is_global_zero:
        return
    chosen = min(run.history, key=lambda line: line["valid"])
    result = {
        "machine": machine() | {"processes": run.fabric.world_size, "precision": run.options.precision},
        "command": " ".join(["benchmarks/published.py", *sys.argv[1:]]),
        **{key: value for key, value in run.facts().items() if key != "total"},
        "model": type(run.network).__name__,
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "published": run.row.published,
        "samples": run.row.samples,
        "chosen": chosen,
        "test": test,
        "error": error,
    }
    print(f"{run.name}: valid {chosen['valid']:.2f} (epoch {chosen['epoch']}), test {test:.2f} ± {error:.2f} nats")
    if run.options.store:
        torch.manual_seed(0)
        whole = run.row.make(images.shape, make_family(images)).to(run.fabric.device)  # also where it was divided
        whole.load_state_dict(best)
        drawn = whole.sample(24) * (images.levels - 1)
        name = f"published_{run.name}_{run.fabric.device.type}"
        keep(RESULTS / f"{name}.safetensors", {"samples": drawn.round().to(torch.uint8).cpu()})
        print(f"stored in {store(name, result)}")


def table() -> None:
    """What is stored, beside what was published."""
    print(f"{'row':<18}{'parameters':>11}{'hours':>7}{'valid':>8}{'test':>8}   published")
    for path in sorted(RESULTS.glob("published_*.json")):
        row = json.loads(path.read_text())
        beside = ", ".join(f"{name} {nats:.2f} ({row['test'] - nats:+.2f})" for name, nats in row["published"].items())
        numbers = (
            f"{row['parameters']:>11,}{row['seconds'] / 3600:>7.2f}{row['chosen']['valid']:>8.2f}{row['test']:>8.2f}"
        )
        print(f"{row['row']:<18}{numbers}   {beside}")


def read_options() -> argparse.Namespace:
    """The command line; what a row says where the command line does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=ROWS, nargs="?", help="without it: the table of what is stored")
    parser.add_argument("--data", default="binarized_mnist", help="a data set of course_utils.data, by name")
    parser.add_argument("--epochs", type=int, help="passes over the training pictures")
    parser.add_argument("--batch", type=int, help="pictures a step, all processes together")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--muon", type=float, help="highest learning rate of Muon; 0 is Adam for all")
    parser.add_argument("--clip", type=float, default=30.0, help="greatest length of the gradient")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="only so many pictures of each part, to try something")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints within an epoch")
    parser.add_argument("--folder", help="of the checkpoint; build/published/<row> if not given")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--accelerator", default="auto", help="cpu, cuda, mps")
    parser.add_argument("--devices", type=int, default=1, help="processes on this machine, where torchrun starts none")
    parser.add_argument("--divided", action="store_true", help="divide the weights among the processes (FSDP)")
    parser.add_argument("--precision", help="as Fabric calls it; bf16-mixed where the hardware has it")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--tensorboard", action="store_true", help="write curves for TensorBoard beside the checkpoint")
    parser.add_argument("--threads", type=int, help="CPU threads a process; the cores divided among them if not given")
    parser.add_argument("--store", action=argparse.BooleanOptionalAction, default=True, help="write benchmarks/results")
    options = parser.parse_args()
    if options.row is None:
        return options
    for key in ("epochs", "batch", "rate", "muon"):
        if getattr(options, key) is None:
            setattr(options, key, getattr(ROWS[options.row], key))
        if not getattr(options, key) > 0 and not (key == "muon" and options.muon == 0):
            parser.error(f"--{key} must be above 0, got {getattr(options, key)}")
    if options.divided:
        if not ROWS[options.row].blocks:
            parser.error(f"--divided needs a row with blocks to divide, image_gpt, not {options.row}")
        options.muon = 0.0  # it would need each whole kernel in one place
    return options


def divided(network: nn.Module, mesh: DeviceMesh, blocks: str) -> nn.Module:
    """Divide weights, gradients and moments among the processes; a block's weights come together while it computes."""
    for block in getattr(network, blocks):
        fully_shard(block, mesh=mesh["data_parallel"])
    return fully_shard(network, mesh=mesh["data_parallel"])


def make_fabric(options: argparse.Namespace) -> Fabric:
    """Fabric for the processes that torchrun or `fabric run` started, or for one."""
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", options.devices))
    nodes = int(os.environ.get("WORLD_SIZE", beside)) // beside
    torch.set_num_threads(options.threads or max(1, (os.cpu_count() or 1) // beside))
    accelerator = options.accelerator
    if accelerator == "auto":
        accelerator = runtime.device().type
    if options.precision is None:
        native = isinstance(runtime.autocast(accelerator), torch.autocast)
        options.precision = "bf16-mixed" if native else "32-true"
    loggers = None
    if options.tensorboard:
        from lightning_fabric.loggers import TensorBoardLogger

        loggers = TensorBoardLogger(options.folder or FOLDER / options.row, name="tensorboard", version="")
    if os.environ.get("LT_CLI_USED"):  # `fabric run` has said the rest, and wants to be the only one who does
        return Fabric(loggers=loggers)
    strategy = "ddp" if beside * nodes > 1 else "auto"
    if options.divided:
        divide = functools.partial(divided, blocks=ROWS[options.row].blocks)
        strategy = ModelParallelStrategy(divide, data_parallel_size=beside * nodes, tensor_parallel_size=1)
    return Fabric(
        accelerator=accelerator,
        devices=beside,
        num_nodes=nodes,
        strategy=strategy,
        precision=options.precision,
        loggers=loggers,
    )


def work(fabric: Fabric, options: argparse.Namespace, signals: list[int]) -> None:
    """Train a row, from its start or from a checkpoint, to its end or until a signal comes."""
    images = getattr(data, options.data)()
    run = Run(fabric, options.row, options, images)
    if options.batch < fabric.world_size or not run.per_epoch:
        most = f"{fabric.world_size} (processes) to {len(run.train)} (pictures)"
        sys.exit(f"--batch must be from {most}, got {options.batch}")
    if options.resume:
        try:
            run.load()
        except (ValueError, FileNotFoundError) as error:
            sys.exit(str(error))
    elif run.path.exists():
        sys.exit(f"{run.path} is there already: --resume goes on with it, another --folder leaves it alone.")
    if train(run, signals):
        finish(run, images)
    elif fabric.is_global_zero:
        print(f"stopped after {run.step:,} of {run.steps:,} steps; the same command with --resume goes on")


def main() -> None:
    options = read_options()
    if options.row is None:
        table()
        return
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    fabric = make_fabric(options)
    fabric.launch()
    work(fabric, options, signals)
    # The model has to be gone before the group is: if it took the group along, it would wait for gloo's threads while
    # these wait for Python, now and then for ever.
    gc.collect()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
