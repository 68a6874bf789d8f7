"""The light networks are the published ones: torchvision's modules, tables of papers and tools."""

import csv
import json
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check, check_text
from archspec.graph.network import Node
from archspec.language.init import Scheme
from archspec.language.loader import load
from archspec.resources import folder
from tests.specs.torchvision_networks import (
    REASON,
    Reference,
    computed,
    layers,
    state,
    torchvision_has,
)

FAMILIES = (
    *("densenet", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "shufflenet_v1", "shufflenet_v2"),
    *("mnasnet", "efficientnet", "efficientnet_v2", "convnext"),
)
PREFIX = "torchvision/"


def variants() -> dict[str, str | None]:
    """Every variant of the families as `family:variant`, with torchvision's name for it."""
    found = {}
    for family in FAMILIES:
        _, loaded = load(folder("specs") / f"{family}.yaml")
        assert loaded.spec is not None
        assert loaded.spec.variants
        for variant in loaded.spec.variants.values():
            reference = variant.reference and variant.reference.removeprefix(PREFIX)
            found[f"{family}:{variant.name}"] = reference
    return found


VARIANTS = variants()
IN_TORCHVISION = {spec: name for spec, name in VARIANTS.items() if name}


@cache
def checked(spec: str) -> Check:
    return archspec.check(spec)


# --- every variant ---------------------------------------------------------------------------


@pytest.mark.parametrize("spec", VARIANTS)
def test_a_variant_is_fine_and_published(spec: str) -> None:
    found = checked(spec)
    assert found.ok, [d.message for d in found.diagnostics]
    own = [claim for claim in found.claims if not claim.path]
    assert own, "no published figure"
    assert all(claim.holds and claim.source for claim in found.claims)


def test_the_variants_are_those_of_torchvision() -> None:
    """A member that got lost would otherwise take its tests with it."""
    wanted = {
        "densenet": "121 161 169 201",
        "mobilenet_": "v2 v3_large v3_small",
        "shufflenet_v2_x": "0_5 1_0 1_5 2_0",
        "mnasnet": "0_5 0_75 1_0 1_3",
        "efficientnet_": "b0 b1 b2 b3 b4 b5 b6 b7 v2_s v2_m v2_l",
        "convnext_": "tiny small base large",
    }
    names = {f"{stem}{member}" for stem, members in wanted.items() for member in members.split()}
    assert set(IN_TORCHVISION.values()) == names
    assert all(spec.endswith(f":{name}") for spec, name in IN_TORCHVISION.items())


# --- torchvision's modules -------------------------------------------------------------------


def reference(spec: str) -> Reference:
    network = checked(spec).network
    assert network is not None
    assert network.input_shape is not None
    return torchvision_has(IN_TORCHVISION[spec], network.input_shape[-1])


@pytest.mark.parametrize("spec", IN_TORCHVISION)
def test_the_state_dict_is_torchvisions(spec: str) -> None:
    assert state(checked(spec)) == reference(spec).state


@pytest.mark.parametrize("spec", IN_TORCHVISION)
def test_the_totals_are_torchvisions(spec: str) -> None:
    totals, theirs = checked(spec).totals, reference(spec)
    assert totals.num_params == theirs.params
    assert totals.macs == theirs.macs
    size = checked(spec).network.input_shape[-1]  # type: ignore[union-attr,index]  # it is there
    for num_params, ops, crop_size in theirs.published:
        assert totals.num_params == num_params
        assert round((totals.macs or 0) / 1e9, 3) == ops
        assert size == crop_size


