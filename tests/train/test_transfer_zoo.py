"""torchvision's weights go into the zoo's networks, and their backbones then compute the same."""

import warnings
from sys import modules

import pytest
import torch
from torch import Tensor, nn

import archspec
from archspec.train.transfer.endings import InputShape, heads_of, last_layers
from archspec.train.transfer.loading import load_into

# torchvision's name, the heads, and what mode `last` trains
ZOO = {
    "alexnet_one_tower": (
        "alexnet",
        ["classifier.6"],
        ["classifier.6", "classifier.4", "classifier.1"],
    ),
    "vgg11_bn": ("vgg11_bn", ["classifier.6"], ["classifier.6", "classifier.3", "classifier.0"]),
    "resnet18": ("resnet18", ["fc"], ["fc", "layer4"]),
    "mobilenet_v2": ("mobilenet_v2", ["classifier.1"], ["classifier.1", "features.18"]),
    "googlenet": (
        "googlenet",
        ["fc", "aux1.fc2", "aux2.fc2"],
        ["fc", "inception5b", "aux1.fc2", "aux1.fc1", "aux2.fc2", "aux2.fc1"],
    ),
    "inception_v3": ("inception_v3", ["fc", "AuxLogits.fc"], ["fc", "Mixed_7c", "AuxLogits.fc"]),
    "densenet121": (
        "densenet121",
        ["classifier"],
        ["classifier", "features.norm5", "features.denseblock4"],
    ),
    "convnext_tiny": (
        "convnext_tiny",
        ["classifier.2"],
        ["classifier.2", "classifier.0", "features.7"],
    ),
    "efficientnet_b0": ("efficientnet_b0", ["classifier.1"], ["classifier.1", "features.8"]),
}


def randomised(network: nn.Module) -> nn.Module:
    """The network in evaluation, all its numbers random, so that nothing is as anything begins."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            low, high = (0.5, 1.5) if "running_var" in name else (-0.1, 0.1)
            if tensor.is_floating_point():
                tensor.uniform_(low, high)
    return network.eval()


@pytest.mark.parametrize("name", ZOO)
def test_torchvision_s_weights_fit_the_zoo(name: str) -> None:
    vision = pytest.importorskip("torchvision", reason="its networks' weights are to be loaded")
    model, heads, last = ZOO[name]
    network: nn.Module = archspec.build(name, num_classes=5)
    shape: InputShape = modules[type(network).__module__].INPUT_SHAPE
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore", FutureWarning)  # of another initialisation to come
        theirs = vision.models.get_model(model, weights=None)
    theirs = randomised(theirs.to_empty(device="cpu"))
    assert list(heads_of(network, shape)) == heads
    assert list(last_layers(network, shape)) == last
    report = load_into(network, theirs.state_dict(), tuple(heads))
    assert report.share == 1.0
    assert not report.unused
    assert set(report.new) == {f"{head}.{kind}" for head in heads for kind in ("weight", "bias")}
    picture = torch.randn(1, *shape)
    assert torch.equal(
        features(network.eval(), heads[0], picture), features(theirs, heads[0], picture)
    )


def features(network: nn.Module, head: str, picture: Tensor) -> Tensor:
    """What arrives at the head."""
    seen: list[Tensor] = []
    network.get_submodule(head).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        network(picture)
    return seen[0]
