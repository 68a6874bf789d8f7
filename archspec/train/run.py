"""A whole run, from a network's source and pictures to a run folder."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from archspec.train import checkpoint, run_folder
from archspec.train.assemble import Assembled, Ways, assemble
from archspec.train.batch_size import SMALLEST, find_batch_size
from archspec.train.checkpoint_files import BEST_FILE, promote, read_checkpoint
from archspec.train.curves import write_curves
from archspec.train.data.dataset import Dataset
from archspec.train.data.split import Split, dataset_split, names_digest
from archspec.train.device import pick_amp
from archspec.train.errors import TrainError
from archspec.train.evaluation import Evaluation
from archspec.train.feeding.colour import Colours, measure_colours, resolve_normalize
from archspec.train.feeding.feeder import Feeder
from archspec.train.files import write_json
from archspec.train.fit import Display, Watch, evaluate_learner, fit, is_enough
from archspec.train.interrupt import listening
from archspec.train.learner import Learner
from archspec.train.metrics import Progress
from archspec.train.outputs import Outputs
from archspec.train.recipe import Recipe
from archspec.train.recipe_file import as_yaml
from archspec.train.run_files import SUMMARY, write_failure
from archspec.train.run_folder import RunConfig, code_digest
from archspec.train.source import ModuleSource, SpecText
from archspec.train.summary import summarise
from archspec.train.tensorboard import opened_board, require_tensorboard
from archspec.train.world import ALONE


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its history, and, where somebody broke it off, the exit code to end with.

    `is_main` is False in all processes but the one that tells people.
    """

    folder: Path
    progress: Progress
    interrupted: int | None = None
    is_main: bool = True


@dataclass(frozen=True)
class Run:
    """All that a run is made of, before it begins or goes on."""

    config: RunConfig
    dataset: Dataset
    split: Split
    colours: Colours | None
    ways: Ways
    folder: Path
    display: Display

    @property
    def digest(self) -> str:
        """Tells its checkpoints from those of another network."""
        return code_digest(self.config.source)


def begin_run(
    source: ModuleSource,
    dataset: Dataset,
    recipe: Recipe,
    folder: Path,
    ways: Ways,
    *,
    spec: SpecText | None,
    overwrite: bool,
    display: Display,
    weights: tuple[str, Mapping[str, Tensor]] | None = None,
) -> Outcome:
    """Train a new network in a new run folder; `weights` are a name and tensors to begin with.

    Everything that can be wrong with the wishes is found before the folder is touched. All
    processes of a world call this, and its main one writes.
    """
    if len(dataset.classes) < 2:
        raise TrainError(f"{dataset.source} has one class: nothing to tell apart", exit_code=2)
    if weights is None and recipe.transfer != "all":
        raise TrainError(f"transfer: {recipe.transfer} trains a part: load the rest, --weights", 2)
    if ways.tensorboard:
        require_tensorboard()
    automatic = tuple(name for name in ("amp", "batch_size") if getattr(recipe, name) == "auto")
    recipe = recipe.model_copy(update={"amp": pick_amp(recipe.amp, ways.device)})
    split = dataset_split(dataset, recipe.seed, recipe.val_fraction)
    colours = measured(dataset, split, recipe)
    normalize = resolve_normalize(recipe.normalize, source.input_shape[0], colours)
    name, tensors = weights or (None, None)
    config = RunConfig(
        source, dataset.classes, dataset.source, recipe, normalize, name, automatic=automatic
    )
    if spec is not None:
        config = replace(config, variant=spec.variant, variables=spec.variables)
    if recipe.batch_size == "auto":
        config = with_batch_size(config, len(split.train), ways)
        display.tell(f"batch size: {config.recipe.batch_size}")
    assembled = assemble(config, len(split.train), ways, tensors)
    run, progress = Run(config, dataset, split, colours, ways, folder, display), Progress()
    if ways.world.is_main:
        run_folder.claim_folder(folder, overwrite=overwrite)
    ways.world.wait()
    display.tell(as_yaml(config.recipe))
    tell_assembled(assembled, display)
    if assembled.report is not None:  # the run can always go on without the file
        checkpoint.save_last(folder, assembled.learner, progress, run.digest)
    if ways.world.is_main:
        if assembled.report is not None:
            write_json(folder / run_folder.TRANSFER, assembled.report.as_json())
        run_folder.write_config(folder, config, spec, describe_split(dataset, split))
    with failure_noted(run):
        return _train(run, assembled.learner, progress)


