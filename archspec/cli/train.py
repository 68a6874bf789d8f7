"""`archspec train`: fit a network on pictures."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import typer

from archspec.cli import train_options as options
from archspec.cli.errors import UserError
from archspec.cli.overrides import read_overrides
from archspec.cli.training import cache_dir, printable, report_pictures, told_by_trainer

if TYPE_CHECKING:
    from archspec.train.assemble import Ways
    from archspec.train.data.dataset import Dataset
    from archspec.train.display import DecodingBar
    from archspec.train.fit import Display
    from archspec.train.recipe import Recipe
    from archspec.train.run import Outcome
    from archspec.train.run_folder import RunConfig
    from archspec.train.source import ModuleSource, SpecText
    from archspec.train.world import World

RUNS = Path("runs")


class Arguments(NamedTuple):
    """What the command line says, besides the recipe's values."""

    spec: str | None
    data: str | None
    out: Path | None
    weights: Path | None
    device: str
    strategy: Literal["ddp", "fsdp"]
    keep: options.Keep
    cache: bool
    strict: bool
    save_every: float
    tensorboard: bool
    overwrite: bool
    quiet: bool


def train(
    spec: options.Spec = None,
    data: options.Data = None,
    recipe: options.RecipeName = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    batch_size: options.BatchSize = None,
    optimizer: options.OptimizerName = None,
    lr: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
    augment: options.Augmented = None,
    amp: options.Amp = None,
    set_: options.Settings = None,
    weights: options.Weights = None,
    transfer: options.Transfer = None,
    freeze: options.Freeze = None,
    out: options.Out = None,
    device: options.Device = "auto",
    strategy: options.StrategyName = "ddp",
    keep: options.Keeping = "auto",
    no_cache: options.NoCache = False,
    strict: options.Strict = False,
    save_every: options.SaveEvery = 10.0,
    tensorboard: options.Tensorboard = False,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a network on pictures, as a recipe says.

    The run's folder gets the network's code, the recipe, metrics.jsonl, the last and the best
    weights, the curves, and a summary. `archspec eval`, `predict` and `show` take that folder, and
    `archspec runs` compares several. Under torchrun the same command trains on many processes.
    """
    values = {
        "optimizer": optimizer,
        "epochs": epochs,
        "seed": seed,
        "batch_size": batch_size,
        "optimizer.lr": lr,
        "optimizer.weight_decay": weight_decay,
        "augment": "none" if augment is False else None,
        "amp": amp,
        "transfer": transfer,
        "freeze": freeze or None,
    }
    settings, variables = _sorted_overrides(set_ or [])
    settings = {**_given(values), **settings}
    arguments = Arguments(
        spec=spec,
        data=data,
        out=out,
        weights=weights,
        device=device,
        strategy=strategy,
        keep=keep,
        cache=not no_cache,
        strict=strict,
        save_every=60 * save_every,
        tensorboard=tensorboard,
        overwrite=overwrite,
        quiet=quiet,
    )
    with told_by_trainer():
        if resume:
            _refuse_with_resume(arguments, recipe=recipe, variables=variables)
            outcome = _resume(arguments, settings)
        else:
            outcome = _begin(arguments, recipe, settings, variables)
    _tell(outcome, quiet=quiet)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as values of a recipe."""
    given = {name: value for name, value in values.items() if value is not None}
    size = given.get("batch_size", "")
    return given | ({"batch_size": int(size)} if str(size).isdecimal() else {})


def _sorted_overrides(assignments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `--set` says to the recipe, and what to the network."""
    from archspec.train.recipe_file import is_setting

    overrides = read_overrides(assignments)
    settings = {name: value for name, value in overrides.items() if is_setting(name)}
    return settings, {name: v for name, v in overrides.items() if name not in settings}


def _refuse_with_resume(
    arguments: Arguments, *, recipe: str | None, variables: dict[str, Any]
) -> None:
    """Raise UserError for what a run that goes on has already."""
    if arguments.out is None:
        raise UserError("--resume needs the run's folder: --out DIR", 2)
    refused = {
        "--resume goes on with a run, --overwrite replaces it: not both": arguments.overwrite,
        "the run has its recipe: --resume keeps it, without --recipe": recipe is not None,
        "the run has its network: --resume keeps it, without --set": bool(variables),
        "the run has its weights: --resume keeps them, without --weights": arguments.weights,
        "the run has its pictures: --resume keeps them, without --strict": arguments.strict,
    }
    for message, found in refused.items():
        if found:
            raise UserError(message, 2)


def _begin(
    arguments: Arguments,
    recipe_name: str | None,
    settings: dict[str, Any],
    variables: dict[str, Any],
) -> "Outcome":
    if arguments.spec is None:
        raise UserError("name a SPEC or a generated module to train", 2)
    if arguments.data is None:
        raise UserError("name the pictures: --data DIR, or --data demo", 2)
    from archspec.train.recipe_file import DEFAULT, read_recipe
    from archspec.train.run import begin_run
    from archspec.train.run_folder import check_folder, next_run_folder
    from archspec.train.transfer.weights import read_weights

    recipe = read_recipe(recipe_name or DEFAULT, settings)
    source, origin = _read_source(arguments.spec, variables)
    with _ways(arguments) as ways:
        folder = arguments.out or ways.world.told_by_main(next_run_folder(RUNS, source.name))
        if ways.world.is_main:
            check_folder(folder, overwrite=arguments.overwrite)
        weights = None
        if arguments.weights is not None:
            weights = (str(arguments.weights), read_weights(arguments.weights))
        dataset = _load(arguments.data, source, recipe, arguments, ways.world)
        with _display(recipe, quiet=arguments.quiet or not ways.world.is_main) as display:
            return begin_run(
                source,
                dataset,
                recipe,
                folder,
                ways,
                spec=origin,
                overwrite=arguments.overwrite,
                display=display,
                weights=weights,
            )


def _resume(arguments: Arguments, settings: dict[str, Any]) -> "Outcome":
    from dataclasses import replace

    from archspec.train.checkpoint_files import candidates
    from archspec.train.run import resume_run
    from archspec.train.run_folder import read_config

    folder = arguments.out
    assert folder is not None
    config = read_config(folder)
    if (
        arguments.spec is not None
        and _read_source(arguments.spec, {})[0].code != config.source.code
    ):
        raise UserError(f"{arguments.spec} is not the network of the run in {folder}", 2)
    recipe = _with_more_epochs(config, settings)
    with _ways(arguments) as ways:
        dataset = _load(arguments.data or config.data, config.source, recipe, arguments, ways.world)
        if ways.world.is_main and not any(candidates(folder)):
            nothing = f"{printable(str(folder))} has no checkpoint yet: the run begins again"
            typer.echo(nothing, err=True)
        with _display(recipe, quiet=arguments.quiet or not ways.world.is_main) as display:
            config = replace(config, recipe=recipe)
            return resume_run(config, dataset, folder, ways, display=display)


@contextmanager
def _ways(arguments: Arguments) -> "Iterator[Ways]":
    """How the run is carried out, among the processes that torchrun has started."""
    from archspec.train.assemble import Ways
    from archspec.train.device import pick_device
    from archspec.train.memory import keep_freed_memory
    from archspec.train.tensorboard import require_tensorboard
    from archspec.train.world import joined, own_device

    if arguments.tensorboard:
        require_tensorboard()
    device = pick_device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()
    with joined(device) as world:
        yield Ways(
            own_device(device, world),
            world,
            arguments.strategy,
            arguments.save_every,
            arguments.tensorboard,
        )


def _load(
    data: str, source: "ModuleSource", recipe: "Recipe", arguments: Arguments, world: "World"
) -> "Dataset":
    """The pictures; the main process decodes them, and the others find them decoded."""
    from archspec.train.data.dataset import load_dataset
    from archspec.train.data.decode import stored_short_side

    def load(*, quiet: bool) -> "Dataset":
        return load_dataset(
            data,
            source.input_shape,
            short_side=stored_short_side(source.input_shape, recipe.augment, recipe.test),
            cache_folder=cache_dir(not arguments.cache),
            keep=arguments.keep,
            strict=arguments.strict,
            track=_tracker(quiet),
        )

    if not world.is_main:
        world.wait()
        return load(quiet=True)
    dataset = load(quiet=arguments.quiet)
    world.wait()
    report_pictures(dataset)
    return dataset


def _with_more_epochs(config: "RunConfig", settings: Mapping[str, Any]) -> "Recipe":
    """A resumed run's recipe: its own, in which only the number of epochs may grow."""
    from archspec.train.recipe_file import changed

    recipe = config.recipe
    new = changed(recipe, settings)
    for name, value in settings.items():
        if name == "epochs" or (value == "auto" and name in config.automatic):
            continue
        if changed(recipe, {name: value}) != recipe:
            raise UserError(f"the run was begun with another {name}: --resume keeps its recipe", 2)
    if new.epochs < recipe.epochs:
        raise UserError(f"the run was begun for {recipe.epochs} epochs: --resume keeps them", 2)
    return recipe.model_copy(update={"epochs": new.epochs})


def _read_source(spec: str, values: Mapping[str, Any]) -> "tuple[ModuleSource, SpecText | None]":
    """The network's code, and the spec, if it was made from one."""
    from archspec.train.source import CLASSES_ARGUMENT, SpecText, read_module, read_module_file

    if spec.endswith(".py"):
        return read_module_file(Path(spec), values), None
    from archspec import SpecError, SpecNotFound, generate, load
    from archspec.language.loader import find, read_text, variants_of

    try:
        found = find(spec)
        variants = variants_of(found.file)
        if found.variant is None and found.name in variants:
            spec = f"{spec}:{found.name}"  # the family's first name is that of a network in it
        elif found.variant is None:
            _require_one(spec, variants)
        _refuse_unknown(spec, values, load(spec).vars)
        code, text = generate(spec, overrides=values), read_text(found.file)
    except SpecNotFound as error:
        raise UserError(str(error), 2) from error
    except SpecError as error:
        raise UserError(f"{spec} has errors; `archspec check {spec}` explains them\n{error}") from (
            error
        )
    # The other variables are in the code by now; this one is also the class's argument.
    kwargs = {name: value for name, value in values.items() if name == CLASSES_ARGUMENT}
    variant = found.variant or (found.name if found.name in variants else None)
    return read_module(found.name, code, kwargs), SpecText(text, variant, dict(values))


def _refuse_unknown(spec: str, values: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Raise UserError for what neither a recipe nor the spec has, naming what may be meant."""
    from archspec.diagnostics.wording import suggest
    from archspec.train.recipe_file import dotted_names

    names = dotted_names()
    ends = {name.rpartition(".")[2]: name for name in names}
    for name in values:
        if name not in variables:
            near = f"did you mean `{ends[name]}`?" if name in ends else None
            help_ = near or suggest(name, [*variables, *names])
            raise UserError(f"--set {name}: neither a recipe nor {spec} has it; {help_}", 2)


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
    if outcome.interrupted is not None:
        if outcome.is_main:
            done = f"interrupted after {progress.epoch} whole epochs; saved"
            command = shlex.join(["archspec", "train", "--resume", "--out", str(folder)])
            typer.echo(f"{done}\ngo on with: {command}", err=True)
        raise typer.Exit(outcome.interrupted)
    best = progress.best
    if quiet or best is None or not outcome.is_main:
        return
    print(f"best: accuracy {best.val_accuracy:.1%} on held-out pictures, epoch {best.epoch}")
    print(f"run:  {printable(str(folder))} (curves.png, summary.json)")
