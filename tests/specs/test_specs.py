"""The specs that come with archspec: every claim in them holds, and they say who says so."""

from pathlib import Path

import pytest

import archspec
from archspec.api import Check
from archspec.graph.network import Network
from archspec.resources import folder

FILES = sorted(folder("specs").glob("*.yaml"))
TOTALS = {
    "alexnet": 28_868_968,
    "alexnet_half": 14_591_685,
    "alexnet_merged": 62_378_344,
    "alexnet_one_tower": 61_100_840,
    "alexnet_two_gpu": 60_965_224,
    "lenet5": 61_706,
    "vgg16": 138_357_544,
}


@pytest.fixture(scope="module", params=FILES, ids=[file.stem for file in FILES])
def checked(request: pytest.FixtureRequest) -> Check:
    return archspec.check(request.param)


def leaving(network: Network) -> int:
    """The classes that leave a network: its features, or the channels of its map."""
    shape = network.shape_of(network.output)
    assert shape is not None
    return shape[0]


def test_a_spec_is_fine_and_its_claims_hold(checked: Check) -> None:
    assert checked.ok, [d.message for d in checked.diagnostics]
    assert checked.claims
    assert all(claim.holds for claim in checked.claims)


def test_a_spec_names_its_source(checked: Check) -> None:
    assert checked.network is not None
    assert checked.network.spec.source


def test_a_spec_ends_in_its_classes(checked: Check) -> None:
    assert checked.network is not None
    assert leaving(checked.network) == checked.network.vars["num_classes"]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_spec_can_have_another_number_of_classes(file: Path) -> None:
    changed = archspec.check(file, {"num_classes": 7})
    assert changed.ok, [d.message for d in changed.diagnostics]
    assert changed.network is not None
    assert leaving(changed.network) == 7


def test_the_totals_are_what_they_were() -> None:
    assert {name: archspec.check(name).totals.num_params for name in TOTALS} == TOTALS


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_lines_are_short(file: Path) -> None:
    assert [line for line in file.read_text(encoding="utf-8").splitlines() if len(line) > 100] == []


def kernels(name: str) -> list[int]:
    network = archspec.check(name).network
    assert network is not None
    convolutions = [node.output for node in network.nodes if node.op_name == "conv2d"]
    return [(network.shape_of(output) or (0,))[0] for output in convolutions]


def test_the_alexnets_are_different_networks() -> None:
    assert kernels("alexnet") == [96, 256, 384, 384, 256]
    assert kernels("alexnet_two_gpu") == [96, 256, 384, 384, 256]
    assert kernels("alexnet_merged") == [96, 256, 384, 384, 256]
    assert kernels("alexnet_one_tower") == [64, 192, 384, 256, 256]
    assert kernels("alexnet_half") == [48, 128, 192, 192, 128]


def test_a_wrong_number_in_any_claim_is_caught_at_its_line(checked: Check) -> None:
    """No claim is decoration: each one, falsified, fails where it stands."""
    text = checked.document.text
    lines = text.splitlines(keepends=True)
    places = dict.fromkeys(claim.at for claim in checked.claims)  # each once for all variants
    for place in places:
        line, column = checked.document.locate(place)
        row = lines[line - 1]
        falsified = row[: column - 1] + row[column - 1 :].replace(
            _first_number(row[column - 1 :]), "77777", 1
        )
        result = archspec.check_text("".join([*lines[: line - 1], falsified, *lines[line:]]))
        failing = [result.locate(d).line for d in result.diagnostics if d.code == "AS401"]
        assert failing == [line]


def _first_number(text: str) -> str:
    start = next(i for i, character in enumerate(text) if character.isdigit())
    end = next(i for i in range(start, len(text) + 1) if not text[i : i + 1].isdigit())
    return text[start:end]
