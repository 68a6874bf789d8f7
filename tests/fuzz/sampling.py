"""Rows for what arrives: an op with attributes that it takes there, and a small output."""

from collections.abc import Mapping
from random import Random
from typing import Any

from pydantic import ValidationError

from archspec.diagnostics import Fault
from archspec.ops import OPS_BY_NAME, Shape
from tests.fuzz import facts
from tests.fuzz.samples import MOST_CHANNELS, SAMPLERS

MOST_PIXELS = 20
MOST_FEATURES = 400


def required(op: str) -> set[str]:
    """The attributes without which an op cannot be."""
    return {name for name, field in OPS_BY_NAME[op].model_fields.items() if field.is_required()}


def instance(op: str, attributes: Mapping[str, Any], shape: Shape) -> Shape | None:
    """The shape an op gives for one input of `shape`, None where it does not take that."""
    try:
        return facts.output_of(OPS_BY_NAME[op](**attributes), [shape])
    except (Fault, ValidationError):
        return None


def is_small(shape: Shape) -> bool:
    """Whether a shape costs next to nothing."""
    if len(shape) == 1:
        return shape[0] <= MOST_FEATURES
    sides = shape[:2] if facts.is_last(shape) else shape[1:]
    return facts.channels(shape) <= MOST_CHANNELS and max(sides) <= MOST_PIXELS


def sample(rng: Random, op: str, shape: Shape, wanted: str | None = None) -> dict[str, Any] | None:
    """Attributes with which `op` takes an input of `shape`, `wanted` among them, or None."""
    needed = {*required(op), wanted}
    for _ in range(12):
        given: dict[str, Any] = {}
        try:
            for name, sampler in SAMPLERS[op].items():
                if name in needed or rng.random() < 0.4:
                    given[name] = sampler(rng, shape, given)
        except (IndexError, ValueError):  # it does not fit this shape at all
            return None
        if op == "upsample" and "size" in given and "scale_factor" in given:
            del given["scale_factor" if wanted == "size" else "size"]
        shapes = [shape, shape] if facts.merges(op) else [shape]
        try:
            output = facts.output_of(OPS_BY_NAME[op](**given), shapes)
        except (Fault, ValidationError):
            continue
        if is_small(output):
            return given
    return None
