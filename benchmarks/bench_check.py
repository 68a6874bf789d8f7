"""How fast `archspec check` is: cold beside Python itself and torchinfo, warm per row of a chain.

    python benchmarks/bench_check.py              everything, as tables
    python benchmarks/bench_check.py --json       everything, as JSON
    python benchmarks/bench_check.py --warm       the same without the cold runs
    python benchmarks/bench_check.py --chain N    one chain of N rows, in this process, as JSON
    python benchmarks/bench_check.py --deep NAME  one deep network, in this process, as JSON

Cold runs are whole processes, started in turn so that a change of the machine's mood hits all of
them alike; a ratio is the median of the ratios within one turn, and beside it stands that of the
fastest runs, which other programs disturb least. Warm runs are calls of the library, each series in
a process of its own. Beside what the clock says, chains have the seconds of the processor of their
fastest call: on a busy machine, these are what to compare. Deep networks are a block inside a
block, 50 times; a block repeated 10,000 times; and the ResNet of 1202 layers. What is generated for
them has to be short as well. Beside their check stands that of the same network where every place
of a block is walked, as if no two were alike, in the same process.
"""

import argparse
import gc
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
SPEC = "specs/alexnet.yaml"
CHAIN_ROWS = (1_000, 10_000, 40_000)
WARM_REPEATS = 5
PACKAGES = ("archspec", "pydantic", "pyyaml", "typer", "torch", "torchvision", "torchinfo")

TORCHVISION_SUMMARY = """
from torchinfo import summary
from torchvision.models import alexnet
print(summary(alexnet(), (1, 3, 224, 224), device="cpu"))
"""

# The leanest way there is: torchinfo on the module that archspec has generated, no torchvision.
GENERATED_SUMMARY = """
import sys
sys.path.insert(0, sys.argv[1])
from torchinfo import summary
import network
model = getattr(network, network.__all__[0])()
print(summary(model, (1, *network.INPUT_SHAPE), device="cpu"))
"""


@dataclass(frozen=True)
class Cold:
    """Whole processes of one command: seconds, and its ratio to `archspec check` in each turn."""

    name: str
    median_s: float
    min_s: float
    max_s: float
    times_check: float
    times_check_min: float
    times_check_max: float
    fastest_times_check: float


@dataclass(frozen=True)
class Warm:
    """One chain: microseconds a row of the repeats, and what memory grew by, in bytes a row."""

    rows: int
    median_us: float
    min_us: float
    max_us: float
    cpu_us: float
    peak_bytes: float | None


