"""How fast generated modules are: beside torchvision's own ones, with the same weights.

    python benchmarks/bench_modules.py                       nine networks, as a table
    python benchmarks/bench_modules.py resnet50 vgg11        some of them
    python benchmarks/bench_modules.py --json                the same, as JSON

Both modules have one state_dict, which is loaded strictly, and give the same outputs before
anything is measured. A pair is one call of either, and pairs take turns in who goes first. A call
is timed in seconds of the processor, on one thread, so that waiting for others does not count; a
ratio is formed within a pair, and what is reported are the median of the pairs and the middle half
of them. Every round makes both modules anew, since where weights lie in memory counts, too. The
target is a ratio from 0.97 to 1.03. `--null` measures torchvision's module beside another one of
its own: what is then not 1 is the noise of the machine.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from time import process_time

import torch
import torchvision

# Run as a script, its neighbour is importable; mypy knows it as benchmarks.bench_check.
from bench_check import machine  # type: ignore[import-not-found]
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.api import check, write
from archspec.language import loader
from archspec.targets.torch.run import load_module

NETWORKS = (
    "resnet50",
    "mobilenet_v2",
    "vgg11",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "convnext_tiny",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
)
TOLERANCE = 1e-4  # of the largest output: float32, summed in two orders
WARM = 2  # pairs before those that count: kernels are chosen, memory is mapped
LEARNING_RATE = 1e-6  # weights that blew up would be slower, or faster


Pair = tuple[float, float]


@dataclass(frozen=True)
class Ratio:
    """Ours ÷ theirs over all pairs: the median, and the middle half; and theirs in milliseconds."""

    median: float
    low: float
    high: float
    theirs_ms: float


@dataclass(frozen=True)
class Row:
    """One network: a forward pass in evaluation, and a step of training."""

    network: str
    forward: Ratio
    step: Ratio


def main() -> None:
    """Measure and print."""
    wishes = parse_arguments()
    torch.set_num_threads(1)
    rows = []
    if not wishes.json:
        print_head(wishes)
    for name in wishes.networks or NETWORKS:
        rows.append(measure(name, wishes))
        if not wishes.json:
            print_row(rows[-1])
    if wishes.json:
        conditions = {"rounds": wishes.rounds, "pairs": wishes.pairs}
        conditions |= {"batch": wishes.batch, "size": wishes.size}
        table = [asdict(row) for row in rows]
        print(json.dumps({"machine": machine(), **conditions, "rows": table}, indent=2))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="names of torchvision's")
    parser.add_argument("--rounds", type=int, default=5, help="times that both are made anew")
    parser.add_argument("--pairs", type=int, default=8, help="pairs of calls in a round")
    parser.add_argument("--batch", type=int, default=4, help="pictures in a batch")
    parser.add_argument("--size", type=int, default=128, help="pixels of a picture's side")
    parser.add_argument("--null", action="store_true", help="torchvision's beside torchvision's")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def measure(name: str, wishes: argparse.Namespace) -> Row:
    """Both ratios of one network."""
    forwards: list[Pair] = []
    steps: list[Pair] = []
    for number in range(wishes.rounds):
        torch.manual_seed(number)
        ours, theirs = modules(name, ours_first=number % 2 == 0, null=wishes.null)
        images = torch.randn(wishes.batch, 3, wishes.size, wishes.size)
        require_equal(name, ours, theirs, images)
        both = [forward_call(module, images) for module in (ours, theirs)]
        forwards += [pair(both, number) for number in range(-WARM, wishes.pairs)][WARM:]
        both = [step_call(module, images) for module in (ours, theirs)]
        steps += [pair(both, number) for number in range(-WARM, wishes.pairs)][WARM:]
    return Row(name, ratio(forwards), ratio(steps))


def modules(name: str, *, ours_first: bool, null: bool) -> tuple[nn.Module, nn.Module]:
    """The generated module and torchvision's, with the same weights in training and evaluation."""
    make: Sequence[Callable[[str], nn.Module]] = (reference if null else generated, reference)
    if ours_first:
        ours, theirs = (one(name) for one in make)
    else:
        theirs, ours = (one(name) for one in reversed(make))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def reference(name: str) -> nn.Module:
    """The module of torchvision, with random weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # googlenet announces another initialisation
        module: nn.Module = torchvision.models.get_model(name, weights=None)
    return module


def generated(name: str) -> nn.Module:
    """The same network out of the file that `archspec gen` writes, of its whole family."""
    stems = {spec.name: spec for spec in loader.list_specs()}
    found = stems.get(name) or loader.find(name)
    checked = check(found.file)
    namespace = load_module(write(checked), checked.name)
    make = getattr(namespace, name, None) or getattr(namespace, namespace.__all__[0])
    module: nn.Module = make()
    return module


def require_equal(name: str, ours: nn.Module, theirs: nn.Module, images: Tensor) -> None:
    """Raise RuntimeError where the two are not the same network."""
    with torch.no_grad():
        mine, other = ours.eval()(images), theirs.eval()(images)
    if (mine - other).abs().max() > TOLERANCE * other.abs().max():
        raise RuntimeError(f"{name}: the generated module computes something else")


def forward_call(module: nn.Module, images: Tensor) -> Callable[[], None]:
    """A forward pass in evaluation."""

    def call() -> None:
        module.eval()
        with torch.inference_mode():
            module(images)

    return call


def step_call(module: nn.Module, images: Tensor) -> Callable[[], None]:
    """A step of training: forward, backward, update; every output has its share of the loss."""
    labels = torch.arange(len(images))
    optimizer = torch.optim.SGD(module.parameters(), lr=LEARNING_RATE)

    def call() -> None:
        module.train()
        optimizer.zero_grad(set_to_none=True)
        outputs = module(images)
        heads = [outputs] if isinstance(outputs, Tensor) else list(tensors(outputs))
        loss = torch.stack([F.cross_entropy(head, labels) for head in heads]).sum()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so
        optimizer.step()

    return call


def tensors(outputs: object) -> Sequence[Tensor]:
    """What a network with several outputs gives back in training."""
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [value for value in values if isinstance(value, Tensor)]  # type: ignore[attr-defined]


def pair(both: Sequence[Callable[[], None]], number: int) -> Pair:
    """Seconds of either call; every other pair begins with the second one."""
    first = number % 2
    seconds = {which: cost(both[which]) for which in (first, 1 - first)}
    return seconds[0], seconds[1]


def ratio(measured: Sequence[Pair]) -> Ratio:
    """The ratio of the pairs."""
    ratios = [mine / other for mine, other in measured]
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    return Ratio(median(ratios), low, high, 1e3 * median(other for _, other in measured))


def cost(call: Callable[[], None]) -> float:
    """Seconds of the processor that a call takes, of all threads together."""
    began = process_time()
    call()
    return process_time() - began


def print_head(wishes: argparse.Namespace) -> None:
    """Print the conditions, and what the columns are."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    pictures = f"{wishes.batch} pictures of {wishes.size}×{wishes.size}"
    print(f"1 thread, {pictures}, {wishes.rounds} rounds of {wishes.pairs} pairs")
    what = "torchvision ÷ torchvision" if wishes.null else "generated ÷ torchvision"
    print(f"\n{what}, median (middle half), and torchvision's milliseconds")
    print(f"{'':20}{'forward':32}step of training")


def print_row(row: Row) -> None:
    """Print the ratios of one network."""
    print(f"{row.network:20}{spell(row.forward):32}{spell(row.step)}", flush=True)


def spell(found: Ratio) -> str:
    """`1.004 (0.991 … 1.012)  123 ms`."""
    spread = f"({found.low:.3f} … {found.high:.3f})"
    return f"{found.median:.3f} {spread}{found.theirs_ms:6.0f} ms"


if __name__ == "__main__":
    main()
