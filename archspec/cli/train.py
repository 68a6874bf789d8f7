"""`archspec train`: fit a network on pictures."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.cli.errors import UserError
from archspec.cli.overrides import read_overrides
from archspec.cli.training import cache_dir, printable, report_broken, told_by_trainer

if TYPE_CHECKING:
    from archspec.train.display import DecodingBar
    from archspec.train.fit import Display
    from archspec.train.recipe import Recipe
    from archspec.train.run import Outcome
    from archspec.train.source import ModuleSource

INTERRUPTED = 130
RUNS = Path("runs")


def train(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="[SPEC|MODULE.py]",
            show_default=False,
            help="A spec (a name or a file), or a generated module. With --resume: left out.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|demo",
            show_default=False,
            help="A folder with one folder of pictures a class; or demo: five flowers, drawn.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(show_default="10", help="Passes over the training pictures.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(show_default="0", help="Of weights, order, crops, dropout and split."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default="runs/NAME-N", help="The run's folder."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(show_default="32", help="Pictures a step.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(show_default="adam", help="adam, adamw, or sgd (momentum 0.9).")
    ] = None,
    lr: Annotated[float | None, typer.Option(show_default="0.0002", help="Learning rate.")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(show_default="0", help="L2 penalty; decoupled in adamw.")
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            show_default="augment",
            help="Random resized crops and mirroring, or centre crops only.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="VAR=VALUE",
            show_default=False,
            help="Set a variable of the spec, or an argument of the module's class. Repeatable.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu or cuda.")] = (
        "auto"
    ),
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse broken pictures instead of leaving them out.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not keep decoded pictures on disk.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, bit for bit.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in --out by a new one.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what went wrong.")] = (
        False
    ),
) -> None:
    """Train a network on pictures; the defaults are the flower tutorial's recipe.

    The run's folder gets the network's code, metrics.jsonl, the last and the best weights, the
    curves, and a summary. `archspec eval` and `archspec predict` take that folder.
    """
    wishes = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "lr": lr,
        "weight_decay": weight_decay,
        "augment": augment,
        "seed": seed,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    if resume and overwrite:
        raise UserError("--resume goes on with a run, --overwrite replaces it: not both", 2)
    if resume and set_:
        raise UserError("the run has its network: --resume keeps it, without --set", 2)
    if resume and strict:
        raise UserError("the run has its pictures: --resume keeps them, without --strict", 2)
    with told_by_trainer():
        if resume:
            outcome = _resume(spec, data, out, given, device, no_cache, quiet)
        else:
            outcome = _begin(
                spec, set_ or [], data, out, given, device, no_cache, quiet, strict, overwrite
            )
    _tell(outcome, quiet=quiet)


def _begin(
    spec: str | None,
    settings: Sequence[str],
    data: str | None,
    out: Path | None,
    given: dict[str, Any],
    device: str,
    no_cache: bool,
    quiet: bool,
    strict: bool,
    overwrite: bool,
) -> "Outcome":
    if spec is None:
        raise UserError("name a SPEC or a generated module to train", 2)
    if data is None:
        raise UserError("name the pictures: --data DIR, or --data demo", 2)
    from archspec.train.dataset import load_dataset
    from archspec.train.recipe import Recipe, check_recipe, pick_device
    from archspec.train.run import begin_run
    from archspec.train.run_folder import check_folder, next_run_folder

    recipe = Recipe(**given)
    check_recipe(recipe)
    source, text = _read_source(spec, settings)
    chosen = pick_device(device)
    folder = out or next_run_folder(RUNS, source.name)
    check_folder(folder, overwrite=overwrite)
    dataset = load_dataset(
        data, source.input_shape, cache_dir(no_cache), strict=strict, track=_tracker(quiet)
    )
    report_broken(dataset.broken)
    with _display(recipe, quiet=quiet) as display:
        return begin_run(
            source,
            dataset,
            recipe,
            chosen,
            folder,
            spec=text,
            overwrite=overwrite,
            display=display,
        )


def _resume(
    spec: str | None,
    data: str | None,
    out: Path | None,
    given: dict[str, Any],
    device: str,
    no_cache: bool,
    quiet: bool,
) -> "Outcome":
    if out is None:
        raise UserError("--resume needs the run's folder: --out DIR", 2)
    from archspec.train.dataset import load_dataset
    from archspec.train.recipe import pick_device
    from archspec.train.run import resume_run
    from archspec.train.run_folder import LAST, read_config

    config = read_config(out)
    if spec is not None and _read_source(spec, [])[0].code != config.source.code:
        raise UserError(f"{spec} is not the network of the run in {out}", 2)
    _refuse_changes(config.recipe, given)
    recipe = replace(config.recipe, epochs=given.get("epochs", config.recipe.epochs))
    chosen = pick_device(device)
    dataset = load_dataset(
        data or config.data, config.source.input_shape, cache_dir(no_cache), track=_tracker(quiet)
    )
    report_broken(dataset.broken)
    if not (out / LAST).exists():
        typer.echo(f"{printable(str(out))} has no {LAST} yet: the run begins again", err=True)
    with _display(recipe, quiet=quiet) as display:
        return resume_run(replace(config, recipe=recipe), dataset, chosen, out, display=display)


def _refuse_changes(recipe: "Recipe", given: dict[str, Any]) -> None:
    """A resumed run keeps its recipe; only its number of epochs may grow."""
    for name, value in given.items():
        kept = getattr(recipe, name)
        if name != "epochs" and value != kept:
            option = name.replace("_", "-")
            raise UserError(f"the run was begun with --{option} {kept}: --resume keeps it", 2)
    if given.get("epochs", recipe.epochs) < recipe.epochs:
        raise UserError(f"the run was begun for {recipe.epochs} epochs: --resume keeps them", 2)


def _read_source(spec: str, settings: Sequence[str]) -> "tuple[ModuleSource, str | None]":
    """The network's code, and the spec's text if it was made from one."""
    from archspec.train.source import CLASSES_ARGUMENT, read_module, read_module_file

    values = read_overrides(settings)
    if spec.endswith(".py"):
        return read_module_file(Path(spec), values), None
    from archspec import SpecError, SpecNotFound, generate
    from archspec.language.loader import find, read_text, variants_of

    try:
        found = find(spec)
        variants = variants_of(found.file)
        if found.variant is None and found.name in variants:
            spec = f"{spec}:{found.name}"  # the family's first name is that of a network in it
        elif found.variant is None:
            _require_one(spec, variants)
        code, text = generate(spec, overrides=values), read_text(found.file)
    except SpecNotFound as error:
        raise UserError(str(error), 2) from error
    except SpecError as error:
        raise UserError(f"{spec} has errors; `archspec check {spec}` explains them\n{error}") from (
            error
        )
    # The other variables are in the code by now; this one is also the class's argument.
    kwargs = {name: value for name, value in values.items() if name == CLASSES_ARGUMENT}
    return read_module(found.name, code, kwargs), text


def _require_one(spec: str, variants: Sequence[str]) -> None:
    """Raise UserError for a family of which no member is named."""
    if variants:
        known = ", ".join(variants[:12]) + (", …" if len(variants) > 12 else "")
        raise UserError(f"{spec} is a family; name one of its networks: {known}", 2)


def _tracker(quiet: bool) -> "DecodingBar":
    from rich.console import Console

    from archspec.train.display import DecodingBar

    return DecodingBar(Console(stderr=True, quiet=quiet))


@contextmanager
def _display(recipe: "Recipe", *, quiet: bool) -> "Iterator[Display]":
    from rich.console import Console

    from archspec.train.display import Bar, Lines, Silent

    console = Console()
    if quiet:
        yield Silent()
        return
    if not console.is_terminal:
        yield Lines(recipe.epochs)
        return
    bar = Bar(console, recipe.epochs)
    try:
        yield bar
    finally:
        bar.close()


def _tell(outcome: "Outcome", *, quiet: bool) -> None:
    progress, folder = outcome.progress, outcome.folder
    if outcome.interrupted:
        done = f"interrupted after {progress.epoch} whole epochs; saved"
        command = shlex.join(["archspec", "train", "--resume", "--out", str(folder)])
        typer.echo(f"{done}\ngo on with: {command}", err=True)
        raise typer.Exit(INTERRUPTED)
    best = progress.best
    if quiet or best is None:
        return
    print(f"best: accuracy {best.val_accuracy:.1%} on held-out pictures, epoch {best.epoch}")
    print(f"run:  {printable(str(folder))} (curves.png, summary.json)")
