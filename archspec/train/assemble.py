"""A learner, put together from what a run was started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from archspec.train.averaging import Average
from archspec.train.errors import TrainError
from archspec.train.feeding.feeder import training_bounds
from archspec.train.feeding.plan import derive_seed
from archspec.train.initialise import initialise
from archspec.train.learner import Learner
from archspec.train.optimizers import build_optimizer
from archspec.train.outputs import Outputs, recognise
from archspec.train.recipe import Recipe
from archspec.train.run_folder import RunConfig
from archspec.train.source import build_network, told_if_failing
from archspec.train.spread import Strategy, spread
from archspec.train.sync_norm import synchronise_norms
from archspec.train.transfer.endings import heads_of
from archspec.train.transfer.freeze import Frozen, apply_transfer
from archspec.train.transfer.loading import load_into
from archspec.train.transfer.report import Report
from archspec.train.world import ALONE, World


@dataclass(frozen=True)
class Ways:
    """How a run is carried out; but for rounding, nothing of what it comes to depends on it.

    `save_every` is in seconds, and apart from the ends of epochs.
    """

    device: torch.device
    world: World = ALONE
    strategy: Strategy = "ddp"
    save_every: float = float("inf")
    tensorboard: bool = False


@dataclass(frozen=True)
class Assembled:
    """A learner, and what was loaded and frozen to make it."""

    learner: Learner
    report: Report | None
    frozen: Frozen


def make_network(config: RunConfig, smallest_batch: int) -> tuple[nn.Module, Outputs]:
    """The network with its seeded weights on the CPU, tried out, and what it puts out."""
    torch.manual_seed(derive_seed("network", config.recipe.seed))
    network = build_network(config.source, len(config.classes), smallest_batch)
    initialise(network, config.recipe.init)
    with told_if_failing(config.source, "cannot be run"):
        return network, recognise(network, config.source.input_shape)


def place_network(
    network: nn.Module, device: torch.device, *, channels_last: bool = True
) -> nn.Module:
    """The network on its device; channels last is the faster layout for convolutions everywhere."""
    network = network.to(device)
    return network.to(memory_format=torch.channels_last) if channels_last else network


def smallest_part(num_train: int, recipe: Recipe, world: World) -> int:
    """How few pictures the network will ever be trained on at once; raises TrainError for none.

    The batch is what all processes see together before an update; each works off its share in
    `accumulate` parts.
    """
    assert isinstance(recipe.batch_size, int)
    bounds = training_bounds(num_train, recipe.batch_size)
    smallest = min(end - begin for begin, end in bounds) // (world.size * recipe.accumulate)
    if smallest == 0:
        raise TrainError(
            f"a batch of {recipe.batch_size} has too few pictures for {world.size} processes "
            f"with {recipe.accumulate} parts each",
            exit_code=2,
        )
    return smallest


def assemble(
    config: RunConfig, num_train: int, ways: Ways, tensors: Mapping[str, Tensor] | None = None
) -> Assembled:
    """The learner that a run begins with; `tensors` are loaded into its network before.

    Everything that does not fit raises TrainError.
    """
    recipe, device, world = config.recipe, ways.device, ways.world
    network, outputs = make_network(config, smallest_part(num_train, recipe, world))
    shape, report = config.source.input_shape, None
    if tensors is not None:
        heads, renew = heads_of(network, shape), recipe.transfer == "head"
        report = load_into(network, tensors, heads, renew=renew)
    frozen = apply_transfer(network, shape, recipe.transfer, recipe.freeze)
    if recipe.sync_batch_norm and not world.is_alone:
        network = synchronise_norms(network, device)
    # Sharding takes no parameters in another order than the plain one.
    channels_last = recipe.channels_last and ways.strategy != "fsdp"
    network = place_network(network, device, channels_last=channels_last)
    compiled = cast("nn.Module", torch.compile(network)) if recipe.compile else network
    forward = spread(compiled, ways.strategy, world, device)
    if recipe.amp == "fp16" and ways.strategy == "fsdp" and not world.is_alone:
        raise TrainError("fsdp takes amp bf16 or off, not fp16", exit_code=2)
    learner = Learner(
        network=network,
        forward=forward,
        outputs=outputs,
        num_classes=len(config.classes),
        optimizer=build_optimizer(recipe.optimizer, network),
        device=device,
        loss=recipe.loss,
        accumulate=recipe.accumulate,
        clip_grad_norm=recipe.clip_grad_norm,
        l1=recipe.optimizer.l1,
        amp=recipe.amp,
        average=None if recipe.ema is None else Average(network, recipe.ema),
        frozen=frozen,
        scaler=torch.amp.GradScaler(device.type) if recipe.amp == "fp16" else None,
        world=world,
    )
    return Assembled(learner, report, frozen)
