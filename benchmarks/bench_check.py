"""How fast `archspec check` is: cold beside Python itself and torchinfo, warm per row of a chain.

    python benchmarks/bench_check.py            everything, as tables
    python benchmarks/bench_check.py --json     everything, as JSON
    python benchmarks/bench_check.py --chain N  one chain of N rows, warm, in this process, as JSON

Cold runs are whole processes, started in turn so that a change of the machine's mood hits all of
them alike; a ratio is the median of the ratios within one turn, and beside it stands that of the
fastest runs, which other programs disturb least. Warm runs are calls of the library.
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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = "specs/alexnet.yaml"
CHAIN_ROWS = (1_000, 10_000, 100_000)
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
    peak_bytes: float | None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast `archspec check` is.")
    parser.add_argument("--turns", type=int, default=15, help="cold runs of each command")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--chain", type=int, metavar="ROWS", help="measure one chain in-process")
    args = parser.parse_args()
    os.chdir(ROOT)
    if args.chain is not None:
        print(json.dumps(asdict(measure_chain(args.chain))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        seconds = cold_seconds(commands(Path(scratch)), args.turns)
    cold = [summarise(name, seconds) for name in seconds]
    warm = [chain_in_fresh_process(rows) for rows in CHAIN_ROWS]
    if args.json:
        result = {"machine": machine(), "turns": args.turns}
        rows = {"cold": [asdict(row) for row in cold], "warm": [asdict(row) for row in warm]}
        print(json.dumps({**result, **rows, "growth_exponent": growth_exponent(warm)}, indent=2))
        return
    print_tables(cold, warm, args.turns)


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


def chain_in_fresh_process(rows: int) -> Warm:
    """`measure_chain` where no earlier chain has grown the memory."""
    command = [sys.executable, __file__, "--chain", str(rows)]
    return Warm(**json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def measure_chain(rows: int) -> Warm:
    """Check a chain of `rows` rows several times; the memory is the peak over a one-row check."""
    import archspec

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "chain.yaml"
        path.write_text("\n".join(chain(3)), encoding="utf-8")
        archspec.check(path)
        before = peak_memory()
        path.write_text("\n".join(chain(rows)), encoding="utf-8")
        times = []
        for _ in range(WARM_REPEATS):
            gc.collect()
            start = time.perf_counter()
            result = archspec.check(path)
            times.append(1e6 * (time.perf_counter() - start) / rows)
            if not result.ok:
                raise RuntimeError(f"the chain has faults: {result.diagnostics[:3]}")
            del result
        after = peak_memory()
    grown = None if before is None or after is None else (after - before) / rows
    return Warm(rows, statistics.median(times), min(times), max(times), grown)


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


def peak_memory() -> int | None:
    """Bytes of the process's largest resident set so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def growth_exponent(warm: list[Warm]) -> float:
    """The p in time ∝ rows^p, from the shortest chain to the longest."""
    first, last = warm[0], warm[-1]
    longer = math.log(last.rows / first.rows)
    return 1 + math.log(last.median_us / first.median_us) / longer


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


def print_tables(cold: list[Cold], warm: list[Warm], turns: int) -> None:
    """Print what was measured, for people."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
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
    print("\nWarm: archspec.check of a chain, median (min – max), and the growth of peak memory")
    for chain in warm:
        spread = f"({chain.min_us:.1f} – {chain.max_us:.1f})"
        memory = "" if chain.peak_bytes is None else f"{chain.peak_bytes / 1024:6.1f} KiB a row"
        print(f"  {chain.rows:7,} rows {chain.median_us:7.1f} µs a row {spread:16} {memory}")
    print(f"  time grows with rows to the power of {growth_exponent(warm):.2f}")


if __name__ == "__main__":
    main()
