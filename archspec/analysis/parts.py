"""Fields of parts of the channels: what was put side by side keeps its field until it is mixed."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from archspec.analysis.receptive_field import NOTHING, Field, as_bound, seen_through
from archspec.ops import Mixing, View
from archspec.ops.mixing import EACH

MAX_PARTS = 16
"""So many ranges of channels are told apart; what has more is seen together."""
_MOST_STARTS = 4 * MAX_PARTS
"""So many places are looked at where another range may begin."""

Together = Callable[[Sequence[Field | None]], Field | None]
"""What several paths see together."""


class Part(NamedTuple):
    """The channels from where the part before ends up to, but not with, `stop`, and their field."""

    stop: int
    field: Field | None


Parts = tuple[Part, ...]
COARSE: Parts = ()
"""Parts that are not told apart: some of the channels may see less than all of them together."""


class Source(NamedTuple):
    """What arrives at a step: all its channels' field, that of its parts, and how it is read.

    `parts` is None where all channels see the same.
    """

    channels: int
    field: Field | None
    parts: Parts | None
    view: View
    mixing: Mixing


def divided(
    sources: Sequence[Source], leaving: int, together: Together
) -> tuple[Field | None, Parts | None]:
    """What the output channels of a step see, all of them and in parts."""
    if len(sources) == 1:
        (only,) = sources
        if only.mixing.mixes_all(only.channels) and only.mixing.exact:
            return seen_through(only.field, only.view), None
        if only.mixing is EACH and only.view is None:
            return only.field, only.parts
    if any(source.parts == COARSE for source in sources):
        return _coarsely(sources, leaving, together)
    starts = sorted({0, *_borders(sources, leaving)})
    if len(starts) > _MOST_STARTS:
        return _coarsely(sources, leaving, together)
    parts = []
    for start, stop in zip(starts, [*starts[1:], leaving], strict=True):
        fields = [seen for source in sources for seen in _read(source, start, together)]
        parts.append(Part(stop, together(fields) if fields else NOTHING))
    return merged(parts, together)


def side_by_side(
    sources: Sequence[Source], together: Together
) -> tuple[Field | None, Parts | None]:
    """What the channels of several inputs see, one input behind the other."""
    parts, start = [], 0
    for source in sources:
        if source.parts == COARSE:
            return together([each.field for each in sources]), COARSE
        if source.parts is None:
            parts.append(Part(start + source.channels, source.field))
        else:
            parts += [Part(start + stop, field) for stop, field in source.parts]
        start += source.channels
    return merged(parts, together)


def merged(parts: Sequence[Part], together: Together) -> tuple[Field | None, Parts | None]:
    """The field of all channels, and the parts, those next to each other that see the same as one.

    No parts where all see the same.
    """
    kept: list[Part] = []
    for part in parts:
        if kept and kept[-1].field == part.field:
            kept.pop()
        kept.append(part)
    if len(kept) == 1:
        return kept[0].field, None
    field = together([part.field for part in kept])
    return field, tuple(kept) if len(kept) <= MAX_PARTS else COARSE


def _borders(sources: Sequence[Source], leaving: int) -> Iterator[int]:
    """The output channels at which something else may begin."""
    for source in sources:
        stops = [part.stop for part in source.parts or ()]
        for at in {0, source.channels, *stops}:
            for border in source.mixing.borders(at, leaving):
                if 0 < border < leaving:
                    yield border


def _read(source: Source, channel: int, together: Together) -> Iterator[Field | None]:
    """What an output channel sees of one of the inputs; nothing where it reads none of it."""
    read = source.mixing.read(channel)
    if not read:
        return
    parts = source.parts
    if parts is None:
        yield seen_through(source.field, source.view)
        return
    stops = [part.stop for part in parts]
    if isinstance(read, range):
        indices = range(bisect_right(stops, read[0]), bisect_right(stops, read[-1]) + 1)
        chosen = parts[indices.start : indices.stop]
    else:
        chosen = tuple(parts[i] for i in sorted({bisect_right(stops, c) for c in read}))
    field = together([part.field for part in chosen])
    seen = seen_through(field, source.view)
    exact = source.mixing.exact or len(chosen) == 1
    yield seen if exact else as_bound(seen)


def _coarsely(
    sources: Sequence[Source], leaving: int, together: Together
) -> tuple[Field | None, Parts | None]:
    field = together([seen_through(source.field, source.view) for source in sources])
    is_exact = all(
        source.parts is None
        or (source.mixing.exact and source.mixing.reads_all(source.channels, leaving))
        for source in sources
    )
    mixed = all(source.mixing.mixes_all(source.channels) for source in sources)
    return field if is_exact else as_bound(field), None if mixed else COARSE