def pair(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return (value, value) if type(value) is int else value


@pytest.mark.parametrize("spec", IN_TORCHVISION)
def test_every_module_is_torchvisions(spec: str) -> None:
    """In the order in which they are called, with all that decides what they compute."""
    theirs = reference(spec).layers
    ours = layers(checked(spec), (layer.name for layer in theirs))
    assert [layer[:5] for layer in ours] == [layer[:5] for layer in theirs]
    compared = set()
    for mine, their in zip(ours, theirs, strict=True):
        for name in mine.attributes.keys() & their.attributes.keys():
            value, wanted = pair(mine.attributes[name]), pair(their.attributes[name])
            if name == "padding":
                wanted = tuple((p, p) for p in wanted)
            assert (mine.name, name, value) == (their.name, name, wanted)
            compared.add(name)
    assert {"kernel_size", "stride", "eps", "bias"} <= compared


@pytest.mark.parametrize(
    ("variant", "width_mult"), [("x0_35", 0.35), ("x0_5", 0.5), ("x0_75", 0.75), ("x1_4", 1.4)]
)
def test_a_scaled_mobilenet_v2_is_torchvisions(variant: str, width_mult: float) -> None:
    found = checked(f"mobilenet_v2:mobilenet_v2_{variant}")
    theirs = torchvision_has("mobilenet_v2", 224, width_mult)
    assert state(found) == theirs.state
    assert found.totals.macs == theirs.macs


# --- torchvision's results -------------------------------------------------------------------


RANDOM = {"weight": Scheme("kaiming_uniform", {"a": 5**0.5})}
NORMALISED = {"weight": Scheme("ones", {}), "bias": Scheme("zeros", {})}
DEFAULTS: dict[str, dict[str, Scheme]] = {  # PyTorch's own
    **dict.fromkeys(("conv2d", "linear"), RANDOM),
    **dict.fromkeys(("batch_norm", "layer_norm", "layer_norm2d"), NORMALISED),
}
SMALLEST = (
    *("densenet:densenet121", "mobilenet_v2:mobilenet_v2", "mobilenet_v3:mobilenet_v3_small"),
    *("shufflenet_v2:shufflenet_v2_x0_5", "mnasnet:mnasnet0_5", "convnext:convnext_tiny"),
    *("efficientnet:efficientnet_b0", "efficientnet_v2:efficientnet_v2_s"),
)


@pytest.mark.parametrize("spec", SMALLEST)
def test_the_steps_are_connected_as_torchvisions(spec: str) -> None:
    """What is added, concatenated, shuffled and in which order: the logits are the same bits."""
    torch = pytest.importorskip("torch", reason=REASON)
    models = pytest.importorskip("torchvision", reason=REASON).models
    torch.manual_seed(0)
    model = models.get_model(IN_TORCHVISION[spec], weights=None).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.ndim == 1 or name.endswith("layer_scale"):
                tensor.normal_(0.5, 0.5)
        picture = torch.randn(1, 3, 64, 64)
        assert torch.equal(computed(checked(spec), model, picture), model(picture))


@pytest.mark.parametrize("spec", SMALLEST)
def test_parameters_begin_as_torchvisions(spec: str) -> None:
    """Constants are equal, random numbers have one distribution; it is PyTorch's own if none."""
    torch = pytest.importorskip("torch", reason=REASON)
    models = pytest.importorskip("torchvision", reason=REASON).models
    torch.manual_seed(0)
    theirs = dict(models.get_model(IN_TORCHVISION[spec], weights=None).named_parameters())
    network = checked(spec).network
    assert network is not None
    compared = set()
    for node in network.nodes:
        if node.op_name == "layer_scale":
            scale = theirs.pop(node.path)
            assert torch.equal(scale, torch.full_like(scale, getattr(node.op, "init_value")))  # noqa: B009
        for name in ("weight", "bias"):
            wanted = theirs.pop(f"{node.path}.{name}", None)
            if wanted is None:
                continue
            scheme = (node.module.init or {}).get(name) or DEFAULTS[node.op_name].get(name)
            if scheme is None:
                assert wanted.abs().max() > 0
                continue
            ours = torch.empty_like(wanted, requires_grad=False)
            getattr(torch.nn.init, f"{scheme.name}_")(ours, **scheme.options)
            if ours.numel() >= 10_000:
                compared.add(node.op_name)
                assert ours.std().item() == pytest.approx(wanted.std().item(), rel=0.03)
                distance, same = ours.abs().mean().item(), wanted.abs().mean().item()
                assert distance == pytest.approx(same, rel=0.03)  # uniform is 8 % off normal
            elif scheme.name in ("zeros", "ones"):
                assert torch.equal(ours, wanted)
    assert not theirs
    assert compared >= {"conv2d", "linear"}


# --- what is published elsewhere -------------------------------------------------------------


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    return shared / "reference" / "published"


def rows(file: Path, **wanted: str) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [
            row
            for row in csv.DictReader(stream)
            if all(row[key] == value for key, value in wanted.items())
        ]


def test_torchvisions_published_totals(published: Path) -> None:
    compared = 0
    for spec, name in IN_TORCHVISION.items():
        for row in rows(published / "torchvision_published.csv", name=name):
            totals = checked(spec).totals
            assert totals.num_params == int(row["num_params"])
            assert totals.buffers == int(row["n_buffer_elements"])
            assert totals.macs == int(row["conv_linear_macs_by_hook"])
            assert round((totals.macs or 0) / 1e9, 3) == float(row["_ops"])
            compared += 1
    assert compared


def test_torchvisions_recorded_layers(published: Path) -> None:
    compared = 0
    for spec, name in IN_TORCHVISION.items():
        file = published / "torchvision_layers" / f"{name}.json"
        if not file.is_file():
            continue
        recorded = json.loads(file.read_text(encoding="utf-8"))
        theirs = [
            (
                layer["name"],
                layer["type"],
                tuple(layer["input_shapes"][0][1:]),
                tuple(layer["output_shape"][1:]),
                layer["params"],
            )
            for layer in recorded["layers"]
            if layer["type"] != "Sequential"  # an empty one: a branch that passes on what it gets
        ]
        ours = layers(checked(spec), (layer[0] for layer in theirs))
        assert [layer[:5] for layer in ours] == theirs
        compared += 1
    assert compared


KERAS = {
    "MobileNet": "mobilenet_v1:mobilenet_v1",
    "MobileNetV2": "mobilenet_v2:mobilenet_v2",
    "DenseNet121": "densenet:densenet121",
    "DenseNet169": "densenet:densenet169",
    "EfficientNetB0": "efficientnet:efficientnet_b0",
    "EfficientNetB4": "efficientnet:efficientnet_b4",
    "EfficientNetB6": "efficientnet:efficientnet_b6",
    "EfficientNetV2S": "efficientnet_v2:efficientnet_v2_s",
}


@pytest.mark.parametrize("model", KERAS)
def test_keras_counts_the_same(model: str, published: Path) -> None:
    (row,) = rows(published / "keras_instantiated.csv", model=model)
    totals = checked(KERAS[model]).totals
    assert totals.num_params == int(row["trainable_params"])
    assert totals.macs == int(row["conv_dense_macs"])
    assert totals.weighted_layers == int(row["n_conv_dense_layers"])


PYTORCHCV = {
    "MobileNet x0.5": "mobilenet_v1:mobilenet_v1_x0_5",
    "MobileNet x1.0": "mobilenet_v1:mobilenet_v1",
    "ShuffleNet x0.25 (g=1)": "shufflenet_v1:shufflenet_v1_x0_25_g1",
    "ShuffleNet x0.25 (g=3)": "shufflenet_v1:shufflenet_v1_x0_25_g3",
    "ShuffleNet x0.5 (g=1)": "shufflenet_v1:shufflenet_v1_x0_5_g1",
    "ShuffleNet x0.5 (g=3)": "shufflenet_v1:shufflenet_v1_x0_5_g3",
    "ShuffleNet x0.75 (g=1)": "shufflenet_v1:shufflenet_v1_x0_75_g1",
    "ShuffleNet x0.75 (g=3)": "shufflenet_v1:shufflenet_v1_x0_75_g3",
    "ShuffleNet x1.0 (g=1)": "shufflenet_v1:shufflenet_v1_g1",
    "ShuffleNet x1.0 (g=3)": "shufflenet_v1:shufflenet_v1_g3",
    "DenseNet-121": "densenet:densenet121",
    "ShuffleNetV2 x0.5": "shufflenet_v2:shufflenet_v2_x0_5",
    "MnasNet-B1": "mnasnet:mnasnet1_0",
    "EfficientNet-B0": "efficientnet:efficientnet_b0",
}


@pytest.mark.parametrize("model", PYTORCHCV)
def test_pytorchcv_counts_the_same(model: str, published: Path) -> None:
    (row,) = rows(published / "third_party_published.csv", source="pytorchcv", model=model)
    assert checked(PYTORCHCV[model]).totals.num_params == int(row["params"])


# --- MobileNet's and ShuffleNet's tables -----------------------------------------------------


def nodes_of(found: Check, *paths: str) -> list[Node]:
    """The steps whose paths end so."""
    assert found.network is not None
    nodes = [node for node in found.network.nodes if node.path.endswith(paths)]
    assert nodes
    return nodes


def macs_of(found: Check, *paths: str) -> int:
    assert found.results is not None
    return found.results.totals(nodes_of(found, *paths)).macs or 0


def weights_of(found: Check, *paths: str) -> int:
    ends = tuple(f"{path}.weight" for path in paths)
    return sum(prod(shape) for key, shape in state(found).items() if key.endswith(ends))


KINDS_OF_TABLE_2 = {
    "Conv 1x1": ".pointwise",
    "Conv DW 3x3": ".depthwise",
    "Conv 3x3": "conv",
    "Fully Connected": "fc",
}


@pytest.mark.parametrize("quantity", ["mult-adds", "params"])
def test_where_mobilenets_work_and_weights_are(quantity: str, published: Path) -> None:
    """Howard et al. 2017, Table 2, in percent; of the parameters, kernels alone are counted.

    The column of mult-adds adds up to 99.29 only: 1.19 at Conv 3x3 has its digits swapped.
    """
    found = checked("mobilenet_v1:mobilenet_v1")
    count = macs_of if quantity == "mult-adds" else weights_of
    total = count(found, *KINDS_OF_TABLE_2.values())
    table = rows(published / "paper_tables.csv", quantity=f"share of {quantity}")
    assert {row["item"] for row in table} == set(KINDS_OF_TABLE_2)
    for row in table:
        share = round(100 * count(found, KINDS_OF_TABLE_2[row["item"]]) / total, 2)
        if (quantity, row["item"]) == ("mult-adds", "Conv 3x3"):
            assert share == 1.91
            assert float(row["value_num"]) == 1.19
        else:
            assert share == float(row["value_num"])


def test_the_rows_of_mobilenets_table(published: Path) -> None:
    """Howard et al. 2017, Table 1: what arrives at each layer, up to the softmax."""
    found = checked("mobilenet_v1:mobilenet_v1")
    assert found.network is not None
    tabled = []
    for row in rows(published / "paper_tables.csv", quantity="input size (HxWxC)"):
        layer = row["item"].partition(": ")[2]
        if row["model"] == "MobileNet v1 1.0-224" and not layer.startswith("Softmax"):
            height, width, channels = map(int, row["value"].split("x"))
            tabled.append((layer.startswith("5x"), (channels, height, width)))
    five = [shape for repeated, shape in tabled if repeated]
    start = tabled.index((True, five[0]))
    wanted = [shape for repeated, shape in tabled if not repeated]
    wanted[start:start] = 5 * five
    nodes = nodes_of(found, "conv", ".depthwise", ".pointwise", "pool", "fc")
    arriving = [found.network.input_shapes(node)[0] or () for node in nodes]
    assert [shape if len(shape) == 3 else (*shape, 1, 1) for shape in arriving] == wanted


COMPLEXITY = {"g1": 143, "g2": 140, "g3": 137, "g4": 133, "g8": 137}


@pytest.mark.parametrize("groups", COMPLEXITY)
def test_shufflenets_complexity_is_without_the_last_layer(groups: str) -> None:
    """Zhang et al. 2018, Table 1: millions of multiply-adds."""
    found = checked(f"shufflenet_v1:shufflenet_v1_{groups}")
    rest = (found.totals.macs or 0) - macs_of(found, "fc")
    assert round(rest / 1e6) == COMPLEXITY[groups]


def at_size(size: int) -> Check:
    """MobileNet as it stands, with another input."""
    text = (folder("specs") / "mobilenet_v1.yaml").read_text(encoding="utf-8")
    before, after = text.split("vars:", 1)
    before = before.replace("input: [3, 224, 224]", f"input: [3, {size}, {size}]")
    return check_text(f"{before}vars:{after}").family[0]


@pytest.mark.parametrize("size", [224, 321])
def test_mobilenets_receptive_fields(size: int, published: Path) -> None:
    """google-research/receptive_field: size, stride and padding (our −offset), and FLOPs so far."""
    found = at_size(size)
    network, results = found.network, found.results
    assert network is not None
    assert results is not None
    nodes = {node.path: node for node in network.nodes}

    def after(node: Node) -> Node:
        return network.nodes[node.index + 1]

    seen = rows(published / "rf_published.csv", model="mobilenet_v1", resolution=str(size))
    assert len(seen) == 14
    for row in seen:
        number = int(row["endpoint"].split("_")[1])
        node = nodes[f"features.{number - 1}.pointwise" if number else "conv"]
        field = results.fields[node.index]
        assert isinstance(field, ReceptiveField)
        wanted = tuple(int(row[key]) for key in ("rf", "stride", "padding"))
        assert (field.size[0], field.stride[0], -field.offset[0]) == wanted
        assert (field.size[1], field.stride[1], -field.offset[1]) == wanted
        # Batch norm is folded into the convolution before it: one addition for each output.
        counts = results.counts([*network.nodes[: node.index + 1], after(node)])
        assert counts is not None
        assert round((2 * counts.macs + counts.norm) / 1e9, 3) == float(row["flops_b"])
