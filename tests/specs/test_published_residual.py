"""The residual families against torchvision's models, Keras' layers and published fields."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import archspec
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check, check_text
from archspec.graph.network import Network, Node
from archspec.ops import Shape

if TYPE_CHECKING:
    from torch import nn

FAMILIES = (
    *("resnet", "resnet_v1", "resnet_v2", "preresnet", "resnet_slim", "resnet_cifar", "resnet_cbr"),
    "regnet",
)
TORCHVISION = {
    variant.reference.removeprefix("torchvision/"): f"{family}:{name}"
    for family in FAMILIES
    for name, variant in archspec.load(family).variants.items()
    if variant.reference
}
WITH_LAYERS = (
    *("resnet34", "resnet50", "resnext50_32x4d", "wide_resnet50_2"),
    *("regnet_x_400mf", "regnet_y_400mf"),
)
MODULES = {
    "conv2d": "Conv2d",
    "batch_norm": "BatchNorm2d",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "max_pool": "MaxPool2d",
    "adaptive_avg_pool": "AdaptiveAvgPool2d",
    "linear": "Linear",
}


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


@cache
def resized(family: str, size: int) -> dict[str | None, Check]:
    """The checks of a family's variants at another size of the picture."""
    text = checked(family).document.text
    written = "input: [3, 224, 224]"
    assert text.count(written) == 1
    whole = check_text(text.replace(written, f"input: [3, {size}, {size}]"))
    return {member.variant: member for member in whole.family}


def at_size(spec: str, size: int) -> Check:
    """The check of a variant, `FAMILY:VARIANT`, at another size of the picture."""
    family, _, variant = spec.partition(":")
    return resized(family, size)[variant]


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


@cache
def torchvisions(model: str) -> "nn.Module":
    """torchvision's model without memory for its weights."""
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    import torch
    from torch.overrides import TorchFunctionMode

    class WeightsOnMeta(TorchFunctionMode):
        """Not `torch.device("meta")`: RegNet computes its widths with tensors."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func in (torch.empty, torch.zeros, torch.ones) and kwargs.get("device") is None:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    with WeightsOnMeta():
        made: nn.Module = getattr(models, model)().eval()
    return made


def test_every_family_of_torchvisions_is_here() -> None:
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    prefixes = ("resnet", "resnext", "wide_resnet", "regnet")
    theirs = {name for name in models.list_models(module=models) if name.startswith(prefixes)}
    assert set(TORCHVISION) == theirs


@pytest.mark.parametrize("model", TORCHVISION)
def test_the_tensors_are_torchvisions(model: str) -> None:
    theirs = torchvisions(model).state_dict()
    assert state(network_of(checked(TORCHVISION[model]))) == {
        name: tuple(tensor.shape) for name, tensor in theirs.items()
    }


@pytest.mark.parametrize("model", TORCHVISION)
def test_the_totals_are_torchvisions(model: str) -> None:
    network = torchvisions(model)
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, 224, 224, device="meta"))
    totals = checked(TORCHVISION[model]).totals
    assert totals.num_params == sum(tensor.numel() for tensor in network.parameters())
    assert totals.buffers == sum(tensor.numel() for tensor in network.buffers())
    assert 2 * (totals.macs or 0) == counter.get_total_flops()


def test_torchvisions_published_totals(published: Path) -> None:
    found = [r for r in rows(published / "torchvision_published.csv") if r["name"] in TORCHVISION]
    assert {row["crop_size"] for row in found} == {"224", "384"}
    for row in found:
        totals = at_size(TORCHVISION[row["name"]], int(row["crop_size"])).totals
        assert totals.num_params == int(row["num_params"])
        assert totals.buffers == int(row["n_buffer_elements"])
        assert totals.macs == int(row["conv_linear_macs_by_hook"])
        assert round((totals.macs or 0) / 1e9, 3) == float(row["_ops"])


def names_of(path: str, params: int) -> str:
    """The path of a module with parameters, else where it stands: PyTorch names each ReLU."""
    return path if params else path.rpartition(".")[0]


def computed_layers(check: Check) -> list[tuple[Any, ...]]:
    network, results = network_of(check), check.results
    assert results is not None
    layers = []
    for node, arriving, shape in nodes_with_shapes(network):
        held, counts = results.parameters[node.index], results.operations[node.index]
        assert held is not None
        assert counts is not None
        if node.op_name in MODULES:  # the others are functions in torchvision's forward
            path = names_of(node.path, held.trainable)
            kind = MODULES[node.op_name]
            layers.append((path, kind, arriving, shape, held.trainable, counts.macs))
    return layers


@pytest.mark.parametrize("model", WITH_LAYERS)
def test_every_layer_of_torchvisions_network(model: str, published: Path) -> None:
    text = (published / "torchvision_layers" / f"{model}.json").read_text(encoding="utf-8")
    theirs = [
        (
            names_of(layer["name"], layer["params"]),
            layer["type"],
            tuple(layer["input_shapes"][0][1:]),
            tuple(layer["output_shape"][1:]),
            layer["params"],
            layer["macs"],
        )
        for layer in json.loads(text)["layers"]
    ]
    assert computed_layers(checked(TORCHVISION[model])) == theirs


KERAS = {
    "ResNet50": ("resnet_v1:keras_resnet50", 25_636_712, 53_120),
    "ResNet101": ("resnet_v1:keras_resnet101", 44_707_176, 105_344),
    "ResNet152": ("resnet_v1:keras_resnet152", 60_419_944, 151_424),
    "ResNet50V2": ("resnet_v2:resnet50_v2", 25_613_800, 45_440),
    "ResNet101V2": ("resnet_v2:resnet101_v2", 44_675_560, 97_664),
    "ResNet152V2": ("resnet_v2:resnet152_v2", 60_380_648, 143_744),
}
"""The totals of Keras' documentation and of its `summary()`: all parameters, and the statistics."""


