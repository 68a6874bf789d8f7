"""What an op is: attributes in PyTorch's names, and the mathematical facts the passes ask for."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from archspec.diagnostics import Diagnostic, Fault
from archspec.diagnostics.shapes import ChannelsLastArrive, NotAMap, NotDivisible
from archspec.ops.mixing import EACH, Groups, Mixing
from archspec.ops.shape import Shape, Shapes, channels_of, kind_of, show
from archspec.ops.taps import View

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


class Remark(NamedTuple):
    """A finding that is no error: what kind, which attribute brings it about, its facts."""

    kind: type[Diagnostic]
    attribute: str
    facts: dict[str, Any]


Arity = Literal["one", "several"]


class Op(BaseModel):
    """An operation of a layer table.

    A subclass declares its attributes as pydantic fields with PyTorch's names and defaults, and
    answers the passes' questions. Instances know nothing of their inputs; every method that
    needs shapes takes those of all inputs, so that one row can be asked about any. An op gives one
    output or several, each with a shape; `Unary` is for those that have one of each.

    Schemas are built at the first use of an op (`defer_build`): a check of AlexNet pays for the
    seven ops it names, not for all there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    op_name: ClassVar[str]
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other accepted names of attributes."""
    words: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Attributes that take a word (`padding: same`); any other text is an expression."""
    either: ClassVar[frozenset[str]] = frozenset()
    """Attributes of which a row has one: with its own it has no default of another."""
    role: ClassVar[str] = ""
    """What a row may carry it as: `norm`, `activation` or `dropout`."""
    weighted: ClassVar[bool] = False
    """Whether the op counts as a layer in the literature: convolutions and linear layers."""
    arity: ClassVar[Arity] = "one"
    """How many inputs it takes: one, or as many as its row names."""
    backward_needs: ClassVar[frozenset[str]] = frozenset({"input", "output"})
    """What autograd keeps for the backward pass, `input` and `output`: nothing may overwrite it.

    Where that depends on the attributes it is whatever any of them need.
    """
    is_view: ClassVar[bool] = False
    """Whether the output may lie in the memory of an input: who overwrites it overwrites both."""

    divides: ClassVar[bool] = False
    """Whether channels that leave may see different things, though all that arrive see the same."""

    @abstractmethod
    def infer(self, shapes: Shapes) -> tuple[Shape, ...]:
        """The shape of every output; raises `Fault` where the inputs do not fit."""

    def infer_in_spite(self, shapes: Shapes) -> tuple[Shape, ...] | None:
        """What the outputs would be were it not for the fault `infer` raised, if known."""
        del shapes
        return None

    def tensors(self, shapes: Shapes) -> tuple[Tensor, ...]:
        """Parameters and buffers, in PyTorch's order."""
        del shapes
        return ()

    @classmethod
    def has_tensors(cls) -> bool:
        """Whether the op may have parameters or buffers."""
        return cls.tensors is not Op.tensors

    def operations(self, shapes: Shapes, outputs: Shapes) -> Counts | None:
        """Operations for one sample of all inputs; None where they are unknown."""
        del shapes, outputs
        return Counts()

    def channel_ratio(self, shapes: Shapes) -> Ratio | None:
        """How the channels that leave follow from any number that arrives first.

        None where the op sets a width of its own, whatever arrives.
        """
        del shapes
        return Ratio()

    def views(self, shapes: Shapes) -> tuple[View, ...]:
        """What an element of any output sees of each input."""
        return (None,) * len(shapes)

    @classmethod
    def looks_around(cls) -> bool:
        """Whether an element may see more than its own place."""
        return cls.views is not Op.views

    def mixings(self, shapes: Shapes, outputs: Shapes) -> tuple[Mixing, ...]:
        """Which channels of each input a channel of the outputs reads: as far as is known, all."""
        leaving = max(map(channels_of, outputs))
        return tuple(Groups(channels_of(shape), leaving) for shape in shapes)

    def remarks(self, shapes: Shapes) -> Iterator[Remark]:
        """Findings that are no errors."""
        del shapes
        return iter(())

    def explain_output(self, shapes: Shapes) -> Iterator[Text]:
        """The arithmetic of the outputs' shapes, with the numbers in it."""
        for output in self.infer(shapes):
            yield Text("output", show(output))

    def explain_params(self, shapes: Shapes) -> Iterator[Text]:
        """The arithmetic of the parameter count; nothing where there are none."""
        del shapes
        return iter(())

    def explain_macs(self, shapes: Shapes) -> Iterator[Text]:
        """The arithmetic of the multiply-accumulates; nothing where there are none."""
        del shapes
        return iter(())

    def mend(self, shapes: Shapes, wanted: Shape) -> str:
        """What would make the first output be `wanted`; empty when nothing simple would."""
        del shapes, wanted
        return ""


