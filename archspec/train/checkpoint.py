"""Checkpoints: all that a run needs to go on as if nothing had happened.

Two are kept, the last one and the one before it, so that a disk that fills up or a file that is
damaged costs an epoch and not a run.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn
from torch.optim import Optimizer

from archspec.train.checkpoint_files import (
    Checkpoint,
    candidates,
    read_checkpoint,
    write_best,
    write_last,
    write_last_folder,
)
from archspec.train.errors import TrainError
from archspec.train.learner import Learner
from archspec.train.metrics import EpochMetrics, Progress
from archspec.train.spread import is_sharded, sharded_like

FORMAT = "archspec.run/2"
# What PyTorch and Python raise where a checkpoint holds something else than it should.
UNFIT = (KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError)


# --- what is kept ---------------------------------------------------------------------------------


def progress_state(learner: Learner, progress: Progress, digest: str) -> Checkpoint:
    """Where a run stands, in plain values; `digest` is that of the network's code.

    There are no generators in it: everything random is a function of seed, epoch and step.
    """
    return {
        "format": FORMAT,
        "digest": digest,
        "epoch": progress.epoch,
        "tally": progress.tally,
        "history": [asdict(metrics) for metrics in progress.history],
        "scaler": learner.scaler.state_dict() if learner.scaler else None,
    }


def tensor_state(learner: Learner) -> Checkpoint:
    """Weights, the optimiser's state and the weights' average, by the parameters' names."""
    state: Checkpoint = {
        "network": learner.network.state_dict(),
        "optimizer": optimizer_state(learner.network, learner.optimizer),
    }
    if learner.average is not None:
        state["average"] = learner.average.state_dict()
    return state


def optimizer_state(network: nn.Module, optimizer: Optimizer) -> Checkpoint:
    """An optimiser's state by the parameters' names, in the layout of PyTorch's checkpoints.

    PyTorch's own `state_dict` numbers the parameters, which means nothing to another process.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        "state": {names[id(p)]: dict(values) for p, values in optimizer.state.items()},
        "param_groups": [
            {**group, "params": [names[id(parameter)] for parameter in group["params"]]}
            for group in optimizer.param_groups
        ],
    }


def load_optimizer_state(network: nn.Module, optimizer: Optimizer, state: Checkpoint) -> None:
    """The inverse of `optimizer_state`."""
    current = optimizer_state(network, optimizer)["param_groups"]
    names = [name for group in current for name in group["params"]]
    groups, first = [], 0
    for group in state["param_groups"]:
        numbers = list(range(first, first + len(group["params"])))
        first += len(numbers)
        groups.append({**group, "params": numbers})
    if names != [name for group in state["param_groups"] for name in group["params"]]:
        raise KeyError("the trained parameters are others")
    numbered = {names.index(name): values for name, values in state["state"].items()}
    optimizer.load_state_dict({"state": numbered, "param_groups": groups})


# --- saving ---------------------------------------------------------------------------------------


def save_last(folder: Path, learner: Learner, progress: Progress, digest: str) -> None:
    """Write the last checkpoint; what was the last one before becomes the previous one.

    All processes call this. Raises TrainError, leaving the older ones, when the disk refuses.
    """
    state = progress_state(learner, progress, digest)
    if is_sharded(learner.network):
        write_last_folder(folder, state, tensor_state(learner), learner.world)
        return
    if learner.world.is_main:
        write_last(folder, {**state, **tensor_state(learner)})
    learner.world.wait()


def save_best(folder: Path, learner: Learner, metrics: EpochMetrics, digest: str) -> None:
    """Write the weights of the best epoch so far, whole, also of a sharded network.

    All processes call this, within `learner.measured()`.
    """
    weights = whole_weights(learner.network)
    if learner.world.is_main:
        best = {
            "format": FORMAT,
            "digest": digest,
            "network": weights,
            "epoch": metrics.epoch,
            "val_loss": metrics.val_loss,
        }
        write_best(folder, best)


def whole_weights(network: nn.Module) -> Mapping[str, Tensor]:
    """The state dict; the main process gets a sharded network's gathered, on the CPU."""
    if not is_sharded(network):
        return network.state_dict()
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return cast("Mapping[str, Tensor]", get_model_state_dict(network, options=options))


# --- loading --------------------------------------------------------------------------------------


def find_good(folder: Path, digest: str) -> tuple[Path | None, Checkpoint, list[str]]:
    """The newest checkpoint that can be loaded, its content, and what is wrong with newer ones.

    Without any checkpoint, None. Raises TrainError when there are some and none is good.
    """
    complaints: list[str] = []
    for path in candidates(folder):
        try:
            return path, load_checkpoint(path, digest), complaints
        except TrainError as error:
            complaints.append(str(error))
    if complaints:
        raise TrainError("\n".join(complaints), exit_code=2)
    return None, {}, []


def load_checkpoint(path: Path, digest: str) -> Checkpoint:
    """The checkpoint at `path`, of the network whose code has this `digest`.

    Raises TrainError when it is missing, damaged, or of another network.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.get("format") != FORMAT:
        raise TrainError(f"{path} is not a checkpoint of a run", exit_code=2)
    if checkpoint.get("digest") != digest:
        raise TrainError(f"{path} is a checkpoint of another network", exit_code=2)
    return checkpoint


def restore(learner: Learner, checkpoint: Checkpoint, path: Path) -> Progress:
    """Bring a learner to where the checkpoint was saved; raises TrainError if it does not fit."""
    try:
        if is_sharded(learner.network):
            _restore_sharded(learner, checkpoint)
        else:
            learner.network.load_state_dict(checkpoint["network"])
            load_optimizer_state(learner.network, learner.optimizer, checkpoint["optimizer"])
            if learner.average is not None:
                learner.average.load_state_dict(checkpoint["average"])
        if learner.scaler is not None and checkpoint["scaler"]:
            learner.scaler.load_state_dict(checkpoint["scaler"])
        history = [EpochMetrics(**metrics) for metrics in checkpoint["history"]]
        return Progress(checkpoint["epoch"], checkpoint["tally"], history)
    except UNFIT as error:
        raise TrainError(f"{path} does not fit the run's network: {error}", 2) from error


def _restore_sharded(learner: Learner, checkpoint: Checkpoint) -> None:
    """Every process takes its own part of the whole state."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_state_dict

    set_state_dict(
        learner.network,
        learner.optimizer,
        model_state_dict=checkpoint["network"],
        optim_state_dict=checkpoint["optimizer"],
        options=StateDictOptions(full_state_dict=True),
    )
    if learner.average is not None:
        own, saved = learner.average.tensors, checkpoint["average"]
        tensors = {n: sharded_like(own[n], t) for n, t in saved["tensors"].items() if n in own}
        learner.average.load_state_dict({**saved, "tensors": tensors})


def load_weights(network: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Load a checkpoint's weights; raises TrainError when they are of another network."""
    try:
        if is_sharded(network):
            _load_sharded_weights(network, checkpoint["network"])
        else:
            network.load_state_dict(checkpoint["network"], strict=True)
    except UNFIT as error:
        raise TrainError(f"{path} does not fit the run's network: {error}", 2) from error


def _load_sharded_weights(network: nn.Module, weights: dict[str, Any]) -> None:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    set_model_state_dict(network, weights, options=StateDictOptions(full_state_dict=True))
