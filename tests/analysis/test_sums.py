"""Sums of scopes are those of their nodes, whatever is unknown, left out or called twice."""

import pytest

from archspec.analysis.results import analyse
from archspec.analysis.sums import Sums
from archspec.api import Check, check, check_text
from archspec.graph.network import Network, Scope

HEAD = "archspec: 1\nname: Net\ninput: [3, 32, 32]\n"
CONV = "{op: conv2d, out_channels: 4, kernel_size: 3, norm: batch_norm}"
TEXTS = {
    "groups": f"layers: [{{layers: [{CONV}, {{layers: [{CONV}]}}, {CONV}]}}, {CONV}]\n",
    "nothing inside": f"layers: [{{layers: [{{op: relu, repeat: 0}}]}}, {CONV}]\n",
    "something unknown": f"layers: [{{layers: [{CONV}]}}, {{layers: [{{op: relo}}, {CONV}]}}]\n",
    "a head for training": f"""
layers:
  - {{name: stem, layers: [{CONV}]}}
  - {{name: aux, layers: [{CONV}, {{layers: [{{op: flatten}}, {{op: linear, out_features: 2}}]}}]}}
  - {{name: rest, from: stem, layers: [{CONV}]}}
outputs: {{out: rest, aux: {{from: aux, training_only: true}}}}
""",
}


def compare(network: Network) -> int:
    """Compare the sums of every scope with those of its nodes, one by one; how many there are."""
    results = analyse(network)
    sums = Sums(network, results)
    scopes = [item for item in network.root.walk() if isinstance(item, Scope)]
    for scope in scopes:
        nodes = tuple(scope.nodes())
        evaluated = results.in_evaluation(nodes)
        assert tuple(sums.nodes(scope)) == nodes
        assert sums.totals(scope) == results.totals(nodes)
        assert sums.counts(scope) == results.counts(nodes)
        assert sums.counts(scope, in_evaluation=True) == results.counts(evaluated)
        assert sums.totals(scope, in_evaluation=True) == results.totals(evaluated)
        assert sums.has_nodes(scope) == bool(nodes)
        assert sums.has_nodes(scope, in_evaluation=True) == bool(evaluated)
        left_out = bool(nodes) and not evaluated
        assert sums.is_training_only(scope) == (left_out and bool(network.training_only))
    return len(scopes)


def network_of(checked: Check) -> Network:
    assert checked.network is not None
    return checked.network


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_sums_of_scopes_are_those_of_their_nodes(text: str) -> None:
    assert compare(network_of(check_text(HEAD + text))) > 1


@pytest.mark.parametrize("name", ["googlenet", "resnet50", "mobilenet_v3_small", "densenet121"])
def test_sums_of_the_zoo(name: str) -> None:
    assert compare(network_of(check(name))) > 10


def test_a_module_that_is_called_twice_is_counted_once() -> None:
    network = network_of(
        check_text(HEAD + f"layers: [{CONV}, {{layers: [{{op: relu}}, {CONV}]}}]\n")
    )
    first, *_, last = network.nodes
    group = network.root.children[-1]
    assert isinstance(group, Scope)
    again = network.nodes[-2]._replace(module=first.module)
    nodes = (*network.nodes[:-2], again, last)
    inner = (*group.children[:-2], again, last)
    children = (*network.root.children[:-1], group._replace(children=inner))
    compare(network._replace(root=network.root._replace(children=children), nodes=nodes))


def test_every_node_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = f"{{layers: [{CONV}, " * 40 + CONV + "]}" * 40
    network = network_of(
        check_text(f"{HEAD}layers: [{rows}]\n".replace("kernel_size: 3", "kernel_size: 1"))
    )
    walks: list[None] = []
    walk = Scope.walk

    def counted(self: Scope) -> object:
        walks.append(None)
        return walk(self)

    monkeypatch.setattr(Scope, "walk", counted)
    sums = Sums(network, analyse(network))
    scopes = [item for item in walk(network.root) if isinstance(item, Scope)]
    assert len({sums.totals(scope) for scope in scopes}) > 1
    assert walks == []
