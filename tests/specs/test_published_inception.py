"""VGG, SqueezeNet, NiN, LeNet-5 and the Inceptions against what others published of them."""

import csv
import json
from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import archspec
from archspec.analysis.macs import weigh
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check, check_text
from archspec.graph.network import Network, Node, Scope
from archspec.ops import Counts, Shape

if TYPE_CHECKING:
    from torch import nn

FILES = (
    *("vgg", "squeezenet", "nin_cifar10", "nin_imagenet", "lenet5_1998", "xception"),
    *("googlenet", "googlenet_2014", "googlenet_cbr", "inception_bn", "inception_v3"),
    *("inception_v4", "inception_resnet_v2"),
)
REFERENCED = (
    *("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    *("squeezenet1_0", "squeezenet1_1", "googlenet", "inception_v3"),
)
WITH_LAYERS = ("vgg11", "vgg16", "vgg16_bn", "squeezenet1_0", "googlenet", "inception_v3")
# torchvision's published sizes are those with the auxiliary classifiers but for GoogLeNet's.
WITHOUT_AUX = ("googlenet",)


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    return shared / "reference" / "published"


def rows(file: Path, **wanted: str) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        found = csv.DictReader(stream)
        return [row for row in found if all(row[key] == wanted[key] for key in wanted)]


@cache
def checked(spec: str) -> Check:
    return archspec.check(spec)


def at_size(spec: str, size: int, **overrides: Any) -> Check:
    """The check of a spec, or of a variant, at another size of the picture."""
    document = checked(spec).document
    written = next(line for line in document.text.splitlines() if line.startswith("input:"))
    text = document.text.replace(written, f"input: [3, {size}, {size}]")
    check = check_text(text, overrides=overrides)
    members = (member for member in check.family if member.variant == spec)
    return next(members, check)


def network_of(check: Check) -> Network:
    assert check.network is not None
    return check.network


def nodes_with_shapes(network: Network) -> Iterator[tuple[Node, Shape, Shape]]:
    """Each node with the shape that arrives (of several the first) and its own."""
    for node in network.nodes:
        shape = network.shape_of(node.output)
        arriving = network.shape_of(node.inputs[0])
        assert arriving is not None
        assert shape is not None
        yield node, arriving, shape


def state(network: Network) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all tensors, as a state_dict has them."""
    return {
        f"{node.path}.{tensor.name}": tuple(tensor.shape)
        for node, arriving, _ in nodes_with_shapes(network)
        if node.op is not None
        for tensor in node.op.tensors((arriving,))
    }


def steps(check: Check) -> dict[str, Node | Scope]:
    """The steps of a network by path, groups and blocks among them."""
    return {item.path: item for item in network_of(check).root.walk()}


def shape_of(check: Check, path: str) -> Shape:
    shape = network_of(check).shape_of(steps(check)[path].output)
    assert shape is not None
    return shape


def field_of(check: Check, path: str) -> ReceptiveField:
    assert check.results is not None
    field = check.results.fields[steps(check)[path].output.node]
    assert isinstance(field, ReceptiveField)
    return field


def counts_of(check: Check, path: str = "") -> Counts:
    """The operations of a step, or of the whole network in evaluation."""
    network, results = network_of(check), check.results
    assert results is not None
    step = steps(check)[path]
    nodes = [step] if isinstance(step, Node) else list(step.nodes())
    counts = results.counts(nodes if path else results.in_evaluation(network.nodes))
    assert counts is not None
    return counts


def params_of(check: Check, path: str) -> int:
    assert check.results is not None
    step = steps(check)[path]
    nodes = [step] if isinstance(step, Node) else list(step.nodes())
    params = check.results.totals(nodes).num_params
    assert params is not None
    return params


def kept(check: Check) -> int:
    """Parameters without auxiliary classifiers."""
    return (check.totals.num_params or 0) - (check.totals.training_only_params or 0)


@cache
def torchvisions(model: str) -> "nn.Module":
    """torchvision's model without memory for its weights."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    import torch

    options: dict[str, bool] = {}
    if model in ("googlenet", "inception_v3"):  # whose initialisation would draw numbers
        options = {"aux_logits": True, "init_weights": False, "transform_input": False}
    with torch.device("meta"):
        made: nn.Module = getattr(models, model)(**options)
    return made.eval()


def test_every_reference_is_compared() -> None:
    found = set()
    for file in FILES:
        for member in checked(file).family or (checked(file),):
            reference = network_of(member).spec.reference
            if reference is not None:
                name = member.variant or file
                assert reference == f"torchvision/{name}"
                found.add(name)
    assert found == set(REFERENCED)


@pytest.mark.parametrize("model", REFERENCED)
def test_the_tensors_are_torchvisions(model: str) -> None:
    theirs = torchvisions(model).state_dict()
    assert list(state(network_of(checked(model))).items()) == [
        (name, tuple(tensor.shape)) for name, tensor in theirs.items()
    ]


@pytest.mark.parametrize("model", REFERENCED)
def test_the_totals_are_torchvisions(model: str) -> None:
    network = torchvisions(model)
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    check = checked(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, *network_of(check).input_shape or (), device="meta"))
    assert check.totals.num_params == sum(tensor.numel() for tensor in network.parameters())
    assert check.totals.buffers == sum(tensor.numel() for tensor in network.buffers())
    assert 2 * (check.totals.macs or 0) == counter.get_total_flops()