def resume_run(
    config: RunConfig, dataset: Dataset, folder: Path, ways: Ways, *, display: Display
) -> Outcome:
    """Go on with the run in `folder` where its last good checkpoint was saved, or from the start.

    `config` is the folder's own, possibly with more epochs. Raises TrainError when the pictures
    are not those that it was begun with, or no checkpoint can be loaded.
    """
    recipe = config.recipe
    split = dataset_split(dataset, recipe.seed, recipe.val_fraction)
    if describe_split(dataset, split) != run_folder.read_run_json(folder, run_folder.SPLIT):
        raise TrainError(f"the pictures in {dataset.source} have changed since the run began", 2)
    colours = measured(dataset, split, recipe)
    learner = assemble(config, len(split.train), ways).learner
    run = Run(config, dataset, split, colours, ways, folder, display)
    with failure_noted(run):
        progress = restore(run, learner)
        if ways.world.is_main:
            run_folder.write_recipe(folder, recipe)
        return _train(run, learner, progress)


@contextmanager
def failure_noted(run: Run) -> Iterator[None]:
    """Leave in the run's folder why it ended, if it fails within the block."""
    try:
        yield
    except TrainError as error:
        if run.ways.world.is_main:
            with suppress(TrainError):  # where the disk is full there is no room for this either
                write_failure(run.folder, str(error))
        raise


def measured(dataset: Dataset, split: Split, recipe: Recipe) -> Colours | None:
    """The colours of the training pictures, where the recipe has a use for them."""
    if not recipe.augment.pca and recipe.normalize != "dataset":
        return None
    return measure_colours(dataset.pictures, torch.tensor(split.train))


def restore(run: Run, learner: Learner) -> Progress:
    """Bring the learner to the newest good checkpoint; the main process says which one it is."""
    world = run.ways.world
    path: Path | None = None
    state: dict[str, Any] = {}
    complaints: list[str] = []
    if world.is_main:
        path, state, complaints = checkpoint.find_good(run.folder, run.digest)
    for complaint in complaints:
        run.display.warn(complaint)
    if path is not None and complaints:
        run.display.warn(f"going on from {path} instead")
        path = promote(run.folder, path)
    path = world.told_by_main(path)
    if path is None and run.config.weights is not None:
        raise TrainError(
            f"{run.folder} has no checkpoint, and no longer the weights that it began with: "
            "begin anew, with --overwrite",
            exit_code=2,
        )
    if path is None:
        return Progress()
    if not world.is_main:
        state = checkpoint.load_checkpoint(path, run.digest)
    return checkpoint.restore(learner, state, path)


def with_batch_size(config: RunConfig, num_train: int, ways: Ways) -> RunConfig:
    """The configuration with the batch size that this device, or each of several, uses well."""
    found = None
    if ways.world.is_main:
        smallest = {"batch_size": SMALLEST * config.recipe.accumulate}
        tried = replace(config, recipe=config.recipe.model_copy(update=smallest))
        alone = replace(ways, world=ALONE)
        learner = assemble(tried, num_train, alone).learner
        found = find_batch_size(
            learner, config.source.input_shape, len(config.classes), num_train // ways.world.size
        )
    size = ways.world.told_by_main(found) * ways.world.size
    return replace(config, recipe=config.recipe.model_copy(update={"batch_size": size}))


def tell_assembled(assembled: Assembled, display: Display) -> None:
    """Tell a person what was loaded, what is frozen, and what the network puts out."""
    outputs = assembled.learner.outputs
    if outputs is not Outputs.SCORES:
        display.tell(f"the network puts out {outputs.value}: the loss takes no softmax of them")
    if assembled.report is not None:
        display.tell(assembled.report.as_text())
    if assembled.frozen.frozen:
        display.tell(assembled.frozen.as_text())
    new = assembled.report.new if assembled.report is not None else ()
    if left := assembled.frozen.left_random(new):
        display.warn(f"neither loaded nor trained, so left as they began: {', '.join(left)}")


def describe_split(dataset: Dataset, split: Split) -> dict[str, Any]:
    """What split.json holds: the names held out, and digests to recognise the rest by."""
    train = [dataset.names[place] for place in split.train]
    val = [dataset.names[place] for place in split.val]
    return {
        "num_train": len(train),
        "train_digest": names_digest(train),
        "pictures": dataset.digest,
        "val": val,
    }


