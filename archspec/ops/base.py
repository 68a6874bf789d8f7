"""What an op is: attributes in PyTorch's names, and the mathematical facts the passes ask for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from archspec.diagnostics import Diagnostic, Fault
from archspec.diagnostics.shapes import ChannelsLastArrive, NotAMap, NotDivisible

if TYPE_CHECKING:
    from fractions import Fraction

Shape = tuple[int, ...]
"""A tensor's sizes without the batch: (C, H, W) for a map, (F,) for a vector."""


class ChannelsLast(tuple[int, ...]):
    """The shape of a map that was turned round, (H, W, C), as `permute` gives it.

    Equal to the plain tuple of its sizes; an op that asks for a map has to ask which kind it is.
    """

    __slots__ = ()


MAX_SIZE = 10**9
"""The largest value an attribute may have; it keeps the arithmetic in small numbers."""


class Tensor(NamedTuple):
    """A parameter or buffer a module would hold, named as in PyTorch's `state_dict`."""

    name: str
    shape: Shape
    trainable: bool = True

    @property
    def numel(self) -> int:
        """How many numbers it holds; a scalar is one."""
        return prod(self.shape)


class Window(NamedTuple):
    """How far one output element looks along one axis, in elements of the op's input.

    Fractions only come from adaptive pooling into uneven bins.
    """

    kernel: "int | Fraction"
    stride: "int | Fraction" = 1
    before: "int | Fraction" = 0
    dilation: int = 1


class Counts(NamedTuple):
    """Operations per sample, by kind; what other tools report are weighted sums of these."""

    macs: int = 0
    bias: int = 0
    norm: int = 0
    activation: int = 0
    pool: int = 0
    elementwise: int = 0

    def __add__(self, other: tuple[object, ...]) -> "Counts":
        assert isinstance(other, Counts)
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


class Ratio(NamedTuple):
    """The channels that leave, as those that arrive times all factors, over the divisor."""

    factors: tuple[int, ...] = ()
    divisor: int = 1


class Text(NamedTuple):
    """One step of arithmetic with the numbers in it: `what` is computed, `how`."""

    what: str
    how: str


View = Literal["global"] | tuple[Window, Window] | None
"""What an output element sees: the whole map, a window (height, width), or its own place only."""


class Remark(NamedTuple):
    """A finding that is no error: what kind, which attribute brings it about, its facts."""

    kind: type[Diagnostic]
    attribute: str
    facts: dict[str, Any]


class Op(BaseModel):
    """An operation of a layer table.

    A subclass declares its attributes as pydantic fields with PyTorch's names and defaults, and
    answers the passes' questions. Instances know nothing of their inputs; every method that
    needs shapes takes them, so that one row can be asked about any input.

    Schemas are built at the first use of an op (`defer_build`): a check of AlexNet pays for the
    seven ops it names, not for all there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    op_name: ClassVar[str]
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other accepted names of attributes."""
    words: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Attributes that take a word (`padding: same`); any other text is an expression."""
    role: ClassVar[str] = ""
    """What a row may carry it as: `norm`, `activation` or `dropout`."""
    weighted: ClassVar[bool] = False
    """Whether the op counts as a layer in the literature: convolutions and linear layers."""
    merges: ClassVar[bool] = False
    """Whether the op takes several inputs."""
    overwritable: ClassVar[bool] = False
    """Whether autograd does without this op's output, so that the next op may work in place."""

    def infer(self, shapes: Sequence[Shape]) -> Shape:
        """The output's shape for everything that arrives; what the graph asks. See `Merge`."""
        return self.output_shape(shapes[0])

    def infer_in_spite(self, shapes: Sequence[Shape]) -> Shape | None:
        """What the output would be were it not for the fault `infer` raised, if known."""
        return self.shape_in_spite(shapes[0])

    def operations(self, shapes: Sequence[Shape], output: Shape) -> Counts | None:
        """Operations for one sample of everything that arrives; None where they are unknown."""
        return self.counts(shapes[0], output)

    def channel_ratio(self, shape: Shape) -> Ratio | None:
        """How the channels that leave follow from any number that arrives.

        None where the op sets a width of its own, whatever arrives.
        """
        del shape
        return Ratio()

    def output_shape(self, shape: Shape) -> Shape:
        """The output's shape for an input of `shape`; raises `Fault` where they do not fit."""
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        """What the output would be were it not for the fault `output_shape` raised, if known."""
        del shape
        return None

    def tensors(self, shape: Shape) -> tuple[Tensor, ...]:
        """Parameters and buffers for an input of `shape`, in PyTorch's order."""
        del shape
        return ()

    def counts(self, shape: Shape, output: Shape) -> Counts | None:
        """Operations for one sample of `shape` that gives `output`; None where unknown."""
        del shape, output
        return Counts()

    def view(self, shape: Shape) -> View:
        """What one output element sees of the input map."""
        del shape
        return None

    def remarks(self, shape: Shape) -> Iterator[Remark]:
        """Findings that are no errors."""
        del shape
        return iter(())

    def explain_output(self, shape: Shape) -> Iterator[Text]:
        """The arithmetic of the output shape, with the numbers in it."""
        output = self.output_shape(shape)
        yield Text("output", f"the shape stays {show(output)}")

    def explain_params(self, shape: Shape) -> Iterator[Text]:
        """The arithmetic of the parameter count; nothing where there are none."""
        del shape
        return iter(())

    def explain_macs(self, shape: Shape) -> Iterator[Text]:
        """The arithmetic of the multiply-accumulates; nothing where there are none."""
        del shape
        return iter(())

    def mend(self, shape: Shape, wanted: Shape) -> str:
        """What would make the output of `shape` be `wanted`; empty when nothing simple would."""
        del shape, wanted
        return ""


def show(shape: Iterable[object]) -> str:
    """A shape as text: `96×55×55`."""
    return "×".join(map(str, shape))


def thousands(number: int) -> str:
    """A count with spaces between its thousands: `62 378 344`."""
    return f"{number:,}".replace(",", " ")


def channels_of(shape: Shape) -> int:
    """The channels of a map, whichever way round it is, or the features of a vector."""
    return shape[-1] if isinstance(shape, ChannelsLast) else shape[0]


def require_map(op: str, shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width of a map, or a `Fault` when the shape is none."""
    require_channels_first(op, shape)
    if len(shape) != 3:
        raise Fault(NotAMap, op=op, shape=show(shape))
    channels, height, width = shape
    return channels, height, width


def require_channels_first(op: str, shape: Shape) -> None:
    """A `Fault` where the channels come last."""
    if isinstance(shape, ChannelsLast):
        raise Fault(ChannelsLastArrive, op=op, shape=show(shape))


def require_parts(attribute: str, what: str, count: int, parts: int) -> None:
    """A `Fault` where `count` of something cannot be divided into equal parts."""
    if count % parts:
        divisors = ", ".join(str(d) for d in range(1, min(count, 64) + 1) if count % d == 0)
        facts = {"what": what, "count": count, "parts": parts, "divisors": divisors}
        raise Fault(NotDivisible, attribute, **facts)