@pytest.mark.parametrize("model", ["googlenet", "inception_v3"])
def test_without_auxiliary_classifiers_they_are_torchvisions_too(model: str) -> None:
    theirs = {k: v for k, v in torchvisions(model).state_dict().items() if "aux" not in k.lower()}
    check = archspec.check(model, {"aux_logits": False})
    assert check.ok
    assert state(network_of(check)) == {name: tuple(t.shape) for name, t in theirs.items()}
    assert check.totals.training_only_params == 0


def test_torchvisions_published_totals(published: Path) -> None:
    found = [r for r in rows(published / "torchvision_published.csv") if r["name"] in REFERENCED]
    assert {row["name"] for row in found} >= {*WITH_LAYERS, "vgg11_bn"}
    for row in found:
        check = checked(row["name"])
        assert kept(check) == int(row["params_without_aux"])
        assert check.totals.num_params == int(row["params_instantiated"])
        part = "params_without_aux" if row["name"] in WITHOUT_AUX else "params_instantiated"
        assert row["num_params"] == row[part]
        assert check.totals.buffers == int(row["n_buffer_elements"])
        assert check.totals.macs == int(row["conv_linear_macs_by_hook"])
        assert round((check.totals.macs or 0) / 1e9, 3) == float(row["_ops"])


def computed_layers(check: Check) -> dict[str, tuple[Any, ...]]:
    """Shapes, parameters and MACs by path."""
    results = check.results
    assert results is not None
    found = {}
    for node, arriving, shape in nodes_with_shapes(network_of(check)):
        held, counts = results.parameters[node.index], results.operations[node.index]
        assert held is not None
        assert counts is not None
        found[node.path] = (arriving, shape, held.trainable, counts.macs)
    return found


@pytest.mark.parametrize("model", WITH_LAYERS)
def test_every_layer_of_torchvisions_network(model: str, published: Path) -> None:
    """Functions in its forward (ReLU, concat, flatten, average poolings) are no layers there."""
    text = (published / "torchvision_layers" / f"{model}.json").read_text(encoding="utf-8")
    record = json.loads(text)
    theirs = {
        layer["name"]: (
            tuple(layer["input_shapes"][0][1:]),
            tuple(layer["output_shape"][1:]),
            layer["params"],
            layer["macs"],
        )
        for layer in [*record["layers"], *(record.get("aux_layers_train_mode", ()))]
    }
    ours = computed_layers(checked(model))
    assert {path: ours[path] for path in theirs} == theirs
    assert not any(params for path, (*_, params, _) in ours.items() if path not in theirs)
    in_their_order = [
        path for path in ours if path in theirs and not path.lower().startswith("aux")
    ]
    assert in_their_order == [layer["name"] for layer in record["layers"]]


def factors(check: Check) -> int:
    """The factors of batch norms, which TensorFlow's Inceptions do without."""
    return sum(
        prod(shape)
        for node, arriving, _ in nodes_with_shapes(network_of(check))
        if node.op is not None and node.op_name == "batch_norm"
        for name, shape, *_ in node.op.tensors((arriving,))
        if name == "weight"
    )