@pytest.mark.parametrize("model", KERAS)
def test_keras_counts_the_same(model: str) -> None:
    """Keras counts statistics as parameters; PyTorch keeps a number of batches more each."""
    spec, total, statistics = KERAS[model]
    norms = sum(node.op_name == "batch_norm" for node in network_of(checked(spec)).nodes)
    totals = checked(spec).totals
    assert totals.num_params == total - statistics
    assert totals.buffers == statistics + norms


@pytest.mark.parametrize("model", ["ResNet50", "ResNet50V2"])
def test_every_layer_of_kerass_network(model: str, published: Path) -> None:
    """As often as Keras has it, each kind of layer with its output, parameters and MACs."""
    kinds = {
        "Conv2D": "conv2d",
        "BatchNormalization": "batch_norm",
        "Activation": "relu",
        "Add": "add",
        "MaxPooling2D": "max_pool",
        "Dense": "linear",
    }
    text = (published / "keras_layers" / f"{model}.json").read_text(encoding="utf-8")
    theirs = Counter(
        (
            kinds[layer["type"]],
            (*layer["output_shape"][3:], *layer["output_shape"][1:3])
            if len(layer["output_shape"]) == 4
            else tuple(layer["output_shape"][1:]),
            layer["trainable_params"],
            layer["macs"],
        )
        for layer in json.loads(text)["layers"]
        if layer["type"] in kinds
    )
    check = checked(KERAS[model][0])
    assert check.results is not None
    ours: Counter[tuple[Any, ...]] = Counter()
    for node, _, shape in nodes_with_shapes(network_of(check)):
        held, counts = check.results.parameters[node.index], check.results.operations[node.index]
        assert held is not None
        assert counts is not None
        if node.op_name in kinds.values():
            ours[node.op_name, shape, held.trainable, counts.macs] += 1
    assert ours == theirs


def field_behind(check: Check, path: str) -> ReceptiveField:
    """The field of what leaves a step of the root."""
    network = network_of(check)
    (step,) = (child for child in network.root.children if child.name == path)
    assert check.results is not None
    field = check.results.fields[step.output.node]
    assert isinstance(field, ReceptiveField)
    return field


