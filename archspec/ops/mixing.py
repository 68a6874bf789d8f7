"""Which channels of its input an output channel reads."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class Mixing(Protocol):
    """How the channels that leave read those that arrive; both are counted from 0."""

    @property
    def exact(self) -> bool:
        """Whether all places of an output channel read the same channels."""

    def read(self, channel: int) -> Sequence[int] | range:
        """The input channels that an output channel reads, in their order."""

    def borders(self, at: int, channels: int) -> Iterator[int]:
        """The output channels, of so many, from which on another side of `at` may be read."""

    def reads_all(self, arriving: int, leaving: int) -> bool:
        """Whether every channel that arrives is read by some channel that leaves."""

    def mixes_all(self, arriving: int) -> bool:
        """Whether every channel that leaves reads all that arrive."""


class Groups(NamedTuple):
    """Channels in groups: so many that leave read, each of them, so many that arrive.

    (1, 1) where each is its own, (1, m) in a depthwise convolution, (C_in, C_out) in a full one.
    """

    arriving: int
    leaving: int
    exact: bool = True

    def read(self, channel: int) -> range:
        start = channel // self.leaving * self.arriving
        return range(start, start + self.arriving)

    def borders(self, at: int, channels: int) -> Iterator[int]:
        del channels
        yield at // self.arriving * self.leaving
        yield -(-at // self.arriving) * self.leaving

    def reads_all(self, arriving: int, leaving: int) -> bool:
        del arriving, leaving
        return True

    def mixes_all(self, arriving: int) -> bool:
        return self.arriving == arriving


EACH = Groups(1, 1)
"""Every channel that leaves reads the one in its place."""


class Shifted(NamedTuple):
    """Channel c reads channel c + offset, and nothing where there is none: a slice, or padding."""

    offset: int
    arriving: int
    exact: bool = True

    def read(self, channel: int) -> range:
        place = channel + self.offset
        return range(place, place + (0 <= place < self.arriving))

    def borders(self, at: int, channels: int) -> Iterator[int]:
        del channels
        yield at - self.offset

    def reads_all(self, arriving: int, leaving: int) -> bool:
        return self.offset <= 0 and leaving + self.offset >= arriving

    def mixes_all(self, arriving: int) -> bool:
        del arriving
        return False


class Neighbours(NamedTuple):
    """Channel c reads those from c − before to c + after."""

    before: int
    after: int
    exact: bool = True

    def read(self, channel: int) -> range:
        return range(max(channel - self.before, 0), channel + self.after + 1)

    def borders(self, at: int, channels: int) -> Iterator[int]:
        del channels
        yield at - self.after
        yield at + self.before

    def reads_all(self, arriving: int, leaving: int) -> bool:
        del arriving, leaving
        return True

    def mixes_all(self, arriving: int) -> bool:
        return min(self.before, self.after) >= arriving - 1


class Listed(NamedTuple):
    """Every channel reads those that its row of a table lists."""

    table: tuple[tuple[int, ...], ...]
    exact: bool = True

    def read(self, channel: int) -> Sequence[int]:
        return sorted(self.table[channel])

    def borders(self, at: int, channels: int) -> Iterator[int]:
        del at
        return iter(range(channels))

    def reads_all(self, arriving: int, leaving: int) -> bool:
        del leaving
        return len({channel for row in self.table for channel in row}) == arriving

    def mixes_all(self, arriving: int) -> bool:
        return all(len(row) == arriving for row in self.table)
