"""Every spec of the project: generated, executed in a fresh process, and compared."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import archspec
from archspec.language import loader
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
    network = getattr(module, module.__all__[0])
    with torch.device("meta"):
        net = network().eval()
        output = net(torch.empty(2, *module.INPUT_SHAPE))
    state = {key: list(value.shape) for key, value in net.state_dict().items()}
    params = sum(parameter.numel() for parameter in net.parameters())
    found[name] = {"state": state, "params": params, "output": list(output.shape)}
assert not any(name.split(".")[0] == "archspec" for name in sys.modules)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a fresh process sees of every network."""
    folder = tmp_path_factory.mktemp("generated")
    for spec in SPECS:
        (folder / f"{spec}.py").write_text(archspec.generate(spec), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, *SPECS],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tensors(checked: archspec.Check) -> Iterator[tuple[str, list[int]]]:
    assert checked.network is not None
    for node in checked.network.nodes:
        (arriving,) = checked.network.input_shapes(node)
        assert node.op is not None
        assert arriving is not None
        for tensor in node.op.tensors(arriving):
            yield f"{node.path}.{tensor.name}", list(tensor.shape)


@pytest.mark.parametrize("spec", SPECS)
def test_a_fresh_process_sees_what_was_counted(executed: dict[str, Any], spec: str) -> None:
    checked = archspec.check(spec)
    assert checked.network is not None
    shape = checked.network.shapes[-1]
    assert shape is not None
    assert executed[spec] == {
        "state": dict(tensors(checked)),
        "params": checked.totals.num_params,
        "output": [2, *shape],
    }


@pytest.mark.parametrize("spec", SPECS)
def test_every_module_gives_the_shape_of_its_node(spec: str) -> None:
    checked = archspec.check(spec)
    network = checked.network
    assert network is not None
    assert network.input_shape is not None
    seen: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        module = archspec.build(spec).eval()
        for name, inner in module.named_modules():

            def keep(_: Any, __: Any, output: torch.Tensor, name: str = name) -> None:
                seen[name] = tuple(output.shape[1:])

            inner.register_forward_hook(keep)
        module(torch.empty(2, *network.input_shape))
    assert_state_is_as_counted(checked, module)
    shapes = {node.path: network.shapes[node.index] for node in network.nodes}
    both = seen.keys() & shapes.keys()
    assert {name: seen[name] for name in both} == {name: shapes[name] for name in both}
    weighted = {node.path for node in network.nodes if node.op is not None and node.op.weighted}
    assert weighted <= both


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