@pytest.mark.parametrize(
    ("model", "spec"),
    [("Xception", "xception"), ("InceptionV3", "inception_v3")],
)
def test_keras_counts_the_same(model: str, spec: str, published: Path) -> None:
    """Its InceptionV3 has batch norms without factors."""
    (row,) = rows(published / "keras_instantiated.csv", model=model)
    scaled = model == "Xception"
    check = checked(spec) if scaled else archspec.check(spec, {"aux_logits": False})
    assert kept(check) - (0 if scaled else factors(check)) == int(row["trainable_params"])
    assert 2 * factors(check) == int(row["non_trainable_params"])  # means and variances
    assert check.totals.macs == int(row["conv_dense_macs"])
    separable = [path for path in steps(check) if path.endswith("pointwise")]  # one layer there
    assert (check.totals.weighted_layers or 0) - len(separable) == int(row["n_conv_dense_layers"])


TIMM = {
    **{name: name for name in ("vgg11", "vgg11_bn", "vgg16", "vgg16_bn", "inception_v3")},
    "legacy_xception": "xception",
}


@pytest.mark.parametrize("model", TIMM)
def test_timm_counts_the_same(model: str, published: Path) -> None:
    """gmacs: convolutions, linear layers and twice the batch norms; macts: their outputs."""
    check = checked(TIMM[model])
    network = network_of(check)
    (row,) = rows(published / "timm_published.csv", model=model)
    outputs = sum(
        prod(shape)
        for node, _, shape in nodes_with_shapes(network)
        if node.op is not None and node.op.weighted and network.is_evaluated(node)
    )
    assert round(kept(check) / 1e6, 2) == float(row["param_count_M"])
    assert round(weigh(counts_of(check), "fvcore") / 1e9, 2) == float(row["gmacs"])
    assert round(outputs / 1e6, 2) == float(row["macts"])


PYTORCHCV = {
    "VGG-11": "vgg11",
    "VGG-16": "vgg16",
    "BN-VGG-11b": "vgg11_bn",
    "BN-VGG-16b": "vgg16_bn",
    "SqueezeNet v1.0": "squeezenet1_0",
    "NIN": "nin_cifar10",
    "BN-Inception": "bn_inception",
    "InceptionV3": "inception_v3",
    "Xception": "xception",
}


@pytest.mark.parametrize("model", PYTORCHCV)
def test_pytorchcv_counts_the_same(model: str, published: Path) -> None:
    """Its figures are half of 4 a normalised element, and 1 a ReLU and an element of a window."""
    check, file = checked(PYTORCHCV[model]), published / "third_party_published.csv"
    (row,) = (r for r in rows(file, model=model) if r["source"].startswith("pytorchcv"))
    counts = counts_of(check)
    theirs = counts.macs + (4 * counts.norm + counts.activation + counts.pool) / 2
    assert kept(check) == int(row["params"])
    assert theirs == pytest.approx(float(row["ops"]) * 1e6, rel=0.0015)


def test_the_open_model_zoo_counts_the_same_inception_v2(published: Path) -> None:
    """TensorFlow's, with a dense beginning and the batch norms folded away."""
    file = published / "third_party_published.csv"
    (row,) = rows(file, source="open_model_zoo", model="googlenet-v2-tf")
    check = archspec.check("inception_v2", {"stem": "ConvBN"})
    counts = counts_of(check)
    folded = kept(check) - factors(check)
    operations = 2 * counts.macs + counts.norm + counts.activation + counts.pool
    assert f"{folded / 1e6:.3f}M" == row["params"]
    assert operations / 1e9 == pytest.approx(float(row["ops"]), rel=0.001)


CONVOLUTIONS = ("1_1", "2_1", "3_1", "3_2", "4_1", "4_2", "5_1", "5_2")
VGG11 = {  # TF-Slim's names of torchvision's features
    f"conv{name}": f"features.{index}"
    for name, index in zip(CONVOLUTIONS, (0, 3, 6, 8, 11, 13, 16, 18), strict=True)
} | {f"pool{i + 1}": f"features.{index}" for i, index in enumerate((2, 5, 10, 15, 20))}
FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "vgg_a": ("vgg11", {}),
    "inception_v2": ("inception_v2", {}),
    "inception_v2-no-separable-conv": ("inception_v2", {"stem": "ConvBN"}),
    "inception_v3": ("inception_v3", {"aux_logits": False}),  # which 224 is too small for
}
PATHS = {"MaxPool_3a_3x3": "maxpool1", "MaxPool_5a_3x3": "maxpool2"}  # torchvision's names


def path_of(model: str, end_point: str) -> str:
    if model == "vgg_a":
        return VGG11[end_point.rpartition("/")[2]]
    return PATHS.get(end_point, end_point) if model == "inception_v3" else end_point


