"""Every spec of the project: generated, executed in a fresh process, and compared."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import archspec
from archspec.language import loader
from tests.targets.networks import made_by, members_of, module_of
from tests.targets.test_chains import assert_state_is_as_counted

SPECS = [file.name for file in loader.list_specs()]

# A fresh process that knows nothing of archspec: it imports the files as anybody would.
EXECUTE = """
import json, sys
from importlib import import_module

import torch

found = {}
for name in sys.argv[1:]:
    module = import_module(name)
    made = module.__all__[:2][-1]  # the class of a network, or the first function of a family
    with torch.device("meta"):
        net = getattr(module, made)().eval()
        shapes = getattr(module, "INPUT_SHAPES", {})
        output = net(torch.empty(2, *shapes.get(made, module.INPUT_SHAPE)))
    params = sum(parameter.numel() for parameter in net.parameters())
    found[name] = {"made": made, "params": params, "output": list(output.shape)}
assert not any(name.split(".")[0] == "archspec" for name in sys.modules)
print(json.dumps(found))
"""


def test_a_fresh_process_sees_what_was_counted(tmp_path: Path) -> None:
    for spec in SPECS:
        (tmp_path / f"{spec}.py").write_text(archspec.generate(spec), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, *SPECS],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    executed: dict[str, Any] = json.loads(done.stdout)
    for spec in SPECS:
        seen = executed[spec]
        members = members_of(archspec.check(spec))
        checked = next((m for m in members if m.variant == seen["made"]), members[0])
        assert checked.network is not None
        shape = checked.network.shape_of(checked.network.output)
        assert shape is not None
        assert (seen["params"], seen["output"]) == (checked.totals.num_params, [2, *shape]), spec


@pytest.mark.parametrize("spec", SPECS)
def test_every_member_is_what_was_counted(spec: str) -> None:
    checked = archspec.check(spec)
    module = module_of(checked)
    for member in members_of(checked):
        network = member.network
        assert network is not None
        with torch.device("meta"):
            net = made_by(module, member)
        assert_state_is_as_counted(member, net)
        assert_every_module_gives_the_shape_of_its_node(member, net)


def assert_every_module_gives_the_shape_of_its_node(
    member: archspec.Check, module: nn.Module
) -> None:
    network = member.network
    assert network is not None
    assert network.input_shape is not None
    seen: dict[str, tuple[int, ...]] = {}
    for name, inner in module.named_modules():

        def keep(_: Any, __: Any, output: Any, name: str = name) -> None:
            if isinstance(output, torch.Tensor):
                seen[name] = tuple(output.shape[1:])

        inner.register_forward_hook(keep)
    x = torch.empty(2, *network.input_shape, device="meta")
    with torch.no_grad():
        result = module.eval()(x)
        if network.training_only:
            module.train()(x)
    if isinstance(result, torch.Tensor):
        assert tuple(result.shape[1:]) == network.shape_of(network.output)
    shapes = {node.path: network.shape_of(node.output) for node in network.nodes}
    both = seen.keys() & shapes.keys()
    assert {name: seen[name] for name in both} == {name: shapes[name] for name in both}
    weighted = {node.path for node in network.nodes if node.op is not None and node.op.weighted}
    assert weighted <= both


REFERENCES = {
    member.network.spec.reference: member
    for spec in SPECS
    for member in members_of(archspec.check(spec))
    if member.network is not None and member.network.spec.reference
}


class Undrawn(TorchFunctionMode):
    """Networks that are made here keep what their memory holds: no random number is drawn."""

    def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return given.get("tensor", args[0] if args else None)
        return func(*args, **given)


@pytest.mark.parametrize("reference", REFERENCES)
def test_tensors_stand_in_torchvision_s_order(reference: str) -> None:
    models = pytest.importorskip("torchvision.models", reason="needs the extra `vision`")
    member, name = REFERENCES[reference], reference.partition("/")[2]
    module = module_of(member)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of two networks that begin in another way
        with Undrawn():
            theirs = models.get_model(name, weights=None).state_dict()
    with torch.device("meta"):
        ours = made_by(module, member).state_dict()
    assert {name: t.shape for name, t in ours.items()} == {n: t.shape for n, t in theirs.items()}
    assert list(ours) == list(theirs)


def test_the_same_bytes_every_time(root: Path) -> None:
    code = (
        "import archspec, hashlib, sys\n"
        "texts = [archspec.generate(spec) for spec in sys.argv[1:]]\n"
        "print(hashlib.sha256(''.join(texts).encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, *SPECS],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_torchvision_s_weights_give_the_same_output(name: str) -> None:
    models = pytest.importorskip("torchvision.models", reason="needs the extra `vision`")
    spec = {"alexnet": "alexnet_one_tower"}.get(name, name)
    torch.manual_seed(0)
    theirs = getattr(models, name)(weights=None).eval()
    ours = archspec.build(spec).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected = theirs(x)
        assert expected.std() > 0
        assert (ours(x) - expected).abs().max() <= 1e-5
