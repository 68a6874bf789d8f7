"""What was checked or written is gone as soon as nobody holds it: it does not refer to itself."""

import gc
from pathlib import Path

import pytest

import archspec

FEW = 1_000
"""Objects around functions that call themselves: a network and its tree have tens of thousands."""
SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_nothing_is_left_for_the_collector(spec: Path) -> None:
    archspec.generate(spec)  # what is made once and kept
    gc.collect()
    gc.disable()
    try:
        archspec.check(spec)
        assert gc.collect() == 0
        archspec.generate(spec)
        assert gc.collect() < FEW
    finally:
        gc.enable()


def test_the_collector_runs_as_before() -> None:
    archspec.check(SPECS[0])
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
