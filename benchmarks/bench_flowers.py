"""How well flowers are learnt: recipes and networks, three seeds each, beside the tutorial's code.

    python benchmarks/bench_flowers.py --out runs/bench_flowers
    python benchmarks/bench_flowers.py --out … --only tutorial --epochs 1 --seeds 0

Every entry is trained from random weights on nine tenths of the pictures and measured on the tenth
that its seed holds out, the same one in every row. Runs of the trainer are `archspec train`'s, in
folders that `archspec eval` and `archspec runs` take; the tutorial's code (tutorial.py) is a
program of its own that imports nothing of archspec. What is finished in --out is not run again.
Columns, as mean ± standard deviation over the seeds:

last      accuracy after the last epoch, on centre crops: what to compare. Nothing was chosen by it
best      the best epoch's accuracy: chosen on the pictures that it is measured on, so too good
test      the best epoch's accuracy with the recipe's own test crops (ten, scales, …)
seconds   decoding, training and the evaluation after each epoch; the clock's, so on a quiet machine

The tutorial's code squashes pictures for its evaluation and decodes them in every epoch, with as
many workers as threads: that is how it is written.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

import torch

# Run as a script, its neighbour is importable; mypy knows it as benchmarks.rounds.
from rounds import read_source, seconds_of  # type: ignore[import-not-found]

from archspec.language import loader
from archspec.train.assemble import Ways
from archspec.train.data.cache import cache_folder
from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.data.decode import stored_short_side
from archspec.train.data.flowers import FLOWERS, fetch_flowers
from archspec.train.data.folder import list_folder
from archspec.train.data.split import stratified_split
from archspec.train.data.track import in_silence
from archspec.train.device import pick_amp, pick_device
from archspec.train.display import Silent, epoch_line
from archspec.train.memory import keep_freed_memory
from archspec.train.metrics import EpochMetrics
from archspec.train.recipe import Recipe
from archspec.train.recipe_file import list_recipes, read_recipe
from archspec.train.run import begin_run
from archspec.train.run_files import CONFIG, SUMMARY, read_json_object

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "flowers"
TUTORIAL = HERE / "tutorial.py"
RESULT = "result.json"  # in each run's folder


@dataclass(frozen=True)
class Entry:
    """A row: a network and a recipe by name, or the tutorial's code; `says` is for people."""

    name: str
    says: str
    network: str | None = None
    recipe: str | None = None

    @property
    def missing(self) -> str | None:
        """What is not there of it, if anything."""
        known = {spec.name for spec in loader.list_specs()}
        if self.recipe is not None and self.recipe not in list_recipes():
            return f"no recipe `{self.recipe}`"
        if self.network is not None and self.network not in known:
            return f"no spec `{self.network}`"
        return None


ENTRIES = (
    Entry("tutorial-code", "the tutorial's own code"),
    Entry("tutorial", "its recipe, our trainer", "alexnet_half", "tutorial"),
    Entry("alexnet", "our recipe for AlexNet", "alexnet_half", "alexnet_flowers"),
    Entry("default", "the default for flowers", "flower_resnet", "flowers"),
)


@dataclass(frozen=True)
class Result:
    """One run: accuracies as shares of 1; `test` is None where there is no such thing."""

    entry: str
    seed: int
    epochs: int
    last: float
    best: float
    test: float | None
    seconds: float
    threads: int
    device: str


