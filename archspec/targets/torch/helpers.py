"""What PyTorch does not have, and a generated module brings along where it needs it."""

from collections.abc import Mapping

HELPERS: Mapping[str, tuple[str, ...]] = {
    "_make_divisible": (),
    "_same_padding": (),
    "_windows_inside": (),
    "_average_of_input": (),
    "PaddedConv2d": (),
    "Conv2dSame": ("_same_padding",),
    "PaddedMaxPool2d": ("_windows_inside",),
    "MaxPool2dSame": ("_same_padding",),
    "PaddedAvgPool2d": ("_windows_inside", "_average_of_input"),
    "AvgPool2dSame": ("_same_padding", "_average_of_input"),
    "PartialConv2d": (),
    "ScaledAvgPool2d": (),
    "ScaledTanh": (),
    "RBF": (),
    "LayerNorm2d": (),
    "StochasticDepth": (),
    "Permute": (),
    "Mean": (),
    "Chunk": (),
    "Slice": (),
}
"""Helpers, and what they need themselves; a module defines those that it uses, in this order."""
WITHOUT_F = frozenset(HELPERS) - {
    "_average_of_input",
    "PaddedConv2d",
    "Conv2dSame",
    "PaddedMaxPool2d",
    "MaxPool2dSame",
    "PaddedAvgPool2d",
    "AvgPool2dSame",
    "PartialConv2d",
    "LayerNorm2d",
    "ScaledAvgPool2d",
}
"""Those that do without `torch.nn.functional`."""
