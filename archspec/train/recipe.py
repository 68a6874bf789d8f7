"""A recipe: everything about training that is not the network and not the pictures.

These are the models that a recipe's YAML is validated with (`recipe_file` reads it). They hold
plain numbers and need no torch; what is built from them is built where it is used.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
BelowOne = Annotated[float, Field(strict=True, ge=0, lt=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Ascending = tuple[Positive, Positive]


class Section(BaseModel):
    """What all parts of a recipe have in common: no unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- how weights are changed ----------------------------------------------------------------------


class Optimizer(Section):
    """What all optimisers have: `l1` adds λ·sign(w) to the gradient, the L1 penalty's own.

    `weight_decay_on` is `weights` to leave biases and the parameters of norms alone.
    """

    lr: Positive
    weight_decay: NotNegative = 0.0
    weight_decay_on: Literal["all", "weights"] = "all"
    l1: NotNegative = 0.0


class Sgd(Optimizer):
    """Gradient descent; with `momentum` β in one of three forms.

    classic: v ← βv + g; nesterov: classic, and the step goes along g + βv; averaged: v ← βv +
    (1 − β)g from v = 0, the form of the sources, whose step is 1 − β times as long.
    """

    name: Literal["sgd"] = "sgd"
    momentum: BelowOne = 0.0
    form: Literal["classic", "nesterov", "averaged"] = "classic"

    @model_validator(mode="after")
    def _has_momentum(self) -> "Sgd":
        if self.form != "classic" and not self.momentum:
            raise ValueError(f"form {self.form} needs a momentum above 0")
        return self


class Adam(Optimizer):
    """Kingma & Ba 2015, with bias correction; `weight_decay` is an L2 penalty in the gradient."""

    name: Literal["adam"] = "adam"
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    eps: Positive = 1e-8


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    eps: Positive = 1e-8


class RmsProp(Optimizer):
    """The step divided by the root of a running mean of squared gradients (Hinton 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    alpha: BelowOne = 0.99
    momentum: BelowOne = 0.0
    eps: Positive = 1e-8


class Schedule(Section):
    """What all schedules have: `warmup` epochs, in which the rate climbs linearly.

    It climbs to where the schedule is at their end; a run that is shorter ends on the way.
    """

    warmup: NotNegative = 0.0


class Constant(Schedule):
    """The learning rate stays."""

    name: Literal["constant"] = "constant"


class Step(Schedule):
    """Times `gamma` after every `every` epochs, or after each of `milestones`."""

    name: Literal["step"] = "step"
    gamma: Positive = 0.1
    every: Positive | None = None
    milestones: tuple[Positive, ...] = ()

    @model_validator(mode="after")
    def _has_one(self) -> "Step":
        if (self.every is None) == (not self.milestones):
            raise ValueError("step needs either `every` or `milestones`, in epochs")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones have to ascend")
        return self


class Exponential(Schedule):
    """Times `gamma` an epoch, smoothly."""

    name: Literal["exponential"] = "exponential"
    gamma: Positive = 0.95


class Cosine(Schedule):
    """Half a cosine from `lr` to `final` × `lr` (Loshchilov & Hutter 2017)."""

    name: Literal["cosine"] = "cosine"
    final: Share = 0.0


class OneCycle(Schedule):
    """From `start` × `lr` up to `lr` over the share `rise` of the run, then down to `final` × `lr`.

    Both ways along half a cosine (Smith & Topin 2018; PyTorch's OneCycleLR without its change of
    momentum).
    """

    name: Literal["one_cycle"] = "one_cycle"
    rise: Share = 0.3
    start: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.04
    final: Share = 0.0


# --- what the network is shown --------------------------------------------------------------------


class RandomResizedCrop(Section):
    """A box with a share of the picture's area in `scale` and width / height in `ratio`."""

    name: Literal["random_resized"] = "random_resized"
    scale: Ascending = (0.08, 1.0)
    ratio: Ascending = (3 / 4, 4 / 3)

    @model_validator(mode="after")
    def _in_order(self) -> "RandomResizedCrop":
        if not (self.scale[0] <= self.scale[1] <= 1 and self.ratio[0] <= self.ratio[1]):
            raise ValueError("scale and ratio are [least, most], and scale at most 1")
        return self


class ScaledCrop(Section):
    """The short side scaled to a whole number of pixels in `short_side`, then the input cut out.

    Of AlexNet's and VGG's descendants: L uniform in [256, 480], and a crop of 224×224 anywhere.
    """

    name: Literal["scaled"] = "scaled"
    short_side: tuple[Count, Count] = (256, 480)

    @model_validator(mode="after")
    def _in_order(self) -> "ScaledCrop":
        if self.short_side[0] > self.short_side[1]:
            raise ValueError("short_side is [least, most]")
        return self


class CentreCrop(Section):
    """Always the centre, as for evaluation."""

    name: Literal["centre"] = "centre"


