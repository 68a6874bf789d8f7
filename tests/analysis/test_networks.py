"""Networks that become smaller and larger again: their fields, and that PyTorch's are the same."""

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from archspec.analysis.fields import MAX_SPANS
from archspec.analysis.phases import MAX_STRIDE, Axis
from archspec.analysis.receptive_field import ReceptiveField, spans_of
from archspec.api import Check, check, check_text
from archspec.proof import prove

NETWORKS = Path(__file__).parent / "networks"


def fields_of(checked: Check) -> dict[str, Any]:
    """The field of each step, by its path."""
    assert checked.ok, [fault.message for fault in checked.diagnostics]
    assert checked.network is not None
    assert checked.results is not None
    nodes = zip(checked.network.nodes, checked.results.fields, strict=True)
    return {node.path: field for node, field in nodes}


def assert_proven(file: Path) -> None:
    """Every module's units see exactly the pixels computed, and none was left out."""
    proof = prove(file, only=["receptive_field"]).proof("receptive_field")
    assert (proof.verdict, proof.differences) == ("proven", ())
    assert "larger" not in proof.text


SMALL = {
    "conv and deconv": (
        "[1, 16, 16]",
        [
            "{name: c, op: conv2d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}",
            "{name: u, op: conv_transpose2d, kernel_num: 1, kernel_size: 4, stride: 2, padding: 1}",
        ],
        {"c": 3, "u": 5},
    ),
    "encoder and decoder": (
        "[1, 32, 32]",
        [
            "{name: e1, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}",
            "{name: p1, op: max_pool, kernel_size: 2}",
            "{name: e2, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}",
            "{name: p2, op: max_pool, kernel_size: 2}",
            "{name: e3, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}",
            "{name: u2, op: conv_transpose2d, out_channels: 2, kernel_size: 2, stride: 2}",
            "{name: d2, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}",
            "{name: u1, op: upsample, scale_factor: 2}",
            "{name: d1, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}",
        ],
        {"e3": 18, "u2": 18, "d2": 22, "u1": 22, "d1": 26},
    ),
    "pixel shuffle": (
        "[1, 16, 16]",
        [
            "{name: c, op: pixel_unshuffle, downscale_factor: 2}",
            "{name: d, op: conv2d, out_channels: 4, kernel_size: 3, padding: 1}",
            "{name: u, op: pixel_shuffle, upscale_factor: 2}",
        ],
        {"c": 2, "d": 6, "u": 6},
    ),
    "pool and upsampling": (
        "[1, 16, 16]",
        [
            "{name: p, op: max_pool, kernel_size: 2}",
            "{name: u, op: upsample, scale_factor: 2}",
        ],
        {"p": 2, "u": 2},
    ),
    "blends, threes, and holes": (
        "[2, 48, 48]",
        [
            "{name: p, op: avg_pool, kernel_size: 3, stride: 4}",
            "{name: b, op: upsample, scale_factor: 3, mode: bilinear}",
            "{name: c, op: conv2d, out_channels: 2, kernel_size: 3, dilation: 2, padding: 2}",
            "{op: conv_transpose2d, kernel_num: 1, kernel_size: 3, dilation: 2, stride: 2}",
            "{name: d, op: depthwise_conv2d, kernel_size: [1, 5]}",
        ],
        {"p": 3, "b": 7},
    ),
    "parts of channels": (
        "[1, 16, 16]",
        [
            "{name: wide, op: conv2d, out_channels: 2, kernel_size: 7, padding: 3}",
            "{name: one, op: conv2d, out_channels: 2, kernel_size: 1, from: input}",
            "{name: both, op: concat, from: [wide, one]}",
            "{name: part, op: chunk, chunks: 2, index: 1}",
            "{name: thin, op: conv2d, out_channels: 1, kernel_size: 3, padding: 1}",
            "{name: own, op: depthwise_conv2d, kernel_size: 3, padding: 1, from: both}",
            "{name: end, op: slice, start: 3, stop: 4}",
            "{name: last, op: concat, from: [end, thin]}",
        ],
        {"both": 7, "part": 1, "thin": 3, "own": 9, "end": 3, "last": 3},
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_fields_are_the_ones_that_were_traced(name: str, tmp_path: Path) -> None:
    shape, rows, sizes = SMALL[name]
    file = tmp_path / "net.yaml"
    text = f"archspec: 1\nname: Net\ninput: {shape}\nlayers:\n"
    file.write_text(text + "".join(f"  - {row}\n" for row in rows))
    fields = fields_of(check(file))
    assert {path: fields[path].size for path in sizes} == {p: (s, s) for p, s in sizes.items()}
    assert_proven(file)


def test_unets_deepest_units_see_140_pixels_and_its_outputs_188_or_204() -> None:
    """140 is the figure in the literature: 4 pools and 10 convolutions, (((5+1)…)) = 140.

    On the way up every convolution reads units that come by twos, fours, … from the same one
    below, so that not each of them widens the field of every unit.
    """
    fields = fields_of(check(NETWORKS / "unet.yaml"))
    bottom = fields["bottom.conv2"]
    assert (bottom.size, bottom.stride) == ((140, 140), (16, 16))
    sizes = [fields[f"expand{level}.conv2"].size[0] for level in (4, 3, 2, 1)]
    assert sizes == [172, 188, 204, 204]
    last = fields["classes"]
    assert last.stride == (1, 1)
    assert last.period == (16, 16)
    seen = [span[1] - span[0] + 1 for span in last.height.spans]
    assert set(seen) == {188, 204}
    # The copy is cropped so that its field lies in the middle of what comes from below.
    copy, below = fields["crop4.cut"].height, fields["up4"].height
    assert copy == Axis(8, ((32, 99),))
    assert below.spans == ((0, 139), (0, 139))


def test_the_levels_of_a_pyramid_see_what_is_added_to_them() -> None:
    fields = fields_of(check(NETWORKS / "fpn.yaml"))
    sizes = {name: fields[name].size for name in ("m5", "m2", "p5", "p4", "p3", "p2")}
    expected = {"m5": 187, "m2": 187, "p5": 251, "p4": 219, "p3": 219, "p2": 219}
    assert sizes == {name: (size, size) for name, size in expected.items()}
    assert fields["p4"].height == Axis(32, ((-125, 93), (-93, 125)))


@pytest.mark.parametrize("name", ["unet", "fpn"])
def test_pytorch_sees_the_same(name: str) -> None:
    assert_proven(NETWORKS / f"{name}.yaml")


HEAD = "archspec: 1\nname: Net\ninput: [1, {0}, {0}]\nlayers:\n"
UNEVEN = [97, 89, 83, 79, 73, 71, 67, 61, 59, 53, 47, 43]


def test_a_chain_of_uneven_pools_is_bounded() -> None:
    """Their period is the product of them all; the bound holds for every unit, and says so."""
    rows = "".join(f"  - {{op: adaptive_avg_pool, output_size: {size}}}\n" for size in UNEVEN)
    results = check_text(HEAD.format(101) + rows).results
    assert results is not None
    seen = [{pixel} for pixel in range(101)]
    for size, field in zip(UNEVEN, results.fields, strict=True):
        bins = [range(u * len(seen) // size, -(-(u + 1) * len(seen) // size)) for u in range(size)]
        seen = [set().union(*(seen[place] for place in each)) for each in bins]
        assert isinstance(field, ReceptiveField)
        assert field.bound
        for unit, pixels in enumerate(seen):
            span = field.height.of(unit)
            assert span is not None
            assert span[0] <= min(pixels) <= max(pixels) <= span[1]
        assert field.size[0] < 3 * max(map(len, seen))


GROWING = {
    "strides": "  - {op: conv2d, repeat: 5000, out_channels: 1, kernel_size: 3, padding: 2,"
    " stride: 2}\n",
    "fractions": """
  - repeat: 1000
    layers:
      - {op: upsample, scale_factor: 2}
      - {op: zero_pad2d, padding: [0, 2]}
      - {op: avg_pool, kernel_size: 1, stride: 3}
""",
    "phases": """
  - {op: upsample, scale_factor: [64, 63]}
  - {op: conv2d, repeat: 5000, out_channels: 1, kernel_size: 3, padding: 1}
""",
    "phases in wide windows": """
  - {op: upsample, scale_factor: [63, 64]}
  - {op: conv2d, repeat: 5000, out_channels: 1, kernel_size: 65, padding: 32}
""",
    "ranges": "".join(
        f"  - {{name: c{i}, op: conv2d, out_channels: 1, kernel_size: {2 * i + 1}, padding: {i},"
        " from: input}\n"
        for i in range(16)
    )
    + f"  - {{op: concat, from: [{', '.join(f'c{i}' for i in range(16))}]}}\n"
    + "  - {op: depthwise_conv2d, repeat: 5000, kernel_size: 3, padding: 1}\n",
}


@pytest.mark.parametrize("name", GROWING)
def test_what_grows_without_end_takes_little(name: str) -> None:
    """No more than some hundred microseconds a step, and numbers of some digits."""
    start = time.process_time()
    results = check_text(HEAD.format(3) + GROWING[name]).results
    assert time.process_time() - start < 3
    assert results is not None
    fields = [field for field in results.fields if isinstance(field, ReceptiveField)]
    assert spans_of(fields) < MAX_SPANS + 300 + 2 * len(fields)
    for field in fields:
        for axis in field:
            stride = Fraction(axis.stride)
            assert max(stride.numerator, stride.denominator) <= MAX_STRIDE
            assert all(span is None or max(map(abs, span)) < 2**80 for span in axis.spans)


def test_more_spans_than_are_kept_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.analysis.fields.MAX_SPANS", 1000)
    results = check_text(HEAD.format(3) + GROWING["phases"]).results
    assert results is not None
    fields = [field for field in results.fields if isinstance(field, ReceptiveField)]
    assert spans_of(fields) < 1000 + 2 * len(fields)
    assert (fields[0].bound, fields[-1].bound) == (False, True)


def test_a_claim_of_what_is_only_bounded_is_not_verified() -> None:
    rows = "  - {op: upsample, scale_factor: 65}\n"
    rows += "  - {op: conv2d, out_channels: 1, kernel_size: 3, expect: {receptive_field: 2}}\n"
    checked = check_text(HEAD.format(3) + rows)
    (claim,) = checked.claims
    assert (claim.holds, claim.computed) == (False, None)
    (fault,) = [fault for fault in checked.diagnostics if fault.name == "claim-unverifiable"]
    assert "only a bound is known" in (fault.help or "")