def macs_up_to(check: Check, path: str) -> int:
    """The multiply-accumulates of a step of the root and of all before it."""
    network = network_of(check)
    names = [child.name for child in network.root.children]
    nodes: list[Node] = []
    for child in network.root.children[: names.index(path) + 1]:
        nodes += [child] if isinstance(child, Node) else child.nodes()
    assert check.results is not None
    return check.results.totals(nodes).macs or 0


@pytest.mark.parametrize(
    ("model", "spec"),
    [("resnet_v1_50", "resnet_slim:resnet_v1_50"), ("resnet_v2_50", "resnet_v2:resnet_v2_50")],
)
@pytest.mark.parametrize("size", ["", "224", "321"])
def test_published_receptive_fields(model: str, spec: str, size: str, published: Path) -> None:
    """google-research/receptive_field; without a size the padding is not known."""
    check = at_size(spec, int(size or 224))
    found = rows(published / "rf_published.csv", model=model, resolution=size)
    assert len(found) == 4
    for row in found:
        block = row["endpoint"].removeprefix(f"{model}/")
        field = field_behind(check, block)
        assert field.size == (int(row["rf"]),) * 2
        assert field.stride == (int(row["stride"]),) * 2
        if size:
            assert field.offset == (-int(row["padding"]),) * 2
            # TensorFlow's profiler adds biases and pooling.
            flops = 2 * macs_up_to(check, block) / 1e9
            assert flops == pytest.approx(float(row["flops_b"]), rel=5e-3)


DISTILL = {
    "resnet_v1_50": (483, 239, 6.96),
    "resnet_v1_101": (1027, 511, 14.39),
    "resnet_v1_152": (1507, 751, 21.81),
}
"""Araujo, Norris & Sim, Distill 2019, and the README of google-research/receptive_field."""


@pytest.mark.parametrize("model", DISTILL)
def test_the_distill_articles_headline_figures(model: str) -> None:
    size, padding, flops = DISTILL[model]
    check = checked(f"resnet_slim:{model}")
    field = field_behind(check, "block4")
    assert field.size == (size, size)
    assert field.stride == (32, 32)
    assert field.offset == (-padding, -padding)
    assert 2 * macs_up_to(check, "block4") / 1e9 == pytest.approx(flops, rel=1e-3)


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_strides_in_the_1x1_see_as_much_as_strides_at_the_end(depth: int) -> None:
    """The paper's network and TF-Slim's differ in strides, and see the same everywhere."""
    paper, slim = checked(f"resnet_v1:resnet{depth}_v1"), checked(f"resnet_slim:resnet_v1_{depth}")
    for stage in (1, 2, 3, 4):
        ours = field_behind(paper, f"layer{stage}")
        assert ours.size == field_behind(slim, f"block{stage}").size
        assert ours.stride == (2 ** (stage + 1),) * 2


@pytest.mark.parametrize("model", ["resnet34", "resnet50"])
def test_published_receptive_fields_of_strides_in_the_3x3(model: str, published: Path) -> None:
    found = [
        row
        for row in rows(published / "rf_extra.csv", model=model)
        if row["implementation"].startswith("torchvision")
    ]
    assert len(found) == 6
    for row in found:
        field = field_behind(checked(f"resnet:{model}"), row["endpoint"])
        assert field.size == (int(row["rf"]),) * 2


