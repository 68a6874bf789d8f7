"""Fields of parts of the channels, beside sets of rows that are put together channel by channel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.analysis import fields as field_pass
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check, check_text

Rows = Callable[[int, int], frozenset[int]]
"""The rows of the input that a channel's unit sees, on a map without ends."""


@dataclass
class Value:
    """A step's output: its channels, its height, and what its units see."""

    channels: int
    height: int
    rows: Rows


@dataclass
class Growing:
    """A network that grows step by step, in YAML and as sets of rows."""

    random: Random
    values: dict[str, Value] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add(self, row: str, channels: int, height: int, rows: Rows, *sources: str) -> str:
        """Write a row, and keep what it gives."""
        name = f"n{len(self.lines)}"
        read = sources[0] if len(sources) == 1 else f"[{', '.join(sources)}]"
        self.lines.append(f"  - {{name: {name}, from: {read}, {row}}}")
        self.values[name] = Value(channels, height, cache(rows))
        return name

    def grow(self) -> None:
        """One more step, of any kind, behind any of the values."""
        source = self.random.choice([*self.values][-3:])
        self.random.choice(KINDS)(self, source, self.values[source])


def union(rows: Rows, channels: range | list[int], units: list[int]) -> frozenset[int]:
    return frozenset().union(*(rows(c, u) for c in channels for u in units))


def conv(net: Growing, name: str, value: Value) -> None:
    groups = net.random.choice([g for g in (1, 2, 3, 4) if value.channels % g == 0])
    given = groups * net.random.choice([1, 2])
    each, leaving = value.channels // groups, given // groups

    def rows(c: int, u: int) -> frozenset[int]:
        first = c // leaving * each
        return union(value.rows, range(first, first + each), [u - 1, u, u + 1])

    row = f"op: conv2d, out_channels: {given}, kernel_size: 3, padding: 1, groups: {groups}"
    net.add(row, given, value.height, rows, name)


