"""What all specs cost: `archspec gen` and `archspec check --all`, beside one `import torch`.

    python benchmarks/bench_zoo.py             the commands, then a line a spec, as tables
    python benchmarks/bench_zoo.py --json      the same, as JSON
    python benchmarks/bench_zoo.py --profile   where the time of both goes, by function

Commands are whole processes, started in turn; a ratio is the median of the ratios within one turn,
by the clock and by the processor's time, which other programs disturb less. `gen` writes into an
empty folder each time. The lines of the specs are calls of the library, in seconds of the
processor, the fastest of a few. The targets are less than 1.4 imports of torch for `gen`, and less
than one for `check --all`.
"""

import argparse
import cProfile
import gc
import json
import os
import pstats
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median
from subprocess import DEVNULL, run
from time import perf_counter, process_time
from typing import Any, TypeVar

# Run as a script, its neighbour is importable; mypy knows it as benchmarks.bench_check.
from bench_check import ROOT, machine  # type: ignore[import-not-found]

from archspec.api import Check, check, write
from archspec.language import loader

T = TypeVar("T")

REPEATS = 3
IMPORT = "import torch"


@dataclass(frozen=True)
class Command:
    """Whole processes of one command: seconds, and its ratio to `import torch` in each turn.

    By one of two clocks: the `wall`'s, or the processor's (`cpu`).
    """

    name: str
    clock: str
    median_s: float
    min_s: float
    max_s: float
    times_import: float
    times_import_min: float
    times_import_max: float


@dataclass(frozen=True)
class Family:
    """One spec: its networks and their steps, and seconds to check it and to write its module."""

    name: str
    networks: int
    nodes: int
    lines: int
    check_s: float
    write_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--turns", type=int, default=7, help="runs of each command")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--profile", action="store_true", help="print profiles, measure nothing")
    args = parser.parse_args()
    os.chdir(ROOT)
    if args.profile:
        print_profiles()
        return
    commands = measure_commands(args.turns)
    families = [measure_family(spec.file) for spec in loader.list_specs()]
    if args.json:
        tables: dict[str, list[Any]] = {"commands": commands, "families": families}
        rows = {name: [asdict(row) for row in table] for name, table in tables.items()}
        print(json.dumps({"machine": machine(), "turns": args.turns, **rows}, indent=2))
        return
    print_commands(commands, args.turns)
    print_families(families)


def measure_commands(turns: int) -> list[Command]:
    """Both commands, and the import that they are compared with, in turn.

    A first turn only warms the disk, and compiles the checkout to bytecode.
    """
    archspec = str(Path(sys.executable).parent / "archspec")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "generated"
        commands = {
            IMPORT: [sys.executable, "-c", IMPORT],
            "archspec gen": [archspec, "gen", "--out", str(out)],
            "archspec check --all": [archspec, "check", "--all"],
        }
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        names = list(commands)
        for turn in range(turns + 1):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                rmtree(out, ignore_errors=True)
                start, before = perf_counter(), of_children()
                run(commands[name], env=env, check=True, stdout=DEVNULL)
                if turn:
                    seconds[name, "wall"].append(perf_counter() - start)
                    seconds[name, "cpu"].append(of_children() - before)
    return [
        summarise(name, clock, seconds[name, clock], seconds[IMPORT, clock])
        for clock in ("wall", "cpu")
        for name in names
    ]


def of_children() -> float:
    """Seconds of the processor that the processes started here have taken and are done with."""
    times = os.times()
    return times.children_user + times.children_system


def summarise(name: str, clock: str, own: list[float], imports: list[float]) -> Command:
    """The figures of one command, compared turn by turn with the import."""
    ratios = [one / other for one, other in zip(own, imports, strict=True)]
    spread = (median(ratios), min(ratios), max(ratios))
    return Command(name, clock, median(own), min(own), max(own), *spread)


def measure_family(file: Path) -> Family:
    """What one spec costs when everything is imported."""
    checked, check_s = fastest(lambda: check(file))
    text, write_s = fastest(lambda: write(checked))
    members = checked.family or (checked,)
    nodes = sum(len(member.network.nodes) for member in members if member.network)
    return Family(file.stem, len(members), nodes, text.count("\n"), check_s, write_s)


def fastest(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` gives, and the seconds of the processor of its fastest run."""
    seconds = []
    for _ in range(REPEATS):
        gc.collect()
        start = process_time()
        result = work()
        seconds.append(process_time() - start)
    return result, min(seconds)


def print_profiles() -> None:
    """Print which functions checking and writing all specs spend their time in."""
    files = [spec.file for spec in loader.list_specs()]
    checked: list[Check] = [check(file) for file in files]
    write(checked[0])

    def check_all() -> None:
        for file in files:
            check(file)

    def write_all() -> None:
        for one in checked:
            write(one)

    for name, work in {"check": check_all, "write": write_all}.items():
        print(f"--- {name}")
        profile = cProfile.Profile()
        profile.runcall(work)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def print_commands(commands: list[Command], turns: int) -> None:
    """Print the processes, for people."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"\nWhole processes, median of {turns} turns (min – max)")
    for row in commands:
        spread = f"({1e3 * row.min_s:.0f} – {1e3 * row.max_s:.0f})"
        print(f"  {row.name:22}{row.clock:5}{1e3 * row.median_s:7.0f} ms  {spread}")
    print()
    for row in commands:
        if row.name != IMPORT:
            spread = f"({row.times_import_min:.2f} – {row.times_import_max:.2f})"
            print(f"  {row.name} takes {row.times_import:.2f} × {IMPORT} {spread}, {row.clock}")


def print_families(families: list[Family]) -> None:
    """Print a line a spec, the dearest first, and their sum."""
    total = Family(
        "all",
        sum(row.networks for row in families),
        sum(row.nodes for row in families),
        sum(row.lines for row in families),
        sum(row.check_s for row in families),
        sum(row.write_s for row in families),
    )
    print(f"\nEach spec, fastest of {REPEATS} calls, in milliseconds of the processor")
    print(f"  {'':22}networks   nodes   lines   check   write   µs a node   check alone")
    ordered = sorted(families, key=lambda row: row.check_s + row.write_s, reverse=True)
    for row in [*ordered, total]:
        sizes = f"{row.networks:8}{row.nodes:8,}{row.lines:8,}"
        seconds = f"{1e3 * row.check_s:8.1f}{1e3 * row.write_s:8.1f}"
        both = 1e6 * (row.check_s + row.write_s) / max(row.nodes, 1)
        alone = 1e6 * row.check_s / max(row.nodes, 1)
        print(f"  {row.name:22}{sizes}{seconds}{both:12.0f}{alone:14.1f}")


if __name__ == "__main__":
    main()