class Unary(Op):
    """An op of one input and one output: its methods take and give one shape.

    What `Op` asks of all inputs is answered here, once, by the methods for the only one.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """The output's shape for an input of `shape`; raises `Fault` where they do not fit."""
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        """What the output would be were it not for the fault `output_shape` raised, if known."""
        del shape
        return None

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        """Parameters and buffers for an input of `shape`, in PyTorch's order."""
        del shape
        return ()

    def counts(self, shape: Shape, output: Shape) -> Counts | None:
        """Operations for one sample of `shape` that gives `output`; None where unknown."""
        del shape, output
        return Counts()

    def ratio(self, shape: Shape) -> Ratio | None:
        """The channels that leave by those that arrive; None for a width of the op's own."""
        del shape
        return Ratio()

    def view(self, shape: Shape) -> View:
        """What one output element sees of the input map."""
        del shape
        return None

    def mixing(self, shape: Shape, output: Shape) -> Mixing:
        """Which channels a channel of the output reads; the one in its place."""
        del shape, output
        return EACH

    def remarks_on(self, shape: Shape) -> Iterator[Remark]:
        """Findings that are no errors."""
        del shape
        return iter(())

    def output_text(self, shape: Shape) -> Iterator[Text]:
        """The arithmetic of the output shape, with the numbers in it."""
        yield Text("output", f"the shape stays {show(self.output_shape(shape))}")

    def params_text(self, shape: Shape) -> Iterator[Text]:
        """The arithmetic of the parameter count; nothing where there are none."""
        del shape
        return iter(())

    def macs_text(self, shape: Shape) -> Iterator[Text]:
        """The arithmetic of the multiply-accumulates; nothing where there are none."""
        del shape
        return iter(())

    def remedy(self, shape: Shape, wanted: Shape) -> str:
        """What would make the output of `shape` be `wanted`; empty when nothing simple would."""
        del shape, wanted
        return ""

    def infer(self, shapes: Shapes) -> tuple[Shape, ...]:
        return (self.output_shape(shapes[0]),)

    def infer_in_spite(self, shapes: Shapes) -> tuple[Shape, ...] | None:
        shape = self.shape_in_spite(shapes[0])
        return None if shape is None else (shape,)

    def tensors(self, shapes: Shapes) -> tuple[Tensor, ...]:
        return self.state(shapes[0])

    @classmethod
    def has_tensors(cls) -> bool:
        return cls.state is not Unary.state

    def operations(self, shapes: Shapes, outputs: Shapes) -> Counts | None:
        return self.counts(shapes[0], outputs[0])

    def channel_ratio(self, shapes: Shapes) -> Ratio | None:
        return self.ratio(shapes[0])

    def views(self, shapes: Shapes) -> tuple[View, ...]:
        return (self.view(shapes[0]),)

    @classmethod
    def looks_around(cls) -> bool:
        return cls.view is not Unary.view

    def mixings(self, shapes: Shapes, outputs: Shapes) -> tuple[Mixing, ...]:
        return (self.mixing(shapes[0], outputs[0]),)

    def remarks(self, shapes: Shapes) -> Iterator[Remark]:
        return self.remarks_on(shapes[0])

    def explain_output(self, shapes: Shapes) -> Iterator[Text]:
        return self.output_text(shapes[0])

    def explain_params(self, shapes: Shapes) -> Iterator[Text]:
        return self.params_text(shapes[0])

    def explain_macs(self, shapes: Shapes) -> Iterator[Text]:
        return self.macs_text(shapes[0])

    def mend(self, shapes: Shapes, wanted: Shape) -> str:
        return self.remedy(shapes[0], wanted)


def thousands(number: int) -> str:
    """A count with spaces between its thousands: `62 378 344`."""
    return f"{number:,}".replace(",", " ")


def all_channels(shape: Shape, output: Shape) -> Groups:
    """Every channel that leaves reads all that arrive."""
    return Groups(channels_of(shape), channels_of(output))


def require_map(op: str, shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width of a map, or a `Fault` when the shape is none."""
    require_channels_first(op, shape)
    if len(shape) != 3:
        raise Fault(NotAMap, op=op, shape=show(shape))
    channels, height, width = shape
    return channels, height, width


def require_channels_first(op: str, shape: Shape) -> None:
    """A `Fault` where the channels come last."""
    if kind_of(shape) == "channels_last":
        raise Fault(ChannelsLastArrive, op=op, shape=show(shape))


def require_parts(
    attribute: str, what: str, count: int, parts: int, help_: str | None = None
) -> None:
    """A `Fault` where `count` of something cannot be divided into equal parts.

    Its help names the divisors, unless `help_` says what else is to be done.
    """
    if count % parts:
        divisors = ", ".join(str(d) for d in range(1, min(count, 64) + 1) if count % d == 0)
        facts = {"what": what, "count": count, "parts": parts, "divisors": divisors}
        raise Fault(NotDivisible, attribute, **facts, help=help_)
