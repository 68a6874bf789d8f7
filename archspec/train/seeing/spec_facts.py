"""What a run's spec says of its network's modules: receptive fields, and which axis is which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from archspec.analysis.fields import receptive_fields
from archspec.analysis.receptive_field import Field
from archspec.graph.build import build
from archspec.graph.network import Network, Node
from archspec.language.loader import load_text
from archspec.ops.shape import kind_of
from archspec.train.run_folder import RunConfig
from archspec.train.seeing.layers import Layer
from archspec.train.source import CLASSES_ARGUMENT

SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
WINDOW = (  # a window's names for the modules' attributes
    ("kernel", "kernel_size"),
    ("stride", "stride"),
    ("dilation", "dilation"),
    ("before", "padding"),
)


@dataclass(frozen=True)
class SpecFacts:
    """By a module's name: its `fields`; `channels_last` are those with maps [H, W, C].

    `steps` are names of steps that have no module: their paths and their ops. All are empty where
    a run has no spec, or where its network is not the one that the spec tells of.
    """

    fields: Mapping[str, Field | None] = field(default_factory=dict)
    channels_last: frozenset[str] = frozenset()
    steps: tuple[str, ...] = ()


def spec_facts(
    text: str, config: RunConfig, network: nn.Module, layers: Sequence[Layer]
) -> SpecFacts:
    """The facts in a spec's `text`, if it tells of this network; none, if it does not.

    A run may have set variables of its spec: what the modules themselves say has the last word.
    """
    described = _describe(text, config)
    if described is None:
        return SpecFacts()
    modules = dict(network.named_modules())
    shapes = {layer.name: layer.shape for layer in layers}
    nodes = [node for node in described.nodes if node.path in shapes]
    if not all(_tells_of(described, node, modules[node.path], shapes[node.path]) for node in nodes):
        return SpecFacts()
    fields = receptive_fields(described).all_paths
    return SpecFacts(
        fields={node.path: fields[node.index] for node in nodes},
        channels_last=frozenset(
            node.path
            for node in nodes
            if kind_of(described.shape_of(node.output) or ()) == "channels_last"
        ),
        steps=tuple(
            name
            for node in described.nodes
            if node.path not in shapes
            for name in (node.path, node.op_name)
        ),
    )


def _describe(text: str, config: RunConfig) -> Network | None:
    """The network of the spec, or of its variant of the run's name."""
    spec = load_text(text).spec
    if spec is not None and spec.variants:
        variant = spec.variants.get(config.variant or config.source.name)
        spec = None if variant is None else spec.of(variant)
    if spec is None:
        return None
    own = {**config.variables, **config.source.kwargs}
    if CLASSES_ARGUMENT in spec.vars:
        own[CLASSES_ARGUMENT] = len(config.classes)
    described, _ = build(spec, own)
    return described if described.input_shape == config.source.input_shape else None


def _tells_of(described: Network, node: Node, module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a module is the one that the spec's node describes: its output and its window."""
    known, arriving = described.shape_of(node.output), described.arriving(node)
    if known != shape or node.op is None or arriving is None:
        return False
    view = node.op.views(arriving)[0]
    if not isinstance(module, SLIDING) or not isinstance(view, tuple):
        return True
    # Padding that differs between the ends is no attribute of PyTorch's: a subclass does it.
    written = WINDOW if type(module) in SLIDING else WINDOW[:-1]
    return all(
        getattr(window, ours) == _along(value, axis)
        for axis, window in enumerate(view)
        for ours, theirs in written
        if not isinstance(value := getattr(module, theirs, None), str | None)
    )


def _along(value: int | tuple[int, ...], axis: int) -> int:
    return value[axis] if isinstance(value, tuple) else value