def _train(run: Run, learner: Learner, progress: Progress) -> Outcome:
    ways, began = run.ways, perf_counter()
    if is_finished(run, progress):
        early = " early, as its recipe says" if progress.epoch < run.config.recipe.epochs else ""
        run.display.tell(
            f"nothing is left to train: the run ended{early} at epoch {progress.epoch}"
        )
    if ways.strategy == "fsdp" and ways.world.is_alone:
        run.display.tell("there is one process: nothing is sharded")
    if ways.world.is_main:
        run_folder.reopen_folder(run.folder, finished=is_finished(run, progress))
        run_folder.write_metrics(run.folder, progress.history)
    with (
        feeding(run.dataset, run.config, ways.device, run.colours) as feeder,
        listening(patiently=not ways.world.is_alone) as interrupt,
        saving(run, learner, progress) as save,
    ):
        watch = Watch(run.display, interrupt, save, ways.save_every)
        train, val = torch.tensor(run.split.train), torch.tensor(run.split.val)
        fit(learner, feeder, train, val, run.config.recipe, progress, watch)
        if ways.world.is_main and progress.history:
            name = run.config.source.name
            write_curves(run.folder / run_folder.CURVES, progress.history, name)
        if not is_finished(run, progress):
            return Outcome(run.folder, progress, interrupt.exit_code, ways.world.is_main)
        test = test_best(run, learner, progress, feeder)
    if ways.world.is_main:
        seconds = perf_counter() - began
        summary = summarise(run.config, learner, run.split, progress, ways, test, seconds)
        write_json(run.folder / SUMMARY, summary)
    ways.world.wait()
    return Outcome(run.folder, progress, is_main=ways.world.is_main)


def is_finished(run: Run, progress: Progress) -> bool:
    """Whether nothing is left to train."""
    recipe = run.config.recipe
    return progress.epoch >= recipe.epochs or is_enough(progress, recipe.early_stopping)


@contextmanager
def feeding(
    dataset: Dataset, config: RunConfig, device: torch.device, colours: Colours | None = None
) -> Iterator[Feeder]:
    """A feeder of a run's pictures, whose threads end with the block."""
    size = config.source.input_shape[1:]
    feeder = Feeder(dataset.pictures, dataset.labels, size, device, config.normalize, colours)
    try:
        yield feeder
    finally:
        feeder.close()


@contextmanager
def saving(run: Run, learner: Learner, progress: Progress) -> Iterator[Callable[[Progress], None]]:
    """What is to be called to save: it writes checkpoints, and at an epoch's end what it measured.

    The best weights come first: a run that is killed between the two repeats its epoch, and
    writes them again.
    """
    is_main = run.ways.world.is_main
    wanted = run.ways.tensorboard and is_main
    with opened_board(run.folder, progress.history) if wanted else nullcontext() as board:

        def save(progress: Progress) -> None:
            ended_epoch = progress.tally is None
            if ended_epoch and progress.best is progress.history[-1]:
                with learner.measured():
                    checkpoint.save_best(run.folder, learner, progress.history[-1], run.digest)
            checkpoint.save_last(run.folder, learner, progress, run.digest)
            if ended_epoch and is_main:
                run_folder.append_metrics(run.folder, progress.history[-1])
                if board is not None:
                    board.add(progress.history[-1])

        yield save


def test_best(run: Run, learner: Learner, progress: Progress, feeder: Feeder) -> Evaluation:
    """The best weights' evaluation with the recipe's test crops; the learner is left with them.

    Where they have been lost, the last weights take their place, and a person is told.
    """
    world, path = run.ways.world, run.folder / BEST_FILE
    complaint = world.told_by_main(_complaint_of_best(run, progress) if world.is_main else None)
    if complaint is None:
        checkpoint.load_weights(learner.network, read_checkpoint(path), path)
        learner.average = None  # the best weights are averages already
    else:
        run.display.warn(f"{complaint}: the weights of the last epoch take their place")
        with learner.measured():
            checkpoint.save_best(run.folder, learner, progress.history[-1], run.digest)
    return evaluate_learner(learner, feeder, torch.tensor(run.split.val), run.config.recipe.test)


def _complaint_of_best(run: Run, progress: Progress) -> str | None:
    """What is wrong with the run's best weights, if anything is."""
    path, best = run.folder / BEST_FILE, progress.best
    try:
        found = checkpoint.load_checkpoint(path, run.digest)
    except TrainError as error:
        return str(error)
    assert best is not None
    is_own = (found["epoch"], found["val_loss"]) == (best.epoch, best.val_loss)
    return None if is_own else f"{path} does not hold the weights of epoch {best.epoch}, the best"
