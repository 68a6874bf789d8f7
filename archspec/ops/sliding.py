"""What convolutions and poolings share: a window that slides over height and width."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import InputNotRead, InputPassedOver, WindowTooLarge
from archspec.ops.arithmetic import extent, padding_for, same_padding, unread, window_output
from archspec.ops.base import Remark, Text, Unary, require_map
from archspec.ops.fields import Padding, Pair, Size
from archspec.ops.shape import Shape, kind_of
from archspec.ops.taps import View, Window


class Axis(NamedTuple):
    """A window along one axis of a given input, its padding worked out."""

    name: str
    size: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int
    ceil_mode: bool

    @property
    def extent(self) -> int:
        """How many elements a window spans."""
        return extent(self.kernel, self.dilation)

    @property
    def output(self) -> int:
        """How many windows fit."""
        return window_output(
            self.size,
            self.kernel,
            self.stride,
            self.before,
            self.after,
            self.dilation,
            ceil_mode=self.ceil_mode,
        )

    @property
    def unread(self) -> int:
        """How many elements at the end no window reaches; none when the division rounds up."""
        if self.ceil_mode:
            return 0
        return unread(self.size, self.kernel, self.stride, self.before, self.after, self.dilation)

    def formula(self) -> str:
        """`(224 − 11 + 1 + 2)/4 + 1 = 55`, showing where a fraction is rounded."""
        window = str(self.kernel)
        if self.dilation > 1:
            window = f"({self.dilation}·({self.kernel} − 1) + 1)"
        span = self.size - extent(self.kernel, self.dilation) + self.before + self.after
        exact = f"{span / self.stride + 1:.2f}".rstrip("0").rstrip(".").replace("-", "−")
        result = exact
        if span % self.stride:
            result += f" → {self.output} (rounded {'up' if self.ceil_mode else 'down'})"
        elif self.output != span // self.stride + 1:
            result += f" → {self.output} (no window starts in the padding)"
        padding = f"{self.before} + {self.after}"
        return f"({self.size} − {window} + {padding})/{self.stride} + 1 = {result}"


class Sliding(Unary):
    """An op with a window; a subclass adds what happens inside the window."""

    words: ClassVar = {"padding": frozenset({"same", "valid"})}

    kernel_size: Size
    padding: Padding = ((0, 0), (0, 0))
    dilation: Size = (1, 1)

    @property
    @abstractmethod
    def strides(self) -> Pair:
        """The stride per axis (height, width)."""

    @property
    def rounds_up(self) -> bool:
        """Whether a last, partial window counts (`ceil_mode`)."""
        return False

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """The windows along height and width of an input (C, H, W), padding worked out."""
        _, height, width = require_map(self.op_name, shape)
        return self._axis(0, "height", height), self._axis(1, "width", width)

    def _axis(self, axis: int, name: str, size: int) -> Axis:
        kernel, stride, dilation = self.kernel_size[axis], self.strides[axis], self.dilation[axis]
        return Axis(name, size, kernel, stride, *self.ends(axis, size), dilation, self.rounds_up)

    def ends(self, axis: int, size: int) -> Pair:
        """Padding before and after along an axis (0 height, 1 width) of `size` elements."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "same":
            return same_padding(
                size, self.kernel_size[axis], self.strides[axis], self.dilation[axis]
            )
        return self.padding[axis]

    def map_size(self, shape: Shape) -> Pair:
        """Height and width of the output; raises `Fault` where the window does not fit."""
        axes = self.axes(shape)
        for axis in axes:
            if axis.output < 1:
                raise Fault(WindowTooLarge, "kernel_size", **self._too_large(axis, axes))
        return axes[0].output, axes[1].output

    def _too_large(self, axis: Axis, axes: tuple[Axis, Axis]) -> dict[str, Any]:
        padded = [(a.before, a.after) for a in axes if a.before or a.after]
        room = axis.size + axis.before + axis.after
        return {
            "kernel": "×".join(str(extent(a.kernel, a.dilation)) for a in axes),
            "height": axes[0].size,
            "width": axes[1].size,
            "padded": " with its padding" if padded else "",
            "axis": f"the output {axis.name}",
            "arithmetic": axis.formula(),
            "largest": max((room - 1) // axis.dilation + 1, 1),
            "missing": extent(axis.kernel, axis.dilation) - room,
        }

    def with_map_size(self, channels: int, shape: Shape) -> Shape | None:
        """So many channels of the height and width that the window gives, None where of none."""
        if kind_of(shape) != "map" or any(axis.output < 1 for axis in self.axes(shape)):
            return None
        return (channels, *self.map_size(shape))

    def view(self, shape: Shape) -> View:
        """The window, with the padding before the input."""
        height, width = (Window(a.kernel, a.stride, a.before, a.dilation) for a in self.axes(shape))
        return height, width

    def remarks_on(self, shape: Shape) -> Iterator[Remark]:
        """Rows and columns at the end that the floor drops."""
        axes = [axis for axis in self.axes(shape) if axis.unread]
        if axes:
            facts = {"lost": _dropped(axes), "arithmetic": axes[0].formula()}
            yield Remark(InputNotRead, "stride", facts)
        apart = [
            axis for axis in self.axes(shape) if 1 < axis.extent < axis.stride and axis.output > 1
        ]
        if apart:
            yield Remark(InputPassedOver, "stride", _passed_over(apart))

    def output_text(self, shape: Shape) -> Iterator[Text]:
        """The seeds' line for each axis; one line where both are the same."""
        height, width = self.axes(shape)
        letters = "(W − F + P_before + P_after)/S + 1"
        if self.padding == "same":
            yield Text("padding", _explain_same(height, width))
        if height[1:] == width[1:]:
            yield Text("output", f"N = {letters} = {width.formula()}")
        else:
            yield Text("height", f"N = {letters} = {height.formula()}")
            yield Text("width", f"N = {letters} = {width.formula()}")
        for remark in self.remarks_on(shape):
            yield Text("dropped", str(remark.facts["lost"]))

    def remedy(self, shape: Shape, wanted: Shape) -> str:
        """The padding or the input size that would give the wanted height and width."""
        if len(wanted) != 3 or len(shape) != 3 or wanted[1:] == self.map_size(shape):
            return ""
        totals, sizes = [], []
        for axis, goal in zip(self.axes(shape), wanted[1:], strict=True):
            total = padding_for(axis.size, goal, axis.kernel, axis.stride, axis.dilation)
            totals.append(total)
            sizes.append(axis.size + total - axis.before - axis.after)
        ways = []
        if totals[0] == totals[1] and 0 <= totals[0] <= 2 * extent(*_largest(self)):
            half = totals[0] // 2
            exact = half if totals[0] % 2 == 0 else f"[{half}, {half + 1}]"
            ways.append(f"padding {exact}")
        if min(sizes) >= 1:
            ways.append(f"an input of {sizes[0]}×{sizes[1]} with the padding as it is")
        return f"{' or '.join(ways)} gives {wanted[1]}×{wanted[2]}" if ways else ""


def _largest(op: Sliding) -> Pair:
    axis = max((0, 1), key=lambda i: op.kernel_size[i])
    return op.kernel_size[axis], op.dilation[axis]


def _dropped(axes: list[Axis]) -> str:
    """`the last row and the last column of padding are never read`."""
    lines = []
    for axis in axes:
        word = "row" if axis.name == "height" else "column"
        lines.append(f"the last {word}" if axis.unread == 1 else f"the last {axis.unread} {word}s")
    only_padding = all(axis.unread <= axis.after for axis in axes)
    padded = any(axis.after for axis in axes)
    what = "padding" if only_padding else "the padded input" if padded else "the input"
    verb = "is" if len(axes) == 1 and axes[0].unread == 1 else "are"
    return f"{' and '.join(lines)} of {what} {verb} never read"


def _passed_over(axes: list[Axis]) -> dict[str, str]:
    """`2 of 5 rows and 2 of 5 columns`, `a stride of 5, and a window of 3`."""
    words = {"height": "rows", "width": "columns"}
    lost = [f"{a.stride - a.extent} of {a.stride} {words[a.name]}" for a in axes]
    first = axes[0]
    arithmetic = f"a stride of {first.stride}, and a window of {first.extent}"
    return {"lost": " and ".join(lost), "arithmetic": arithmetic}


def _explain_same(height: Axis, width: Axis) -> str:
    def one(axis: Axis) -> str:
        return (
            f"⌈{axis.size}/{axis.stride}⌉ = {axis.output} needs "
            f"{axis.before + axis.after}: {axis.before} before, {axis.after} after"
        )

    if height[1:] == width[1:]:
        return f"same: {one(width)}"
    return f"same: height {one(height)}; width {one(width)}"
