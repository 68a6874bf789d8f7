"""What was checked or written is gone as soon as nobody holds it: it refers to itself nowhere."""

import gc
from pathlib import Path

import pytest

import archspec

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
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_collector_runs_as_before() -> None:
    archspec.check(SPECS[0])
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
