"""The views of a layer that `archspec show` draws: which there are, and what each needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as PillowImage

from archspec.analysis.receptive_field import ReceptiveField
from archspec.train.data.pictures import Image
from archspec.train.errors import TrainError
from archspec.train.run_files import SPEC
from archspec.train.seeing import field as fields
from archspec.train.seeing.features import draw_features, feature_maps
from archspec.train.seeing.field import Unit, UnitField
from archspec.train.seeing.filters import draw_filters, kernels
from archspec.train.seeing.gradcam import draw_cam, grad_cam
from archspec.train.seeing.layers import (
    Layer,
    find_layer,
    last_convolution,
    list_layers,
)
from archspec.train.seeing.looking import Shown, show_picture
from archspec.train.seeing.spec_facts import SpecFacts, spec_facts
from archspec.train.trained import TrainedRun


@dataclass(frozen=True)
class View:
    """A drawn view of a layer, and what it shows in words."""

    what: str
    picture: PillowImage.Image
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What is to be seen of a layer: of which class (None: the likeliest) and unit (the centre)."""

    target: int | None = None
    unit: Unit | None = None


class Showing:
    """A trained network before one picture: its layers, and the views of them."""

    def __init__(self, run: TrainedRun, folder: Path, picture: Image, device: torch.device) -> None:
        self.run = run
        self.shown: Shown = show_picture(run, picture, device)
        self.layers = list_layers(run.network, self.shown.images)
        self.facts = self._facts(folder)

    def _facts(self, folder: Path) -> SpecFacts:
        try:
            text = (folder / SPEC).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return SpecFacts()
        return spec_facts(text, self.run.config, self.run.network, self.layers)

    def layer(self, name: str | None) -> Layer:
        """The layer of that name, or the last convolution; raises TrainError with suggestions."""
        if name is None:
            return last_convolution(self.run.network, self.layers)
        return find_layer(self.layers, name, self.facts.steps)

    def views(self, layer: Layer, whats: Sequence[str], wish: Wish) -> list[View]:
        """These views of the layer; raises TrainError for one that it does not have."""
        return [VIEWS[what](self, layer, wish) for what in whats]

    def possible(self, layer: Layer) -> list[str]:
        """The views that the layer has."""
        has_kernels = isinstance(self.run.network.get_submodule(layer.name), torch.nn.Conv2d)
        has_maps = len(layer.shape) == 3
        needs = {"filters": has_kernels, "gradcam": has_maps, "field": has_maps}
        return [what for what in VIEWS if needs.get(what, True)]

    def channels_last(self, layer: Layer) -> bool:
        """Whether the layer's maps are [H, W, C], as the spec or the module's kind says."""
        if layer.name in self.facts.fields:
            return layer.name in self.facts.channels_last
        module = self.run.network.get_submodule(layer.name)
        return isinstance(module, torch.nn.LayerNorm | torch.nn.Linear)


def _title(showing: Showing, layer: Layer) -> str:
    return f"{layer.name} ({layer.kind}) of {showing.run.config.source.name}"


def _features(showing: Showing, layer: Layer, wish: Wish) -> View:
    del wish
    last = showing.channels_last(layer)
    maps = feature_maps(showing.run.network, showing.shown.images, layer.name, channels_last=last)
    number = f"{len(maps)} maps" if maps.dim() == 3 else f"a vector of {len(maps)}"
    return View("features", draw_features(showing.shown, maps, _title(showing, layer)), (number,))


def _filters(showing: Showing, layer: Layer, wish: Wish) -> View:
    del wish
    weights = kernels(showing.run.network, layer.name)
    told = "{} kernels for {} channels, {} x {} each".format(*weights.shape)
    return View("filters", draw_filters(weights, _title(showing, layer)), (told,))


def _gradcam(showing: Showing, layer: Layer, wish: Wish) -> View:
    run = showing.run
    last = showing.channels_last(layer)
    cam = grad_cam(
        run.network,
        run.outputs,
        showing.shown.images,
        layer.name,
        wish.target,
        channels_last=last,
    )
    classes = run.config.classes
    told = f"{classes[cam.target]}: {cam.probabilities[cam.target]:.1%}"
    if cam.is_empty:
        told += "; nothing in this layer speaks for it"
    picture = draw_cam(showing.shown, cam, classes, _title(showing, layer))
    return View("gradcam", picture, (told,))


def _field(showing: Showing, layer: Layer, wish: Wish) -> View:
    if len(layer.shape) != 3:
        said = f"{layer.name} gives a vector: each of its units sees all of the picture"
        raise TrainError(said, exit_code=2)
    height, width = showing.shown.pixels.shape[:2]
    last = showing.channels_last(layer)
    sizes = layer.shape[:2] if last else layer.shape[1:]
    unit = wish.unit or fields.centre_unit(sizes)
    if not (0 <= unit[0] < sizes[0] and 0 <= unit[1] < sizes[1]):
        last_unit = f"{sizes[0] - 1},{sizes[1] - 1}"
        said = f"{layer.name} has units 0,0 to {last_unit}, and no {unit[0]},{unit[1]}"
        raise TrainError(said, exit_code=2)
    network, images = showing.run.network, showing.shown.images
    seen = _unit_field(showing, layer, unit, channels_last=last)
    heat = fields.effective_field(network, images, layer.name, unit, channels_last=last)
    lines = fields.describe_field(seen, height, width)
    share = fields.concentration(heat, seen)
    lines.append(
        f"half of what counts for it lies in {share:.1%} of the pixels it sees"
        if share is not None
        else "for this picture nothing counts: the unit is off"
    )
    title = f"unit {unit[0]},{unit[1]} of {sizes[0]} x {sizes[1]} in {_title(showing, layer)}"
    picture = fields.draw_field(showing.shown, seen, heat, title, lines)
    return View("field", picture, (f"unit {unit[0]},{unit[1]}", *lines))


def _unit_field(showing: Showing, layer: Layer, unit: Unit, *, channels_last: bool) -> UnitField:
    """The unit's field: computed from the spec where that knows it exactly, else measured."""
    height, width = showing.shown.pixels.shape[:2]
    known = showing.facts.fields.get(layer.name)
    if known == "global":
        return UnitField(0, 0, height, width)
    if isinstance(known, ReceptiveField) and not known.bound:
        found = fields.computed_field(known, unit)
    else:
        found = fields.measured_field(
            showing.run.network,
            showing.shown.images,
            layer.name,
            unit,
            channels_last=channels_last,
        )
    if found is None:
        raise TrainError(f"{layer.name}: the unit {unit[0]},{unit[1]} sees no pixel", 2)
    return found


VIEWS: Mapping[str, Callable[[Showing, Layer, Wish], View]] = {
    "features": _features,
    "filters": _filters,
    "gradcam": _gradcam,
    "field": _field,
}
