"""Families: every way to name a variant, and what is told of which of them."""

from pathlib import Path

import pytest

import archspec
from archspec.api import Check, check, check_text, load
from archspec.language.loader import SpecNotFound, list_specs, variants_of

FAMILY = """\
archspec: 1
name: Family
source: a paper
input: [3, 8, 8]
vars: {width: ~, depth: 1, classes: 10}
variants:
  # the two of the paper
  small: {width: 4, expect: {params: 100}}

  large:
    name: The large one
    width: 8
    depth: 2
    input: [3, 16, 16]
    source: a later paper
    description: twice as deep
    expect: {params: {value: 9000, tolerance: 10000}}
layers:
  - {name: convs, op: conv2d, repeat: depth, out_channels: width, kernel_size: 1}
  - {name: pool, op: adaptive_avg_pool, output_size: 1}
  - {name: flat, op: flatten}
  - {name: fc, op: linear, out_features: classes}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "family.yaml").write_text(FAMILY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


NAMES = ["large", "family:large", "specs/family.yaml:large", "./specs/family.yaml:large"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("folder")
def test_every_way_to_name_a_variant(name: str) -> None:
    result = check(name)
    assert result.variant == "large"
    assert result.name == "The large one"
    assert result.family == ()
    assert result.network is not None
    assert result.network.input_shape == (3, 16, 16)
    assert result.network.vars == {"width": 8, "depth": 2, "classes": 10}
    assert [claim.claimed for claim in result.claims] == [9000]
    spec = load(name)
    assert (spec.source, spec.description) == ("a later paper", "twice as deep")


@pytest.mark.usefixtures("folder")
def test_what_a_variant_does_not_say_is_that_of_the_spec() -> None:
    result = check("small")
    assert result.name == "Family (small)"
    assert result.network is not None
    assert result.network.input_shape == (3, 8, 8)
    assert result.network.vars == {"width": 4, "depth": 1, "classes": 10}
    assert load("small").source == "a paper"


@pytest.mark.parametrize("name", ["family", "specs/family.yaml"])
@pytest.mark.usefixtures("folder")
def test_a_family_without_a_variant_is_checked_as_a_whole(name: str) -> None:
    result = check(name)
    assert (result.name, result.variant) == ("Family", None)
    assert [member.variant for member in result.family] == ["small", "large"]
    assert [claim.claimed for claim in result.claims] == [100, 9000]
    assert [claim.holds for claim in result.claims] == [False, True]
    assert [fault.code for fault in result.diagnostics] == ["AS401"]
    assert not result.ok
    assert result.network == result.family[0].network


@pytest.mark.usefixtures("folder")
def test_an_override_is_for_all_of_a_family() -> None:
    result = check("family", {"classes": 3})
    assert [member.totals.num_params for member in result.family] == [31, 131]
    assert {fault.name for fault in result.diagnostics} == {"claims-not-verified"}
    assert check("large", {"depth": 1}).totals.num_params == 4 * 8 + 9 * 10
    assert check("family", {"width": 8}).family[0].totals.num_params == 4 * 8 + 9 * 10


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("family:larg", r"specs/family.yaml has no variant `larg`; did you mean `large`\?"),
        ("alexnet:large", "has no variant `large`; it has no `variants`"),
        ("larg", "there is no spec `larg`; did you mean `large`"),
        ("famly:large", "there is no spec `famly`; did you mean `family`"),
        ("specs/nothing.yaml:large", "there is no file specs/nothing.yaml"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_variant_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(SpecNotFound, match=said):
        check(name)


def test_variants_are_found_by_the_text_of_their_block(folder: Path) -> None:
    assert variants_of(folder / "specs" / "family.yaml") == ("small", "large")
    other = folder / "specs" / "other.yaml"
    other.write_text(FAMILY.replace("variants:\n", "variations:\n"), encoding="utf-8")
    assert variants_of(other) == ()
    assert {"family", "other"} <= {spec.name for spec in list_specs()}


def test_a_build_of_a_variant(folder: Path) -> None:
    pytest.importorskip("torch", reason="build makes a torch module")
    module = archspec.build(folder / "specs" / "family.yaml:large", classes=3)
    assert module.state_dict()["fc.weight"].shape == (3, 8)


def messages(result: Check) -> list[str]:
    return [fault.message for fault in result.diagnostics]


def faulty(**widths: str) -> Check:
    variants = "".join(f"  {name}: {{width: {width}}}\n" for name, width in widths.items())
    return check_text(
        "archspec: 1\nname: Net\ninput: [4, 8, 8]\nvars: {width: ~}\n"
        f"variants:\n{variants}layers:\n"
        "  - {op: conv2d, out_channels: 4, kernel_size: 1, groups: 3}\n"
        "  - {op: conv2d, out_channels: 4, kernel_size: width}\n"
    )


def test_what_one_variant_gets_wrong_is_told_with_its_name() -> None:
    first, second = messages(faulty(small="3", large="9"))
    assert first == "4 input channels cannot be divided into 3 groups"
    assert second.startswith("a 9×9 window does not fit")
    assert second.endswith("(in `large`)")


def test_what_several_get_wrong_is_told_once_with_their_number() -> None:
    result = faulty(small="3", large="9", huge="11", giant="12")
    assert messages(result)[1].startswith("a 9×9 window")
    assert messages(result)[1].endswith("(in `large` and 2 more variants)")
    assert [len(messages(member)) for member in result.family] == [1, 2, 2, 2]
    assert all("(in `" not in text for member in result.family for text in messages(member))


def test_what_stands_in_a_variant_needs_no_name() -> None:
    result = faulty(small="3", large="2 *")
    (fault, _) = result.diagnostics
    assert fault.code == "AS211"
    assert fault.where == ("variants", "large", "width")
    assert "(in `" not in fault.message
    (fault, _) = faulty(small="3", large="~").diagnostics
    assert fault.message.endswith("the variant `large` does not set it")


def test_what_two_of_three_leave_out_is_told_once() -> None:
    variants = "variants: {one: {}, two: {width: 3}, three: {}}\n"
    rows = "layers: [{op: conv2d, out_channels: width, kernel_size: 1}]\n"
    head = "archspec: 1\nname: Net\ninput: [4, 8, 8]\nvars: {width: ~}\n"
    (text,) = messages(check_text(head + variants + rows))
    assert text.endswith("`one` does not set it (in `one` and 1 more variant)")