PYTORCHCV = [
    ("pytorchcv", "ResNet-34", "resnet:resnet34"),
    ("pytorchcv", "ResNet-50", "resnet_v1:resnet50_v1"),
    ("pytorchcv", "ResNet-50b", "resnet:resnet50"),
    ("pytorchcv", "ResNeXt-50 (32x4d)", "resnet:resnext50_32x4d"),
    ("pytorchcv", "PreResNet-34", "preresnet:preresnet34"),
    ("pytorchcv", "PreResNet-50b", "preresnet:preresnet50"),
    ("pytorchcv", "RegNetX-400MF", "regnet:regnet_x_400mf_paper"),
    ("pytorchcv", "RegNetX-1.6GF", "regnet:regnet_x_1_6gf"),
    ("pytorchcv", "RegNetX-8.0GF", "regnet:regnet_x_8gf"),
    ("pytorchcv", "RegNetX-16GF", "regnet:regnet_x_16gf"),
    ("pytorchcv", "RegNetX-32GF", "regnet:regnet_x_32gf"),
    ("pytorchcv", "RegNetY-400MF", "regnet:regnet_y_400mf"),
    ("pytorchcv", "RegNetY-1.6GF", "regnet:regnet_y_1_6gf"),
    ("pytorchcv", "RegNetY-8.0GF", "regnet:regnet_y_8gf_paper"),
    ("pytorchcv", "RegNetY-16GF", "regnet:regnet_y_16gf"),
    ("pytorchcv", "RegNetY-32GF", "regnet:regnet_y_32gf"),
    ("pytorchcv-cifar10", "ResNet-20", "resnet_cifar:resnet20_b"),
    ("pytorchcv-cifar10", "ResNet-110", "resnet_cifar:resnet110_b"),
]


@pytest.mark.parametrize(("source", "model", "spec"), PYTORCHCV)
def test_pytorchcv_counts_the_same(source: str, model: str, spec: str, published: Path) -> None:
    """Its operations are multiply-accumulates, and some of normalisation and pooling."""
    (row,) = rows(published / "third_party_published.csv", source=source, model=model)
    totals = checked(spec).totals
    assert totals.num_params == int(row["params"])
    assert (totals.macs or 0) / 1e6 == pytest.approx(float(row["ops"]), rel=0.025)
    assert (totals.macs or 0) / 1e6 < float(row["ops"])


@pytest.mark.parametrize("depth", [20, 44, 110])
def test_option_a_has_as_many_parameters_as_the_papers_table_6(depth: int, published: Path) -> None:
    model = f"ResNet-{depth} (CIFAR-10, option A)"
    (row,) = rows(published / "paper_tables.csv", model=model, quantity="params")
    decimals = len(row["value_num"].rpartition(".")[2])
    totals = checked(f"resnet_cifar:resnet{depth}").totals
    assert round((totals.num_params or 0) / 1e6, decimals) == float(row["value_num"])


def test_option_a_is_every_second_pixel_and_zeros() -> None:
    """What leaves the second stage's first block is its convolutions' sum with that."""
    torch = pytest.importorskip("torch")
    from archspec.targets.torch.run import load_module

    torch.manual_seed(0)
    module = load_module(archspec.generate("resnet_cifar"), "resnet_cifar")
    block = module.resnet20().double().eval().layer2[0]
    x = torch.randn(2, 16, 32, 32, dtype=torch.float64)
    convolved = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
    shortcut = torch.zeros(2, 32, 16, 16, dtype=torch.float64)
    shortcut[:, :16] = x[:, :, ::2, ::2]
    torch.testing.assert_close(block(x), (convolved + shortcut).relu())


def test_the_notes_projections_have_the_kernel_of_their_block() -> None:
    """ResNet-34 of the course notes: 3×3 beside 3×3, where the paper's projections are 1×1."""
    tensors = state(network_of(checked("resnet_cbr:resnet34_cbr")))
    projections = {
        name: shape for name, shape in tensors.items() if name.endswith("projection.0.weight")
    }
    assert projections == {
        "layer2.0.projection.0.weight": (128, 64, 3, 3),
        "layer3.0.projection.0.weight": (256, 128, 3, 3),
        "layer4.0.projection.0.weight": (512, 256, 3, 3),
    }


def test_the_notes_order_is_convolution_relu_norm() -> None:
    for variant in ("resnet34_cbr", "resnet50_cbr"):
        network = network_of(checked(f"resnet_cbr:{variant}"))
        ops = [node.op_name for node in network.nodes]
        for i, name in enumerate(ops):
            if name == "conv2d":
                assert ops[i + 1 : i + 3] == ["relu", "batch_norm"]
            if name == "add":
                assert ops[i + 1] != "relu"