@dataclass(frozen=True)
class Deep:
    """One deep network: its steps, seconds to check and to generate it, lines, growth of memory.

    `anew_s` are the seconds of a check that walks every place of a block.
    """

    name: str
    nodes: int
    check_s: float
    anew_s: float
    generate_s: float
    lines: int
    peak_bytes: int | None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast `archspec check` is.")
    parser.add_argument("--turns", type=int, default=15, help="cold runs of each command")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--chain", type=int, metavar="ROWS", help="measure one chain in-process")
    parser.add_argument("--warm", action="store_true", help="leave out the cold runs")
    parser.add_argument("--deep", choices=DEEP, help="measure one deep network in-process")
    args = parser.parse_args()
    os.chdir(ROOT)
    if args.chain is not None or args.deep:
        one = measure_deep(args.deep) if args.deep else measure_chain(args.chain)
        print(json.dumps(asdict(one)))
        return
    cold = [] if args.warm else measure_cold(args.turns)
    warm = [Warm(**in_fresh_process("--chain", str(rows))) for rows in CHAIN_ROWS]
    deep = [Deep(**in_fresh_process("--deep", name)) for name in DEEP]
    if args.json:
        tables: dict[str, list[Any]] = {"cold": cold, "warm": warm, "deep": deep}
        rows = {name: [asdict(row) for row in table] for name, table in tables.items()}
        result = {"machine": machine(), "turns": args.turns, **rows}
        print(json.dumps({**result, "growth_exponent": growth_exponent(warm)}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    if cold:
        print_cold(cold, args.turns)
    print_warm(warm)
    print_deep(deep)


def measure_cold(turns: int) -> list[Cold]:
    """Whole processes of all commands, in turn."""
    with tempfile.TemporaryDirectory() as scratch:
        seconds = cold_seconds(commands(Path(scratch)), turns)
    return [summarise(name, seconds) for name in seconds]


def commands(scratch: Path) -> dict[str, list[str]]:
    """The commands that are compared, by name; the first is the one that is measured."""
    archspec = [str(Path(sys.executable).parent / "archspec")]
    generate = [*archspec, "gen", SPEC, "--target", "torch", "--stdout"]
    module = subprocess.run(generate, check=True, capture_output=True).stdout
    (scratch / "network.py").write_bytes(module)
    return {
        "archspec check": [*archspec, "check", SPEC],
        "python -c pass": [sys.executable, "-c", "pass"],
        "torchinfo, generated module": [sys.executable, "-c", GENERATED_SUMMARY, str(scratch)],
        "torchinfo, torchvision": [sys.executable, "-c", TORCHVISION_SUMMARY],
    }


def cold_seconds(commands: Mapping[str, list[str]], turns: int) -> dict[str, list[float]]:
    """Seconds of each command's process in each turn, after one turn that only warms the disk.

    That turn also compiles the checkout to bytecode, which installing a package does for it. Each
    turn begins with another command: what comes after a large process finds colder caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    names = list(commands)
    for turn in range(turns + 1):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            subprocess.run(commands[name], env=env, check=True, stdout=subprocess.DEVNULL)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def summarise(name: str, seconds: Mapping[str, list[float]]) -> Cold:
    """The figures of one command, compared turn by turn with the first one."""
    own, checks = seconds[name], next(iter(seconds.values()))
    ratios = [one / check for one, check in zip(own, checks, strict=True)]
    return Cold(
        name,
        statistics.median(own),
        min(own),
        max(own),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        min(own) / min(checks),
    )


def in_fresh_process(*arguments: str) -> dict[str, Any]:
    """What this script measures with those arguments, where nothing has grown the memory before."""
    command = [sys.executable, __file__, *arguments]
    measured = subprocess.run(command, check=True, capture_output=True).stdout
    found: dict[str, Any] = json.loads(measured)
    return found


def measure_chain(rows: int) -> Warm:
    """Check a chain of `rows` rows several times; the memory is the peak over a short check."""
    import archspec

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "chain.yaml"
        path.write_text("\n".join(chain(3)), encoding="utf-8")
        archspec.check(path)
        before = peak_memory()
        path.write_text("\n".join(chain(rows)), encoding="utf-8")
        times, cpu = [], []
        for _ in range(WARM_REPEATS):
            gc.collect()
            start, began = time.perf_counter(), time.process_time()
            result = archspec.check(path)
            times.append(1e6 * (time.perf_counter() - start) / rows)
            cpu.append(1e6 * (time.process_time() - began) / rows)
            if not result.ok:
                raise RuntimeError(f"the chain has faults: {result.diagnostics[:3]}")
            del result
        after = peak_memory()
    grown = None if before is None or after is None else (after - before) / rows
    return Warm(rows, statistics.median(times), min(times), max(times), min(cpu), grown)


def measure_deep(name: str) -> Deep:
    """Check and generate a deep network, after a shallow one; the memory is the peak of both.

    In seconds of the processor; those of checks are the fastest of a few, in turn.
    """
    from archspec.api import check, check_text, write
    from archspec.graph.blocks import Blocks

    write(check_text("\n".join(nested(2))))
    before = peak_memory()
    text = "\n".join(DEEP[name]())
    checked = check_text(text) if text else check(name)
    start = time.process_time()
    source = write(checked)
    generate_s = time.process_time() - start
    after = peak_memory()
    grown = None if before is None or after is None else after - before
    nodes = len(checked.network.nodes) if checked.network else 0
    lines = source.count("\n")
    del checked
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(WARM_REPEATS):
        for anew, taken in seconds.items():
            gc.collect()
            with ExitStack() as stack:
                for method in ("_again", "alike") if anew else ():
                    stack.enter_context(patch.object(Blocks, method, lambda *_: None))
                start = time.process_time()
                checked = check_text(text) if text else check(name)
                taken.append(time.process_time() - start)
                del checked
    return Deep(name, nodes, min(seconds[False]), min(seconds[True]), generate_s, lines, grown)


def chain(rows: int) -> Iterator[str]:
    """The lines of a spec of `rows` rows: convolution, normalisation, activation, and again."""
    yield "archspec: 1"
    yield "name: Chain"
    yield "input: [8, 32, 32]"
    yield "layers:"
    kinds = (
        "- {op: conv2d, out_channels: 8, kernel_size: 3, padding: 1, bias: false}",
        "- {op: batch_norm}",
        "- {op: relu}",
    )
    for row in range(rows):
        yield kinds[row % len(kinds)]


UNIT = (
    "{name: conv1, op: conv2d, out_channels: in_channels, kernel_size: 3, padding: 1, bias: false}",
    "{name: bn1, op: batch_norm}",
    "{name: relu, op: relu}",
)


def nested(depth: int) -> Iterator[str]:
    """The lines of a spec of a block in a block, `depth` of them, each with a shortcut."""
    yield from ("archspec: 1", "name: Nested", "input: [8, 16, 16]", "blocks:")
    for level in range(depth):
        yield from (f"  Level{level}:", "    layers:", *(f"    - {row}" for row in UNIT))
        if level < depth - 1:
            yield f"    - {{name: inside, op: Level{level + 1}}}"
        yield f"    - {{op: add, from: [{'inside' if level < depth - 1 else 'relu'}, input]}}"
    yield from ("layers:", "- {name: outermost, op: Level0}")


def repeated(times: int) -> Iterator[str]:
    """The lines of a spec of one block with a shortcut, so many times."""
    yield from ("archspec: 1", "name: Repeated", "input: [8, 16, 16]", "blocks:")
    yield from ("  Unit:", "    layers:", *(f"    - {row}" for row in UNIT))
    yield "    - {op: add, from: [relu, input]}"
    yield from ("layers:", f"- {{name: body, op: Unit, repeat: {times}}}")


DEEP: dict[str, Callable[[], Iterator[str]]] = {
    "50 blocks deep": lambda: nested(50),
    "10,000 blocks": lambda: repeated(10_000),
    "resnet1202": lambda: iter(()),  # among the specs
}


def peak_memory() -> int | None:
    """Bytes of the process's largest resident set so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def growth_exponent(warm: list[Warm]) -> float:
    """The p in the processor's time ∝ rows^p, from the shortest chain to the longest."""
    first, last = warm[0], warm[-1]
    longer = math.log(last.rows / first.rows)
    return 1 + math.log(last.cpu_us / first.cpu_us) / longer


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        cpu = next(names, cpu)
    found = {"cpu": f"{cpu}, {os.cpu_count()} cores", "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def print_cold(cold: list[Cold], turns: int) -> None:
    """Print the processes, for people."""
    print(f"\nCold: whole processes, median of {turns} turns (min – max)")
    for row in cold:
        spread = f"({1e3 * row.min_s:.0f} – {1e3 * row.max_s:.0f})"
        print(f"  {row.name:28} {1e3 * row.median_s:7.0f} ms  {spread}")
    check, floor, *peers = cold
    print(f"\n  {check.name} takes {1 / floor.times_check:.1f} × {floor.name}", end=" ")
    print(f"({1 / floor.times_check_max:.1f} – {1 / floor.times_check_min:.1f};", end=" ")
    print(f"fastest by fastest {1 / floor.fastest_times_check:.1f})")
    for peer in peers:
        print(f"  {peer.name} takes {peer.times_check:.1f} × {check.name}", end=" ")
        print(f"({peer.times_check_min:.1f} – {peer.times_check_max:.1f};", end=" ")
        print(f"fastest by fastest {peer.fastest_times_check:.1f})")


def print_warm(warm: list[Warm]) -> None:
    """Print the chains, for people."""
    print("\nWarm: archspec.check of a chain, median (min – max), and the growth of peak memory")
    for row in warm:
        spread = f"({row.min_us:.1f} – {row.max_us:.1f}; processor {row.cpu_us:.1f})"
        memory = "" if row.peak_bytes is None else f"{row.peak_bytes / 1024:6.1f} KiB a row"
        print(f"  {row.rows:7,} rows {row.median_us:7.1f} µs a row {spread:32} {memory}")
    print(f"  the processor's time grows with rows to the power of {growth_exponent(warm):.2f}")


def print_deep(deep: list[Deep]) -> None:
    """Print the deep networks, for people."""
    print("\nDeep: seconds of the processor, lines of the module, and the growth of peak memory")
    for row in deep:
        memory = "" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:6.1f} MiB"
        less = f"{row.anew_s / row.check_s:4.1f} × less than each place walked"
        seconds = (
            f"check {1e3 * row.check_s:6.1f} ms ({less}), generate {1e3 * row.generate_s:6.1f} ms"
        )
        print(f"  {row.name:15}{row.nodes:7,} steps: {seconds}, {row.lines:4} lines {memory}")


if __name__ == "__main__":
    main()
