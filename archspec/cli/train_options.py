"""The options of `archspec train`: what each takes, and what its help says."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Keep = Literal["auto", "memory", "disk", "stream"]

Spec = Annotated[
    str | None,
    typer.Argument(
        metavar="[SPEC|MODULE.py]",
        show_default=False,
        help="A spec (a name or a file), or a generated module. With --resume: left out.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|CSV|flowers|demo",
        show_default=False,
        help="A folder with one folder of pictures a class, or with train/ and val/; a CSV of "
        "paths and labels; flowers: 3 670 photographs, downloaded; demo: five flowers, drawn.",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        show_default="tutorial",
        help="How to train: a recipe's name or file. The options below change its values.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option(show_default=False, help="Passes over the training pictures.")
]
Seed = Annotated[
    int | None,
    typer.Option(show_default=False, help="Of weights, order, crops, dropout and split."),
]
BatchSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto", show_default=False, help="Pictures a step, of all processes together."
    ),
]
OptimizerName = Annotated[
    str | None,
    typer.Option(metavar="NAME", show_default=False, help="sgd, adam, adamw or rmsprop."),
]
LearningRate = Annotated[float | None, typer.Option(show_default=False, help="Learning rate.")]
WeightDecay = Annotated[
    float | None,
    typer.Option(show_default=False, help="L2 penalty; decoupled in adamw."),
]
Augmented = Annotated[
    bool | None,
    typer.Option(
        "--augment/--no-augment",
        show_default=False,
        help="The recipe's augmentation, or centre crops only.",
    ),
]
Amp = Annotated[
    str | None,
    typer.Option(metavar="off|auto|bf16|fp16", show_default=False, help="Mixed precision."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        show_default=False,
        help="A value of the recipe (optimizer.betas=[0.9, 0.99]), a variable of the spec, or "
        "an argument of the module's class. Repeatable.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN|FILE",
        show_default=False,
        help="Begin with these weights: a run's, or a state_dict (.pth, .safetensors).",
    ),
]
Transfer = Annotated[
    str | None,
    typer.Option(
        metavar="all|last|head",
        show_default=False,
        help="With --weights: train all layers, the last ones, or only a new head.",
    ),
]
Freeze = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        show_default=False,
        help="Layers that are not trained, for example 'features.*'. Repeatable.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", show_default="runs/NAME-N", help="The run's folder."),
]
Device = Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu or cuda.")]
StrategyName = Annotated[
    Literal["ddp", "fsdp"],
    typer.Option(help="Under torchrun: replicate the network, or shard it."),
]
Keeping = Annotated[
    Keep,
    typer.Option(
        help="Where decoded pictures are kept; stream: nowhere, each is decoded when it is "
        "needed; auto: on disk, where there is room."
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Do not keep decoded pictures on disk.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse broken pictures instead of leaving them out.")
]
SaveEvery = Annotated[
    float,
    typer.Option(metavar="MINUTES", min=0, help="Save also within an epoch, this often."),
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Write curves for TensorBoard as well.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, bit for bit.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the run in --out by a new one.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what went wrong.")]
