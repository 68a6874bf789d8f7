"""What docs/zoo.md says of all networks together; docs/generate.py holds its tables current."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check, check_text, load

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
TRANSFORMERS = ("maxvit", "swin", "vit")


def part(name: str) -> str:
    """What docs/generate.py wrote into the page under a name."""
    found = re.search(rf"<!-- {name}: [^\n]*\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def rows(name: str) -> list[list[str]]:
    """The cells of a table, its head aside."""
    lines = part(name).splitlines()[2:]
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]


def references() -> Iterator[str]:
    """The models of torchvision that the specs name."""
    for file in SPECS:
        spec = load(file)
        of_variants = [variant.reference for variant in spec.variants.values()]
        for reference in (spec.reference, *of_variants):
            if reference is not None:
                yield reference.removeprefix("torchvision/")


def published(shared: Path, name: str) -> list[dict[str, str]]:
    file = shared / "reference" / "published" / name
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_network_that_can_be_named_has_its_row() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archspec", "list", "--format", "json"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        encoding="utf-8",
    )
    files: list[dict[str, Any]] = json.loads(done.stdout)
    named = [name for file in files for name in file["variants"] or [file["name"]]]
    listed = [re.match(r"\[`(\w+)`\]", cells[0]) for cells in rows("networks")]
    assert [name[1] for name in listed if name] == named
    assert part("count").startswith(f"{len(named)} networks in {len(files)} specs")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n{len(named)} networks come along" in readme


def test_torchvisions_convolutional_models_are_all_here() -> None:
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    names = models.list_models(module=models)
    theirs = [name for name in names if not name.startswith(TRANSFORMERS)]
    assert sorted(references()) == sorted(theirs)
    assert f" {len(theirs)} of {len(theirs)} convolutional" in part("count")


def test_every_reference_is_a_model_whose_figures_are_known(shared: Path) -> None:
    """The figures of all of the families; not each member of a family has a row there."""
    known = {row["name"] for row in published(shared, "torchvision_published.csv")}
    assert known <= set(references())
    assert len(known) > 30


def test_what_the_proofs_say_is_of_others_or_admits_to_be_our_own() -> None:
    for cells in rows("networks"):
        proof = cells[-1]
        assert proof.startswith("logits of `torchvision/") or re.search(r"\(\S.*\)", proof), proof


def test_the_fields_are_those_of_the_published_table(shared: Path) -> None:
    table = {
        (row["model"], row["endpoint"].rpartition("/")[2]): (row["rf"], row["stride"])
        for row in published(shared, "rf_published.csv")
    }
    shown = {
        (cells[0].partition(", ")[0], cells[0].partition(", ")[2]): (cells[3], cells[4])
        for cells in rows("fields")
        if cells[1] == "RECEPTIVE_FIELD_TABLE.md"
    }
    assert {model for model, _ in shown} == {model for model, _ in table}
    assert {name: table[name] for name in shown} == shown
    assert f"All of its {len(published(shared, 'rf_published.csv'))} rows" in PAGE


def test_the_other_fields_are_published_too(shared: Path) -> None:
    extra = {
        (row["model"], row["endpoint"]): row["rf"] for row in published(shared, "rf_extra.csv")
    }
    shown = {cells[0]: cells[3] for cells in rows("fields")}
    assert shown["InceptionV3, conv2d_85"] == extra["InceptionV3", "conv2d_85/Conv2D"]
    assert shown["ResNet-34, strides in the 3×3, layer4"] == extra["resnet34", "layer4"]
    assert shown["ResNet-50, strides in the 3×3, layer4"] == extra["resnet50", "layer4"]
    assert shown["GoogLeNet of the paper, inception_5b"] == extra["googlenet", "inception_5b"]


def test_mobilenets_fields_hold_for_any_size(shared: Path) -> None:
    """The rows without a size of the picture, which leave the padding open."""
    found = check("mobilenet_v1")
    assert found.network is not None
    assert found.results is not None
    nodes = {node.path: node.index for node in found.network.nodes}
    wanted = [
        row
        for row in published(shared, "rf_published.csv")
        if (row["model"], row["resolution"]) == ("mobilenet_v1", "")
    ]
    assert len(wanted) == 14
    for row in wanted:
        number = int(row["endpoint"].split("_")[1])
        path = f"features.{number - 1}.pointwise" if number else "conv"
        field = found.results.fields[nodes[path]]
        assert isinstance(field, ReceptiveField)
        assert (field.size[0], field.stride[0]) == (int(row["rf"]), int(row["stride"]))


# What the page says in its own words, computed. The tables are computed by docs/generate.py.


def test_efficientnet_b2_at_the_papers_size_is_as_published() -> None:
    text = (ROOT / "specs" / "efficientnet.yaml").read_text(encoding="utf-8")
    assert text.count("input: [3, 288, 288]") == 1
    family = check_text(text.replace("input: [3, 288, 288]", "input: [3, 260, 260]")).family
    macs = {member.variant: member.totals.macs or 0 for member in family}
    assert round(macs["efficientnet_b2"] / 1e9, 1) == 1.0
    assert round(macs["efficientnet_b0"] / 1e9, 2) == 0.39
    assert round(macs["efficientnet_b6"] / 1e9) == 19


def test_the_shares_of_mobilenets_table_add_up(shared: Path) -> None:
    shares = {
        row["item"]: float(row["value_num"])
        for row in published(shared, "paper_tables.csv")
        if row["quantity"] == "share of mult-adds"
    }
    (ours,) = (cells[2] for cells in rows("wrong") if "1.19" in cells[0])
    total = sum(shares.values())
    mended = total - shares["Conv 3x3"] + float(ours.split(" ")[0])
    assert (round(total, 2), round(mended, 2)) == (99.29, 100.01)
    assert "99.29 %, and with 1.91 to 100.01 %" in part("wrong")


def test_inception_v3_as_keras_has_it() -> None:
    """The factors of batch norms, one a channel, left out; and the auxiliary classifier."""
    found = check("inception_v3", {"aux_logits": False})
    assert found.network is not None
    factors = sum(
        (found.network.shape_of(node.output) or (0,))[0]
        for node in found.network.nodes
        if node.op_name == "batch_norm"
    )
    assert (found.totals.num_params or 0) - factors == 23_817_352


def test_googlenets_modules_are_too_small_in_print_but_for_one() -> None:
    (row,) = (cells for cells in rows("wrong") if "4a to 5b" in cells[0])
    printed = [int(number) for number in re.findall(r"\d{3,}", row[0])]
    sizes = row[2].partition(" parameters")[0]
    ours = [int(text.replace(" ", "")) / 1024 for text in re.findall(r"\d[\d ]+\d", sizes)]
    assert len(printed) == len(ours) == 7
    assert [int(size) > ink for size, ink in zip(ours, printed, strict=True)] == [
        *(True, True, True, True, True),  # 4a to 4e
        *(False, True),  # 5a, 5b
    ]