def flops_up_to(check: Check, path: str) -> int:
    """Two a multiply-accumulate, and one an added bias, an output of a norm, a pooled element."""
    results, last = check.results, steps(check)[path].output.node
    assert results is not None
    counts = results.counts(network_of(check).nodes[: last + 1])
    assert counts is not None
    return 2 * counts.macs + counts.bias + counts.norm + counts.pool


@pytest.mark.parametrize("model", FIELDS)
@pytest.mark.parametrize("size", ["", "224", "321"])
def test_published_receptive_fields(model: str, size: str, published: Path) -> None:
    """google-research/receptive_field: size, effective stride, effective padding (our −offset)."""
    spec, overrides = FIELDS[model]
    check = at_size(spec, int(size or 224), **overrides)
    found = rows(published / "rf_published.csv", model=model, resolution=size)
    assert len(found) >= 13
    for row in found:
        field = field_of(check, path_of(model, row["endpoint"]))
        assert field.size == (int(row["rf"]),) * 2
        assert field.stride == (int(row["stride"]),) * 2
        if row["padding"]:  # none where it depends on the size of the picture
            assert field.offset == (-int(row["padding"]),) * 2
        if row["flops_b"]:
            flops = flops_up_to(check, path_of(model, row["endpoint"]))
            assert flops / 1e9 == pytest.approx(float(row["flops_b"]), abs=0.00051)


def test_published_receptive_fields_of_the_papers_googlenet(published: Path) -> None:
    check = checked("googlenet_2014")
    names = {"conv2 (3x3)": "conv3", "avgpool 7x7": "avgpool"}
    found = rows(published / "rf_extra.csv", model="googlenet")
    assert len(found) == 16
    for row in found:
        path = names.get(row["endpoint"], row["endpoint"].replace("_", ""))
        assert field_of(check, path).size == (int(row["rf"]),) * 2


def test_keras_inception_v3_sees_as_much(published: Path) -> None:
    (row,) = rows(published / "rf_extra.csv", model="InceptionV3")
    field = field_of(checked("inception_v3"), "Mixed_7c.branch1x1")  # its 85th, a 1×1 there
    assert row["endpoint"] == "conv2d_85/Conv2D"
    assert (field.size[0], field.stride[0]) == (int(row["rf"]), int(row["stride"]))
    assert -field.offset[0] == int(row["padding"])


def table(published: Path, model: str, quantity: str) -> list[tuple[str, str]]:
    file = published / "paper_tables.csv"
    found = [r for r in rows(file, model=model) if r["quantity"].startswith(quantity)]
    assert found
    return [(row["item"], row["value"]) for row in found]


def as_shape(text: str) -> Shape:
    height, width, channels = map(int, text.split("x"))
    return (channels, height, width)


def test_squeezenets_table(published: Path) -> None:
    """Table 1; its 111×111 need an input of 227, and its "13x12x512" is 13×13×512."""
    check = at_size("squeezenet1_0", 227)
    features = (
        "conv1 relu maxpool1 fire2 fire3 fire4 maxpool4 fire5 fire6 fire7 fire8 maxpool8 fire9"
    )
    paths = {name: f"features.{i}" for i, name in enumerate(features.split())}
    paths |= {"conv10": "classifier.1", "avgpool10": "classifier.3", "total": ""}
    for item, value in table(published, "SqueezeNet v1.0", "params"):
        assert params_of(check, paths[item.split()[0]]) == int(value)
    for item, value in table(published, "SqueezeNet v1.0", "output size"):
        shape = shape_of(check, paths[item.split()[0]])
        assert shape == as_shape(value.replace("13x12", "13x13"))


def test_googlenets_table(published: Path) -> None:
    """Table 1; the operations of conv1 and of 5a do not follow from its own widths."""
    check = checked("googlenet_2014")
    wrong = {"conv1": 118_013_952, "inception5a": 51_079_168}
    compared = 0
    for item, value in table(published, "GoogLeNet", "ops"):
        name = item.partition("/")[0].replace("inception ", "inception").replace(" ", "")
        path = {"conv7x7": "conv1", "conv3x3": "conv3", "linear": "fc"}.get(name, name)
        macs = counts_of(check, path).macs + (
            counts_of(check, "conv2").macs if path == "conv3" else 0
        )
        assert (abs(macs / 1e6 - float(value[:-1])) <= 1) == (path not in wrong)
        assert macs == wrong.get(path, macs)
        compared += 1
    assert compared == 12


