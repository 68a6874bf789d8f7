"""The guard itself: a seed makes the same specs, of all of the language; faults are made small."""

import json
from collections.abc import Iterator
from contextlib import suppress

from archspec.api import check_text
from archspec.ops import OPS
from tests.fuzz import workers
from tests.fuzz.constructs import CONSTRUCTS, constructs
from tests.fuzz.coverage import Coverage, attributes_in
from tests.fuzz.draft import CheckCrashed
from tests.fuzz.failure import Failure
from tests.fuzz.generator import AIMS, Made, aims_of, make
from tests.fuzz.lifting import KINDS
from tests.fuzz.samples import SAMPLERS
from tests.fuzz.shrink import shrink
from tests.fuzz.text import to_yaml

SEED = 1


# --- what it makes ---------------------------------------------------------------------------


def test_every_attribute_of_every_op_has_values() -> None:
    known = {op.op_name: set(op.model_fields) for op in OPS}
    assert {op: set(samplers) for op, samplers in SAMPLERS.items()} == known


def test_every_attribute_is_aimed_at_in_every_way_to_write_it() -> None:
    for op, samplers in SAMPLERS.items():
        for name in samplers:
            kinds = {aim.kind for aim in AIMS if (aim.op, aim.attribute) == (op, name)}
            assert kinds == set(KINDS)
    aimed = {aim for number in range(len(AIMS)) for aim in aims_of(number)}
    assert aimed == set(AIMS)


def specs(count: int, seed: int = SEED) -> Iterator[Made]:
    """Some specs; those that `check` does not survive are found elsewhere."""
    for number in range(count):
        with suppress(CheckCrashed):
            yield make(seed, number)


def test_a_seed_and_a_number_make_one_text() -> None:
    one, other = ([made.text for made in specs(20)] for _ in range(2))
    assert one == other
    assert len(set(one)) == len(one)
    assert one[0] != next(specs(1, seed=SEED + 1)).text


def test_what_is_aimed_at_is_reached_and_accepted() -> None:
    coverage, made = Coverage(), list(specs(len(AIMS) // 2 + 40))
    checks = [check_text(spec.text) for spec in made]
    assert all(check.ok for check in checks)
    for spec, check in zip(made, checks, strict=True):
        found = frozenset(attributes_in(spec.data, check))
        coverage.add(found, frozenset(constructs(spec.data, check)))
    missing = [occurrence for occurrence, count in coverage.rare(3) if count == 0]
    assert len(missing) <= 0.1 * len(AIMS)
    unseen = [name for name in CONSTRUCTS if not coverage.constructs[name]]
    assert len(unseen) <= 5, unseen


def test_the_text_says_what_the_data_say() -> None:
    for made in specs(60):
        check, same = check_text(made.text), check_text(json.dumps(made.data))
        assert check.network is not None
        assert same.network is not None
        assert [node.op for node in check.network.nodes] == [node.op for node in same.network.nodes]


# --- what it makes of failures -----------------------------------------------------------------


def test_a_faulty_spec_is_made_small() -> None:
    made = next(m for m in specs(400) if "sigmoid" in m.text and len(m.data["layers"]) > 4)
    small = shrink(made.data, lambda text: "sigmoid" in text and check_text(text).ok, seconds=300)
    assert len(to_yaml(small)) < len(made.text)
    assert len(small["layers"]) <= 2
    assert check_text(to_yaml(small)).ok


def test_a_process_that_dies_is_reported_with_its_spec() -> None:
    (lost,) = workers.of_one_process(SEED, 3, "none", work=print)  # which ends without a report
    assert [failure.kind for failure in lost.failures] == ["process lost"]
    assert lost.number == 3
    assert lost.examples[0].text == make(SEED, 3).text


def test_failures_that_differ_in_names_and_numbers_are_one() -> None:
    one = Failure("state differs", "`layer1.0.conv2.weight`: ((4, 3, 1, 1), True)")
    other = Failure("state differs", "`a.weight`: ((16, 8, 3, 3), True)")
    assert one.signature == other.signature
    assert one.signature != Failure("state differs", "`a.weight` is missing").signature
