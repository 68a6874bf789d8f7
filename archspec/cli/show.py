"""`archspec show`: draw what a trained network makes of a picture."""

import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.errors import UserError
from archspec.cli.evaluate import Checkpoint, Run, Weights
from archspec.cli.train_options import Device
from archspec.cli.training import printable, told_by_trainer

if TYPE_CHECKING:
    from archspec.analysis.receptive_field import Field
    from archspec.report.page import Page
    from archspec.train.seeing.layers import Layer
    from archspec.train.seeing.spec_facts import SpecFacts
    from archspec.train.seeing.views import View


class What(StrEnum):
    """What of a layer is drawn."""

    FEATURES = "features"
    FILTERS = "filters"
    GRADCAM = "gradcam"
    FIELD = "field"
    ALL = "all"


Image = Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture.")]
LayerName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="the last convolution, and all layers are listed",
        help="A module, by its dotted name.",
    ),
]
Drawn = Annotated[
    What | None,
    typer.Option(
        show_default="gradcam; with --layer all",
        help="Its feature maps, its kernels, where the class was seen, or what a unit sees.",
    ),
]
ClassName = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME",
        show_default="the likeliest",
        help="The class that Grad-CAM looks for.",
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(metavar="Y,X", show_default="the centre", help="The unit whose field is drawn."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png",
        show_default="RUN/show/IMAGE-LAYER-WHAT.png",
        help="Where the picture goes; of several, each with its WHAT in the name.",
    ),
]


def show(
    run: Run,
    image: Image,
    layer: LayerName = None,
    what: Drawn = None,
    class_: ClassName = None,
    unit: Unit = None,
    out: Out = None,
    checkpoint: Weights = Checkpoint.BEST,
    device: Device = "auto",
) -> None:
    """Draw what a trained network makes of a picture: a PNG for each thing to be seen.

    features are a layer's maps, filters the kernels it has learnt, gradcam is where on the picture
    a class was seen, field what one unit sees of it. Without --layer the layers are listed.
    """
    place = _read_unit(unit)
    with told_by_trainer():
        from archspec.train.data.decode import read_picture
        from archspec.train.device import pick_device
        from archspec.train.run_files import SHOWN
        from archspec.train.seeing.drawing import write_picture
        from archspec.train.seeing.views import Showing, Wish
        from archspec.train.trained import load_run

        chosen = pick_device(device)
        trained = load_run(run, chosen, checkpoint.value)
        target = _find_class(class_, trained.config.classes)
        picture = read_picture(
            image, trained.config.short_side, trained.config.source.input_shape[0]
        )
        showing = Showing(trained, run, picture, chosen)
        if layer is None:
            _print_layers(showing.layers, showing.facts)
        found = showing.layer(layer)
        wanted = what or (What.GRADCAM if layer is None else What.ALL)
        names = showing.possible(found) if wanted is What.ALL else [wanted.value]
        views = showing.views(found, names, Wish(target, place))
        stem = _windows_safe(f"{image.stem}-{found.name}")
        for view in views:
            path = _path(out, run / SHOWN / f"{stem}.png", view.what, alone=len(views) == 1)
            write_picture(path, view.picture)
            _print_view(view, found.name, path)


def _read_unit(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*", text)
    if match is None:
        raise UserError(f"--unit takes Y,X, for example 3,4, not {text!r}", exit_code=2)
    return int(match[1]), int(match[2])


def _find_class(name: str | None, classes: Sequence[str]) -> int | None:
    if name is None:
        return None
    if name not in classes:
        from difflib import get_close_matches

        close = get_close_matches(name, classes, n=1)
        known = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
        hint = f"did you mean {close[0]!r}?" if close else f"it knows {known}"
        raise UserError(printable(f"the run knows no class {name!r}: {hint}"), exit_code=2)
    return list(classes).index(name)


def _windows_safe(name: str) -> str:
    """The name with nothing in it that a file system of Windows refuses."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", printable(name)).strip(" .") or "picture"


def _path(out: Path | None, default: Path, what: str, *, alone: bool) -> Path:
    """Where a view goes: `out` itself if it is the only one and named."""
    if out is not None and alone:
        return out
    base = out or default
    return base.with_name(f"{base.name.removesuffix('.png')}-{what}.png")


def _print_view(view: "View", layer: str, path: Path) -> None:
    page = _page()
    head = f"{view.what} of {layer}: {view.lines[0]}"
    for line in (head, *(f"  {line}" for line in view.lines[1:])):
        for part in page.wrap(page.clean(printable(line)), 0, 4):
            page.write(part)
    page.write(f"  {page.clean(printable(str(path)))}")


def _page() -> "Page":
    from archspec.report.page import Page

    return Page.on(sys.stdout)


def _print_layers(layers: "Sequence[Layer]", facts: "SpecFacts") -> None:
    """A line a module that has none inside: its name, kind, output, and what its units see."""
    from archspec.report.page import columns, pad

    page = _page()
    rows = [("layer", "kind", "output", "sees", "stride")]
    for layer in layers:
        if layer.leaf:
            shape = "×".join(map(str, layer.shape))
            rows.append((layer.name, layer.kind, shape, *_sees(facts.fields.get(layer.name))))
    shown = [tuple(page.clean(printable(cell)) for cell in row) for row in rows]
    # What a narrow terminal has no room for: first the kind, then the stride, then the field.
    for left_out in ((), (1,), (1, 4), (1, 3, 4)):
        kept = [place for place in range(5) if place not in left_out]
        widths = [max(columns(row[place]) for row in shown) for place in kept]
        if page.width is None or sum(widths) + 2 * (len(kept) - 1) <= page.width:
            break
    for row in shown:
        cells = (pad(row[place], width) for place, width in zip(kept, widths, strict=True))
        page.write("  ".join(cells).rstrip())
    if not facts.fields:
        for line in page.wrap("no spec tells what units see: --what field measures it", 0, 2):
            page.write(line)
    page.write()


def _sees(field: "Field | None") -> tuple[str, str]:
    if field is None:
        return "–", "–"
    if isinstance(field, str):
        return "everything", "–"
    size = _pair(*map(float, field.size))
    return f"≤{size}" if field.bound else size, _pair(*map(float, field.stride))


def _pair(down: float, across: float) -> str:
    return f"{down:.4g}" if down == across else f"{down:.4g}×{across:.4g}"
