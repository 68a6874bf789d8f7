"""`archspec predict`: name what is on pictures."""

from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.evaluate import Checkpoint, Format
from archspec.cli.training import as_json, printable, told_by_trainer


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    checkpoint: Annotated[Checkpoint, typer.Option(help="Which weights.")] = Checkpoint.BEST,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu or cuda.")] = (
        "auto"
    ),
) -> None:
    """Name what a trained network sees on pictures: classes with their probabilities."""
    with told_by_trainer():
        from archspec.train.decode import read_picture
        from archspec.train.recipe import pick_device
        from archspec.train.trained import load_run
        from archspec.train.trained import predict as predict_pictures

        chosen = pick_device(device)
        trained = load_run(run, chosen, checkpoint.value)
        pictures = [read_picture(path, trained.config.source.input_shape) for path in images]
        rows = predict_pictures(trained, pictures, chosen)
    classes = trained.config.classes
    ranked = [
        sorted(zip(classes, row, strict=True), key=lambda pair: -pair[1])[:top] for row in rows
    ]
    if format_ is Format.JSON:
        found = [
            {
                "file": str(path),
                "predictions": [{"class": name, "probability": p} for name, p in best],
            }
            for path, best in zip(images, ranked, strict=True)
        ]
        print(as_json(found))
        return
    width = max(len(printable(name)) for name in classes)
    for path, best in zip(images, ranked, strict=True):
        print(printable(str(path)))
        for name, probability in best:
            bar = "█" * round(30 * probability)
            print(f"  {printable(name):{width}}  {probability:6.1%}  {bar}".rstrip())