def depthwise(net: Growing, name: str, value: Value) -> None:
    if value.channels > 6:
        return

    def rows(c: int, u: int) -> frozenset[int]:
        return union(value.rows, [c // 2], [u - 2, u, u + 2])

    row = "op: depthwise_conv2d, kernel_size: 3, dilation: 2, padding: 2, channel_multiplier: 2"
    net.add(row, 2 * value.channels, value.height, rows, name)


def cut(net: Growing, name: str, value: Value) -> None:
    start = net.random.randrange(value.channels)
    stop = net.random.randrange(start, value.channels) + 1
    row = f"op: slice, start: {start}, stop: {stop}"
    net.add(row, stop - start, value.height, lambda c, u: value.rows(c + start, u), name)


def chunk(net: Growing, name: str, value: Value) -> None:
    parts = net.random.choice([p for p in (1, 2, 3, 4) if value.channels % p == 0])
    index, size = net.random.randrange(parts), value.channels // parts
    row = f"op: chunk, chunks: {parts}, index: {index}"
    net.add(row, size, value.height, lambda c, u: value.rows(c + index * size, u), name)


def padded(net: Growing, name: str, value: Value) -> None:
    before, after = net.random.randrange(3), net.random.randrange(3)

    def rows(c: int, u: int) -> frozenset[int]:
        inside = 0 <= c - before < value.channels
        return value.rows(c - before, u) if inside else frozenset()

    row = f"op: pad_channels, before: {before}, after: {after}"
    net.add(row, before + value.channels + after, value.height, rows, name)


def norm(net: Growing, name: str, value: Value) -> None:
    size = net.random.choice([1, 2, 3, 4])

    def rows(c: int, u: int) -> frozenset[int]:
        near = range(c - size // 2, c + (size - 1) // 2 + 1)
        return union(value.rows, [n for n in near if 0 <= n < value.channels], [u])

    row = f"op: local_response_norm, size: {size}"
    net.add(row, value.channels, value.height, rows, name)


def table(net: Growing, name: str, value: Value) -> None:
    listed = [
        net.random.sample(range(value.channels), net.random.randint(1, value.channels))
        for _ in range(net.random.randint(1, 4))
    ]
    row = f"op: partial_conv2d, table: {listed}, kernel_size: 1"
    net.add(row, len(listed), value.height, lambda c, u: union(value.rows, listed[c], [u]), name)


def mixed(net: Growing, name: str, value: Value) -> None:
    def rows(c: int, u: int) -> frozenset[int]:
        del c
        return union(value.rows, range(value.channels), [u])

    row = net.random.choice(["op: layer_norm2d", "op: softmax", "op: channel_shuffle, groups: 1"])
    net.add(row, value.channels, value.height, rows, name)


def shuffled(net: Growing, name: str, value: Value) -> None:
    if value.channels % 4 or value.height > 12:
        return

    def rows(c: int, u: int) -> frozenset[int]:
        first = 4 * c + u % 2 * 2
        return union(value.rows, range(first, first + 2), [u // 2])

    row = "op: pixel_shuffle, upscale_factor: 2"
    net.add(row, value.channels // 4, 2 * value.height, rows, name)


def unshuffled(net: Growing, name: str, value: Value) -> None:
    if value.height % 2 or value.channels > 3:
        return

    def rows(c: int, u: int) -> frozenset[int]:
        return value.rows(c // 4, 2 * u + c % 4 // 2)

    row = "op: pixel_unshuffle, downscale_factor: 2"
    net.add(row, 4 * value.channels, value.height // 2, rows, name)


def upsampled(net: Growing, name: str, value: Value) -> None:
    if value.height > 12:
        return

    def rows(c: int, u: int) -> frozenset[int]:
        return value.rows(c, u // 2)

    net.add("op: upsample, scale_factor: 2", value.channels, 2 * value.height, rows, name)


def pooled(net: Growing, name: str, value: Value) -> None:
    if value.height % 2:
        return

    def rows(c: int, u: int) -> frozenset[int]:
        return union(value.rows, [c], [2 * u, 2 * u + 1])

    net.add("op: max_pool, kernel_size: 2", value.channels, value.height // 2, rows, name)


def beside(net: Growing, name: str, value: Value) -> None:
    others = [n for n, v in net.values.items() if v.height == value.height and v.channels <= 6]
    if value.channels > 6:
        return
    other = net.random.choice([*others, name])
    second = net.values[other]

    def rows(c: int, u: int) -> frozenset[int]:
        here = c < value.channels
        return value.rows(c, u) if here else second.rows(c - value.channels, u)

    net.add("op: concat", value.channels + second.channels, value.height, rows, name, other)


def added(net: Growing, name: str, value: Value) -> None:
    others = [
        n
        for n, v in net.values.items()
        if v.height == value.height and v.channels in (1, value.channels)
    ]
    other = net.random.choice([*others, name])
    second = net.values[other]

    def rows(c: int, u: int) -> frozenset[int]:
        return value.rows(c, u) | second.rows(c if second.channels > 1 else 0, u)

    net.add("op: add", value.channels, value.height, rows, name, other)


KINDS: list[Callable[[Growing, str, Value], None]] = [
    *(conv, depthwise, cut, cut, chunk, padded, norm, table, mixed, shuffled, unshuffled),
    *(upsampled, pooled, beside, beside, beside, added),
]


def grown(seed: int) -> tuple[Growing, Check]:
    """A network of a dozen steps at most."""
    net = Growing(Random(seed))  # noqa: S311 - hypothesis draws the seed
    channels = net.random.choice([1, 2, 3, 4])
    net.values["input"] = Value(channels, 8, lambda _, u: frozenset([u]))
    for _ in range(net.random.randint(2, 12)):
        net.grow()
    text = f"archspec: 1\nname: Net\ninput: [{channels}, 8, 8]\nlayers:\n"
    result = check_text("\n".join([text.rstrip(), *net.lines, "  - {op: relu}", ""]))
    errors = [fault.message for fault in result.diagnostics if fault.severity == "error"]
    assert errors == []
    return net, result


def compare(net: Growing, result: Check) -> int:
    """How many nodes' fields were compared unit by unit."""
    assert result.network is not None
    assert result.results is not None
    compared = 0
    for node, seen in zip(result.network.nodes, result.results.fields, strict=True):
        if not isinstance(seen, ReceptiveField) or node.path not in net.values:
            continue
        value = net.values[node.path]
        for unit in range(-2, 10):
            rows = union(value.rows, range(value.channels), [unit])
            span = seen.height.of(unit)
            if not seen.bound:
                assert span == ((min(rows), max(rows)) if rows else None), (node.path, unit)
            elif rows:
                assert span is not None
                assert span[0] <= min(rows) <= max(rows) <= span[1], (node.path, unit)
        compared += not seen.bound
    return compared


@given(st.integers(0, 10**9))
@settings(max_examples=300)
def test_channels_keep_their_fields_until_they_are_mixed(seed: int) -> None:
    compare(*grown(seed))


def test_most_of_them_are_exact() -> None:
    nets = [grown(seed) for seed in range(1500)]
    exact = sum(compare(*net) for net in nets)
    assert exact > 0.75 * sum(len(net.lines) for net, _ in nets)


@given(st.integers(0, 10**9))
def test_where_there_are_many_a_bound_is_given(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archspec.analysis.parts.MAX_PARTS", 2)
        patch.setattr("archspec.analysis.fields.MAX_PARTS", 2)
        patch.setattr(field_pass, "MAX_SPANS", seed % 20)
        compare(*grown(seed))


def field_of(rows: str, channels: int = 2) -> Any:
    head = f"archspec: 1\nname: Net\ninput: [{channels}, 16, 16]\nlayers:\n"
    result = check_text(head + rows)
    assert result.results is not None
    return result.results.fields[-1]


WIDE = """
  - {name: wide, op: conv2d, out_channels: 4, kernel_size: 7, padding: 3}
  - {name: narrow, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1, from: input}
  - {name: both, op: concat, from: [wide, narrow]}
"""


@pytest.mark.parametrize(
    ("start", "stop", "size"), [(0, 6, 7), (0, 4, 7), (4, 6, 3), (5, 6, 3), (3, 5, 7)]
)
def test_a_slice_sees_what_its_channels_see(start: int, stop: int, size: int) -> None:
    seen = field_of(WIDE + f"  - {{op: slice, start: {start}, stop: {stop}}}\n")
    assert (seen.size, seen.bound) == ((size, size), False)


def test_a_slice_of_what_meets_with_different_strides_is_known() -> None:
    rows = """
  - {name: half, op: max_pool, kernel_size: 2}
  - {name: large, op: conv2d, out_channels: 2, kernel_size: 9, from: input}
  - {name: both, op: concat, from: [half, large]}
"""
    assert field_of(rows) is None
    assert field_of(rows + "  - {op: slice, start: 2, stop: 4}\n").size == (9, 9)


def test_a_part_of_a_part_that_sees_everything_sees_the_rest_of_it() -> None:
    rows = """
  - {name: all, op: adaptive_avg_pool}
  - {name: stretched, op: upsample, size: 16}
  - {name: both, op: concat, from: [stretched, input]}
"""
    assert field_of(rows) == "global"
    assert field_of(rows + "  - {op: chunk, chunks: 2, index: 1}\n") == ReceptiveField()
    assert field_of(rows + "  - {op: chunk, chunks: 2, index: 0}\n") == "global"


def test_channels_of_zeros_see_nothing() -> None:
    seen = field_of("  - {op: pad_channels, after: 3}\n  - {op: slice, start: 2, stop: 5}\n")
    assert (seen.size, seen.is_empty) == ((0, 0), True)


def test_a_norm_over_neighbours_is_not_one_of_each_channel() -> None:
    rows = """
  - {op: pad_channels, after: 2}
  - {op: local_response_norm, size: 3}
  - {op: slice, start: START, stop: 4}
"""
    assert field_of(rows.replace("START", "2")) == ReceptiveField()
    assert field_of(rows.replace("START", "3")).is_empty


def test_seventeen_ranges_are_seen_together() -> None:
    for count, bound in ((16, False), (17, True)):
        rows = "".join(
            f"  - {{name: c{i}, op: conv2d, out_channels: 1, kernel_size: {2 * i + 1},"
            f" padding: {i}, from: input}}\n"
            for i in range(count)
        )
        rows += f"  - {{op: concat, from: [{', '.join(f'c{i}' for i in range(count))}]}}\n"
        together = field_of(rows)
        assert (together.size, together.bound) == ((2 * count - 1,) * 2, False)
        part = field_of(rows + "  - {op: slice, start: 0, stop: 2}\n")
        assert part.bound == bound
        mixed = field_of(rows + "  - {op: conv2d, out_channels: 1, kernel_size: 1}\n")
        assert (mixed.size, mixed.bound) == (together.size, False)


def test_one_place_that_is_stretched_is_no_neighbour() -> None:
    """It sees the same rows, whichever unit it is added to."""
    rows = """
  - {name: all, op: conv2d, out_channels: 2, kernel_size: 16}
  - {name: scaled, op: mul, from: [all, input]}
"""
    assert field_of(rows) == "global"
    some = rows.replace("kernel_size: 16", "kernel_size: 9, stride: 8")
    assert field_of(some) is None
