"""The arithmetic of a window that slides along one axis, in whole numbers and fractions.

All sizes are in elements of the input map. `before` and `after` are the padding at the two ends
(top/left and bottom/right).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction


def extent(kernel: int, dilation: int) -> int:
    """How many elements a dilated kernel spans: `dilation·(kernel − 1) + 1`."""
    return dilation * (kernel - 1) + 1


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's 'same' padding: the output is ⌈size/stride⌉, an odd element goes to the end."""
    output = -(-size // stride)
    total = max((output - 1) * stride + extent(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def window_output(
    size: int,
    kernel: int,
    stride: int = 1,
    before: int = 0,
    after: int = 0,
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> int:
    """The output size `⌊(W − F + P_before + P_after)/S⌋ + 1`, F being the dilated extent.

    With `ceil_mode` the division rounds up, but a window never starts in the padding after the
    input (PyTorch's rule, `pooling_output_shape`). The result is below 1 where nothing fits.
    """
    span = size + before + after - extent(kernel, dilation)
    if not ceil_mode:
        return span // stride + 1
    output = -(-span // stride) + 1
    return output - 1 if (output - 1) * stride >= size + before else output


def unread(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> int:
    """How many elements at the end of the padded input no window reaches (floor division)."""
    return (size + before + after - extent(kernel, dilation)) % stride


def padding_for(size: int, wanted: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """The total padding with which `size` gives exactly `wanted` windows (may be negative)."""
    return (wanted - 1) * stride + extent(kernel, dilation) - size


def straddles(size: int, stride: int, before: int, dilation: int, windows: int) -> bool:
    """Whether the input lies between two elements of one of the windows, which reads none of it.

    Only a dilated window that begins in the padding before the input can; its first element at or
    behind the input's start stands at (u·S − P_before) mod D, u being the window's number.
    """
    if size >= dilation:
        return False
    early = min(-(-before // stride), windows)
    behind = _floor_sum(early, stride, dilation - before - size, dilation)
    return behind > _floor_sum(early, stride, -before, dilation)


def _floor_sum(count: int, slope: int, start: int, divisor: int) -> int:
    """The sum of ⌊(slope·u + start)/divisor⌋ over u below `count`, in logarithmic time.

    As Euclid's algorithm: what is left of a line below the diagonal is turned round.
    """
    total = 0
    while count > 0:
        total += count * (count - 1) // 2 * (slope // divisor) + count * (start // divisor)
        slope, start = slope % divisor, start % divisor
        end = slope * count + start
        count, start, slope, divisor = end // divisor, end % divisor, divisor, slope
    return total


def quotient(numerator: int, denominator: int) -> "int | Fraction":
    """An exact quotient, whole where it is."""
    if numerator % denominator == 0:
        return numerator // denominator
    from fractions import Fraction  # rarely needed, and slow to import

    return Fraction(numerator, denominator)


def transposed_output(
    size: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int
) -> int:
    """The output size of a transposed window: `(W − 1)·S − 2P + F + P_out`, F being dilated."""
    return (size - 1) * stride - 2 * padding + extent(kernel, dilation) + output_padding