class Augment(Section):
    """What changes pictures in training. Everything is drawn anew for each picture and epoch.

    Factors of `brightness`, `contrast` and `saturation` are uniform in 1 ± the value, `hue` turns
    by ± the value (of a full turn); all four as torchvision's ColorJitter. `pca` is the σ of α in
    AlexNet's colour noise [p₁ p₂ p₃][α₁λ₁ α₂λ₂ α₃λ₃]ᵀ. `rotation` is in degrees, `shift` and
    `stretch` are shares of the crop's sides, all of them ±. `mirror` and `erase` are probabilities,
    `mixup` and `cutmix` the α of their Beta distributions; with both, each batch draws one.
    """

    crop: Annotated[RandomResizedCrop | ScaledCrop | CentreCrop, Field(discriminator="name")] = (
        RandomResizedCrop()
    )
    mirror: Share = 0.5
    rotation: Annotated[float, Field(strict=True, ge=0, le=180)] = 0.0
    shift: Share = 0.0
    stretch: BelowOne = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.0
    pca: NotNegative = 0.0
    erase: Share = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0


NO_AUGMENT = Augment(crop=CentreCrop(), mirror=0.0)


class Normalize(Section):
    """Subtracted from and divided out of pixels in 0 … 1, a number for each channel."""

    mean: tuple[Real, ...]
    std: tuple[Positive, ...]


class TestCrops(Section):
    """What is looked at of a picture after training; probabilities are averaged over the crops.

    centre: 7/8 of the short side; ten: four corners and the centre, with mirrors, of that scale;
    scales: the ten crops at each short side of `short_sides`, in pixels.
    """

    __test__ = False  # pytest need not collect it

    name: Literal["centre", "ten", "scales"] = "centre"
    short_sides: tuple[Count, ...] = (224, 256, 384, 480, 640)


# --- the rest -------------------------------------------------------------------------------------


class Loss(Section):
    """Cross-entropy; heads that only training has add to it with the weight `auxiliary`."""

    label_smoothing: BelowOne = 0.0
    auxiliary: NotNegative = 0.3  # Szegedy et al. 2014, section 5


class EarlyStopping(Section):
    """The run ends when `metric` has not got better by `min_delta` for `patience` epochs."""

    patience: Count
    min_delta: NotNegative = 0.0
    metric: Literal["val_accuracy", "val_loss"] = "val_loss"


class Recipe(Section):
    """How a network is trained; the defaults are the flower tutorial's.

    `batch_size` is what the network sees before its weights are changed: all processes together,
    each working off its share in `accumulate` parts, which takes less memory. `auto` tries which
    size uses the device well. `clip_grad_norm` is the greatest length of the whole gradient. `ema`
    is the decay of a running average of the weights, which is what is then evaluated and kept.

    `init` draws the weights of convolutions and linear layers anew by that scheme, with biases of
    0; `network` leaves them as the network's own constructor makes them.

    `normalize` is how pixels become numbers: `half` brings them to −1 … 1, `imagenet` takes that
    set's means and deviations, `dataset` those of the training pictures. `val_fraction` of every
    class is held out, unless the pictures are divided already. `seed` decides everything random:
    weights, order, crops, dropout, and which pictures are held out.

    `transfer` and `freeze` say what is trained of a network that begins with `--weights`. `amp` is
    the precision of convolutions and matrix products, where `auto` is bf16 on hardware that
    computes with it. `channels_last` is the quicker layout in memory, `compile` is `torch.compile`.
    `sync_batch_norm` takes the statistics of batch norm over all processes.
    """

    name: StrictStr = "tutorial"
    source: StrictStr = ""
    epochs: Count = 10
    batch_size: Count | Literal["auto"] = 32
    accumulate: Count = 1
    seed: Whole = 0
    init: Literal[
        "network",
        "kaiming_normal",
        "kaiming_uniform",
        "xavier_normal",
        "xavier_uniform",
        "orthogonal",
    ] = "network"
    optimizer: Annotated[Sgd | Adam | AdamW | RmsProp, Field(discriminator="name")] = Adam(lr=2e-4)
    schedule: Annotated[
        Constant | Step | Exponential | Cosine | OneCycle, Field(discriminator="name")
    ] = Constant()
    loss: Loss = Loss()
    clip_grad_norm: Positive | None = None
    ema: BelowOne | None = None
    early_stopping: EarlyStopping | None = None
    augment: Augment = Augment()
    normalize: Literal["half", "imagenet", "dataset"] | Normalize = "half"
    test: TestCrops = TestCrops()
    val_fraction: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.1
    transfer: Literal["all", "last", "head"] = "all"
    freeze: tuple[StrictStr, ...] = ()
    amp: Literal["off", "auto", "bf16", "fp16"] = "off"
    channels_last: StrictBool = True
    compile: StrictBool = False
    sync_batch_norm: StrictBool = True

    def resolved(self) -> dict[str, Any]:
        """Every value, defaults included, as plain data in the order of the schema."""
        dumped: dict[str, Any] = _name_first(self.model_dump(mode="json"))
        return dumped


def _name_first(value: Any) -> Any:
    """What is dumped with the kind of each section before its values."""
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: key != "name")
    return {key: _name_first(value[key]) for key in keys}
