"""A family is one class and a function for each variant; `build` makes any of them."""

import inspect
from pathlib import Path

import pytest
import torch

import archspec
from archspec.language import loader
from tests.targets.networks import batch, made_by, members_of, module_of

FAMILIES = {file.name: file for file in loader.list_specs() if loader.variants_of(file.file)}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_variant_s_own_module_is_the_family_s_function(family: str) -> None:
    checked = archspec.check(family)
    member = min(members_of(checked), key=lambda m: m.totals.macs or 0)
    alone = archspec.check(f"{family}:{member.variant}")
    network = member.network
    assert network is not None
    assert network.input_shape is not None
    torch.manual_seed(0)
    one = made_by(module_of(checked), member).eval()
    other = made_by(module_of(alone), alone).eval()
    ours, theirs = one.state_dict(), other.state_dict()
    assert [(n, t.shape) for n, t in ours.items()] == [(n, t.shape) for n, t in theirs.items()]
    other.load_state_dict(ours)
    x = batch(network.input_shape, size=1).float()
    with torch.inference_mode():
        assert torch.equal(one(x), other(x))


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_a_function_for_each_variant_that_sets_what_it_sets(family: str) -> None:
    checked = archspec.check(family)
    module = module_of(checked)
    network, *functions = module.__all__
    assert inspect.isclass(getattr(module, network))
    assert set(functions) == {member.variant for member in members_of(checked)}
    taken = inspect.signature(getattr(module, network)).parameters
    for member in members_of(checked):
        assert member.network is not None
        made = inspect.signature(getattr(module, str(member.variant)))
        assert made.return_annotation in (network, getattr(module, network))
        for name, parameter in made.parameters.items():
            assert name in taken
            assert parameter.default == plain(member.network.vars[name])


def plain(value: object) -> object:
    """A variable's value as Python has it: lists are tuples."""
    return tuple(plain(item) for item in value) if isinstance(value, list) else value


def test_functions_stand_in_the_order_of_people() -> None:
    module = module_of(archspec.check("resnet"))
    names = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    assert [name for name in module.__all__ if name in names] == names


def test_arguments_of_a_function_reach_the_network() -> None:
    module = module_of(archspec.check("resnet"))
    with torch.device("meta"):
        assert module.resnet18(num_classes=5).fc.out_features == 5
        assert module.resnet18(5).fc.out_features == 5
        assert module.ResNet(module.BasicBlock, (1, 1, 1, 1), 64, expansion=1).fc.in_features == 512


def test_build_makes_a_variant() -> None:
    with torch.device("meta"):
        made = archspec.build("resnet50", num_classes=5)
        assert made(torch.empty(1, 3, 64, 64)).shape == (1, 5)
        again = archspec.build("resnet:resnet50")
    assert sum(p.numel() for p in again.parameters()) == 25_557_032


def test_build_takes_the_variant_that_is_called_as_its_file() -> None:
    with torch.device("meta"):
        made = archspec.build("mobilenet_v2")
    assert sum(p.numel() for p in made.parameters()) == 3_504_872


@pytest.mark.parametrize("name", ["resnet", Path("specs") / "resnet.yaml"], ids=str)
def test_build_names_the_variants_of_a_family(
    name: str | Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(ValueError, match=r"is a family; .*resnet18, resnet34") as raised:
        archspec.build(name)
    assert "specs/resnet.yaml" in str(raised.value).replace("\\", "/")
