"""What others published, layer by layer, is what `check` computes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check
from archspec.ops import OPS

TORCHVISION = {"alexnet": "alexnet_one_tower", "vgg16": "vgg16"}
CLASS_NAMES = {op.op_name: op.__name__ for op in OPS}


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    return shared / "reference" / "published"


def rows(file: Path, **wanted: str) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        found = [
            row
            for row in csv.DictReader(stream)
            if all(row[key] == value for key, value in wanted.items())
        ]
    assert found, f"{file.name} has no {wanted}"
    return found


def computed_layers(checked: Check) -> list[tuple[Any, ...]]:
    """Name, class, shapes, parameters and MACs of every layer but flatten, in order."""
    network, results = checked.network, checked.results
    assert network is not None
    assert results is not None
    found = []
    for node in network.nodes:
        shape = network.shape_of(node.output)
        held, counts = results.parameters[node.index], results.operations[node.index]
        assert shape is not None
        assert held is not None
        assert counts is not None
        (arriving,) = network.input_shapes(node)
        if node.op_name != "flatten":  # a function in torchvision's forward, no module
            kind = CLASS_NAMES[node.op_name]
            found.append((node.path, kind, arriving, shape, held.trainable, counts.macs))
    return found


@pytest.mark.parametrize("model", TORCHVISION)
def test_every_layer_of_torchvisions_network(model: str, published: Path) -> None:
    text = (published / "torchvision_layers" / f"{model}.json").read_text(encoding="utf-8")
    theirs = [
        (
            layer["name"],
            layer["type"],
            tuple(layer["input_shapes"][0][1:]),
            tuple(layer["output_shape"][1:]),
            layer["params"],
            layer["macs"],
        )
        for layer in json.loads(text)["layers"]
    ]
    assert computed_layers(archspec.check(TORCHVISION[model])) == theirs


@pytest.mark.parametrize("model", TORCHVISION)
def test_torchvisions_published_totals(model: str, published: Path) -> None:
    totals = archspec.check(TORCHVISION[model]).totals
    for row in rows(published / "torchvision_published.csv", name=model):
        assert totals.num_params == int(row["num_params"])
        assert totals.macs == int(row["conv_linear_macs_by_hook"])
        assert round((totals.macs or 0) / 1e9, 3) == float(row["_ops"])


def test_keras_counts_the_same_vgg16(published: Path) -> None:
    (row,) = rows(published / "keras_instantiated.csv", model="VGG16")
    totals = archspec.check("vgg16").totals
    assert totals.num_params == int(row["total_params"])
    assert totals.macs == int(row["conv_dense_macs"])
    assert totals.weighted_layers == int(row["n_conv_dense_layers"])


def test_pytorchcv_counts_the_same_alexnets(published: Path) -> None:
    for name, spec in (("AlexNet", "alexnet_merged"), ("AlexNet-b", "alexnet_one_tower")):
        file = published / "third_party_published.csv"
        (row,) = rows(file, source="pytorchcv", model=name)
        assert archspec.check(spec).totals.num_params == int(row["params"])


def fields(name: str) -> dict[str, ReceptiveField]:
    checked = archspec.check(name)
    assert checked.network is not None
    assert checked.results is not None
    return {
        node.path: field
        for node in checked.network.nodes
        if isinstance(field := checked.results.fields[node.index], ReceptiveField)
    }


ALEXNET = {
    "conv1": "features.0",
    "pool1": "features.2",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "pool5": "features.12",
}
VGG16 = {
    "conv1/conv1_1": "features.0",
    "pool1": "features.4",
    "conv2/conv2_1": "features.5",
    "pool2": "features.9",
    "conv3/conv3_1": "features.10",
    "conv3/conv3_2": "features.12",
    "pool3": "features.16",
    "conv4/conv4_1": "features.17",
    "conv4/conv4_2": "features.19",
    "pool4": "features.23",
    "conv5/conv5_1": "features.24",
    "conv5/conv5_2": "features.26",
    "pool5": "features.30",
}
# TF-Slim's alexnet_v2 has no padding at conv1, torchvision's alexnet has 2 before the picture:
# the windows are the same, the field begins two pixels earlier from there on.
END_POINTS = [
    ("alexnet_v2", "alexnet_one_tower", ALEXNET, 2),
    ("vgg_16", "vgg16", VGG16, 0),
]


@pytest.mark.parametrize(("model", "spec", "paths", "earlier"), END_POINTS)
def test_published_receptive_fields(
    model: str, spec: str, paths: dict[str, str], earlier: int, published: Path
) -> None:
    """google-research/receptive_field: size, effective stride and padding (our −offset)."""
    found = fields(spec)
    seen = set()
    for row in rows(published / "rf_published.csv", model=model):
        end_point = row["endpoint"].removeprefix(f"{model}/")
        field = found[paths[end_point]]
        size, stride, padding = (int(row[key]) for key in ("rf", "stride", "padding"))
        assert field.size == (size, size)
        assert field.stride == (stride, stride)
        assert field.offset == (-padding - earlier, -padding - earlier)
        seen.add(end_point)
    assert seen == set(paths)


@pytest.mark.parametrize(("model", "spec", "paths", "earlier"), END_POINTS)
def test_the_distill_articles_headline_figures(
    model: str, spec: str, paths: dict[str, str], earlier: int, published: Path
) -> None:
    """Values at an input of 224; FLOPs are twice the multiply-accumulates, without FC layers."""
    for row in rows(published / "rf_extra.csv", model=model):
        field = fields(spec)[paths["pool5"]]
        assert field.size[0] == int(row["rf"])
        assert field.stride[0] == int(row["stride"])
        assert -field.offset[0] == int(row["padding"]) + earlier
        checked = archspec.check(spec)
        assert checked.network is not None
        assert checked.results is not None
        features = [n for n in checked.network.nodes if n.path.startswith("features.")]
        macs = checked.results.totals(features).macs or 0
        # TensorFlow's profiler adds biases and pooling; alexnet_v2's maps are one pixel smaller.
        assert 2 * macs / 1e9 == pytest.approx(float(row["flops_b"]), rel=0.06)


def neurons(name: str) -> dict[str, int]:
    network = archspec.check(name).network
    assert network is not None
    return {
        node.path: channels * height * width
        for node in network.nodes
        if (shape := network.shape_of(node.output)) is not None and len(shape) == 3
        for channels, height, width in [shape]
    }


def test_the_neurons_of_alexnets_figure(published: Path) -> None:
    """Figure 2 of Krizhevsky et al. 2012; its 253 440 of conv1 are known not to reproduce."""
    found = neurons("alexnet_two_gpu")
    for row in rows(published / "paper_tables.csv", model="AlexNet"):
        if row["quantity"] != "neurons (output elements)" or not row["item"].startswith("conv"):
            continue
        if row["item"] == "conv1":
            assert found["conv1"] == 290_400 != int(row["value"])
        else:
            assert found[row["item"]] == int(row["value"])


def test_lecuns_parameters_and_connections(published: Path) -> None:
    """Connections are multiply-accumulates and biases; C3 is dense here, sparse in the paper."""
    checked = archspec.check("lenet5")
    assert checked.network is not None
    assert checked.results is not None
    nodes = {node.path: node.index for node in checked.network.nodes}
    compared = set()
    for row in rows(published / "paper_tables.csv", model="LeNet-5"):
        path = row["item"].lower()
        if path not in {"c1", "c5", "f6"}:
            continue
        counts, held = (
            checked.results.operations[nodes[path]],
            checked.results.parameters[nodes[path]],
        )
        assert counts is not None
        assert held is not None
        if row["quantity"] == "connections":
            assert counts.macs + counts.bias == int(row["value"])
        elif row["quantity"] == "trainable params":
            assert held.trainable == int(row["value"])
        compared.add((path, row["quantity"]))
    assert len(compared) >= 6