@pytest.mark.parametrize("spec", ["googlenet", "googlenet_2014", "googlenet_cbr"])
def test_the_shapes_of_googlenets_table(spec: str, published: Path) -> None:
    pools = iter(("maxpool1", "maxpool2", "maxpool3", "maxpool4"))
    conv3 = "conv2" if spec == "googlenet_cbr" else "conv3"
    for item, value in table(published, "GoogLeNet", "output shape"):
        if item.startswith("max pool"):
            path = next(pools)
        elif item.startswith(("inception", "conv")):
            path = {"conv 7": "conv1", "conv 3": conv3}.get(item[:6], item.replace(" ", ""))
        else:
            continue
        assert shape_of(checked(spec), path) == as_shape(value)
    assert next(pools, None) is None


def test_the_shapes_of_inception_v3s_table(published: Path) -> None:
    """Table 1 of Szegedy et al. 2015, whose stem is another one between 73×73 and 35×35."""
    check = checked("inception_v3")
    before = {
        "conv 3x3/1": "Conv2d_1a_3x3",
        "conv padded 3x3/1": "Conv2d_2a_3x3",
        "pool 3x3/2": "Conv2d_2b_3x3",
        "3x Inception figure 5": "Mixed_5d",
        "5x Inception figure 6": "Mixed_6a",
        "2x Inception figure 7": "Mixed_7a",
        "pool 8x8": "Mixed_7c",
        "linear logits": "avgpool",
    }
    compared = set()
    for item, value in table(published, "Inception v3", "input shape"):
        shape = as_shape(value)
        if item in before and shape not in ((64, 73, 73), (192, 35, 35)):
            # "3x Inception figure 5" is given 288 channels, which its first module does not get.
            assert shape_of(check, before[item]) == shape
            compared.add(item)
    assert compared == set(before)


def test_lenet5s_table(published: Path) -> None:
    """Section II.B; connections are weights and biases, once for each output they make."""
    check = checked("lenet5_1998")
    total, outputs = 0, {"s2": 4, "s4": 4}
    for item, value in table(published, "LeNet-5", "connections"):
        if item == "total":
            continue
        path = item.partition(" ")[0].lower()
        counts = counts_of(check, path)
        windows = counts.pool if path in outputs else 0
        # A difference and a square for each connection of the output.
        distances = counts.elementwise // 2 if path == "output" else 0
        assert counts.macs + counts.bias + windows + distances == int(value)
        total += int(value)
    assert ("total", str(total)) in table(published, "LeNet-5", "connections")
    for item, value in table(published, "LeNet-5", "trainable params"):
        path = "" if item == "total" else item.lower()
        assert params_of(check, path) == int(value)
    for item, value in table(published, "LeNet-5", "output shape"):
        assert shape_of(check, item.lower()) == tuple(map(int, value.split("x")))


def test_the_papers_vgg_is_coarser_than_the_slip_in_the_notes() -> None:
    """One kernel of 3×2 in place of 3×3: 24 576 weights, which 138 million do not show."""
    found = checked("vgg16").totals.num_params, checked("vgg16_cbr").totals.num_params
    assert found == (138_357_544, 138_357_544 - 3 * 64 * 128)


TOWERS = {"block35": ("conv1x1", "conv3x3", "conv3x3dbl"), "block17": ("conv1x1", "conv7x7")}
TOWERS["block8"] = ("conv1x1", "conv3x3")


def test_the_residuals_of_inception_resnet_v2_are_scaled_as_its_authors_scale_them() -> None:
    """0.17, 0.1 and 0.2 of each, all of the very last one, which has no ReLU behind it."""
    torch = pytest.importorskip("torch")
    from archspec.targets.torch.run import load_module

    torch.manual_seed(0)
    source = archspec.generate("inception_resnet_v2")
    network = load_module(source, "inception_resnet_v2").InceptionResNetV2(num_classes=2).eval()
    seen = 0
    for stage, (scale, width) in {
        "block35": (0.17, 320),
        "block17": (0.1, 1088),
        "block8": (0.2, 2080),
    }.items():
        blocks = getattr(network, stage)
        for number in (0, len(blocks) - 1):
            block, x = blocks[number], torch.randn(1, width, 3, 3)
            towers = [getattr(block, name)(x) for name in TOWERS[stage]]
            residual = block.up(torch.cat(towers, 1))
            last = (stage, number) == ("block8", 9)
            expected = x + residual if last else (x + scale * residual).relu()
            torch.testing.assert_close(block(x), expected)
            seen += 1
    assert seen == 6