class Aside(Silent):
    """A line an epoch, beside what is printed for programs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def end_epoch(self, metrics: EpochMetrics) -> None:
        print(epoch_line(metrics, self.epochs), file=sys.stderr, flush=True)


def main() -> None:
    """Run what is not there yet, print JSON a run, and a table."""
    wishes = parse_arguments()
    torch.set_num_threads(wishes.threads)
    device = pick_device(wishes.device)
    if device.type == "cpu":
        keep_freed_memory()
    folder = Path(wishes.data)
    if not folder.is_dir() and wishes.data == FLOWERS:
        folder = fetch_flowers(cache_folder(), in_silence)
    with TemporaryDirectory() as temporary:
        out = wishes.out or Path(temporary)
        entries = [entry for entry in ENTRIES if wishes.only in {None, entry.name}]
        table = {entry: list(results(entry, folder, out, device, wishes)) for entry in entries}
    print_table(table)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", default=str(SHARED) if SHARED.is_dir() else FLOWERS)
    parser.add_argument("--out", type=Path, help="where runs are kept, finished ones not run again")
    parser.add_argument("--only", choices=[entry.name for entry in ENTRIES])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="instead of the recipe's, to see it run")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def results(
    entry: Entry, folder: Path, out: Path, device: torch.device, wishes: argparse.Namespace
) -> Iterator[Result]:
    """The runs of an entry; nothing, with a line why, for one that is not there."""
    if entry.missing is not None:
        print(f"{entry.name}: skipped, {entry.missing}", flush=True)
        return
    for seed in wishes.seeds:
        run = out / f"{entry.name}-{seed}"
        if entry.network is None:
            result = run_tutorial(entry, seed, folder, run, device, wishes)
        else:
            result = run_entry(entry, seed, folder, run, device, wishes)
        print(json.dumps(asdict(result)), flush=True)
        yield result


# --- one run --------------------------------------------------------------------------------------


def run_entry(
    entry: Entry,
    seed: int,
    folder: Path,
    run: Path,
    device: torch.device,
    wishes: argparse.Namespace,
) -> Result:
    """What `archspec train` makes of an entry, or has made of it before."""
    assert entry.network is not None
    assert entry.recipe is not None
    epochs = {} if wishes.epochs is None else {"epochs": wishes.epochs}
    recipe = read_recipe(entry.recipe, {"seed": seed, **epochs})
    source = read_source(entry.network)
    if not is_finished(run, recipe, source.code, device):
        loaded: list[Dataset] = []

        def load() -> None:
            size = stored_short_side(source.input_shape, recipe.augment, recipe.test)
            found = load_dataset(
                str(folder), source.input_shape, short_side=size, cache_folder=None, keep="memory"
            )
            loaded.append(found)

        decoding = seconds_of(load, device)  # without a cache, so that every run pays for it
        outcome = begin_run(
            source,
            loaded[0],
            recipe,
            run,
            Ways(device),
            spec=None,
            overwrite=True,
            display=Aside(recipe.epochs),
        )
        if outcome.interrupted is not None:
            sys.exit(outcome.interrupted)
        (run / RESULT).write_text(json.dumps({"decoding": decoding}))
    found, decoding = read_json_object(run / SUMMARY), read_json_object(run / RESULT)["decoding"]
    return Result(
        entry=entry.name,
        seed=seed,
        epochs=found["epochs"],
        last=found["last"]["val_accuracy"],
        best=found["best"]["val_accuracy"],
        test=found["test"]["accuracy"],
        seconds=decoding + found["train_seconds"] + found["val_seconds"],
        threads=found["threads"],
        device=found["device"],
    )


def is_finished(run: Path, recipe: Recipe, code: str, device: torch.device) -> bool:
    """Whether the folder has a finished run of this recipe and network; another one is replaced."""
    if not all((run / name).is_file() for name in (CONFIG, SUMMARY, RESULT)):
        return False
    resolved = recipe.model_copy(update={"amp": pick_amp(recipe.amp, device)}).resolved()
    before = read_json_object(run / CONFIG)["recipe"]
    if resolved["batch_size"] == "auto":
        resolved["batch_size"] = before["batch_size"]
    return before == resolved and (run / "network.py").read_text(encoding="utf-8") == code


def run_tutorial(
    entry: Entry,
    seed: int,
    folder: Path,
    run: Path,
    device: torch.device,
    wishes: argparse.Namespace,
) -> Result:
    """What the tutorial's code comes to, or has come to before."""
    path, epochs = run / RESULT, wishes.epochs or 10
    if path.is_file():
        before = Result(**read_json_object(path))
        if before.epochs == epochs:
            return before
    run.mkdir(parents=True, exist_ok=True)
    listing = list_folder(folder)
    split = stratified_split(listing.names, listing.labels, seed)
    held_out = run / "held_out.txt"
    held_out.write_text("\n".join(listing.names[place] for place in split.val), encoding="utf-8")
    workers = wishes.threads if wishes.threads > 1 else 0
    options = {"seed": seed, "epochs": epochs, "threads": wishes.threads, "workers": workers}
    given = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, str(TUTORIAL), str(folder), str(held_out), *given]
    # It takes a GPU wherever it sees one.
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device.type == "cpu" else {}
    environment = os.environ | hidden
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found = json.loads(done.stdout.splitlines()[-1])
    result = Result(
        entry=entry.name,
        seed=seed,
        epochs=epochs,
        last=found["last"],
        best=found["best"],
        test=None,
        seconds=found["seconds"],
        threads=wishes.threads,
        device=found["device"],
    )
    path.write_text(json.dumps(asdict(result)))
    return result


# --- told -----------------------------------------------------------------------------------------


def print_table(table: Mapping[Entry, list[Result]]) -> None:
    """Print a row an entry that has been run."""
    columns = ("last", "best", "test", "seconds")
    print(f"\n{'':16}{'':26}" + "".join(f"{column:>16}" for column in columns))
    for entry, runs in table.items():
        if runs:
            cells = [column_of(runs, column) for column in columns]
            print(f"{entry.name:16}{entry.says:26}" + "".join(f"{cell:>16}" for cell in cells))


def column_of(runs: list[Result], column: str) -> str:
    """`67.2 ± 1.1`, accuracies in percent; `–` where there is none."""
    values = [getattr(run, column) for run in runs]
    if None in values:
        return "–"
    scale = 1 if column == "seconds" else 100
    spread = f" ± {scale * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{scale * mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
