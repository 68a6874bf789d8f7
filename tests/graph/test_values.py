"""Ports, several inputs and modules that are called twice: networks that no spec can say yet."""

from typing import ClassVar

import pytest

from archspec.analysis.receptive_field import ReceptiveField
from archspec.analysis.results import analyse
from archspec.api import check_text
from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NotDivisible
from archspec.graph.network import INPUT, Module, Network, Node, Scope, Value
from archspec.ops import Counts, Op, Shape, Shapes, Tensor, View, Window
from archspec.ops.conv import Conv2d
from archspec.ops.merge import Add
from archspec.ops.norm import BatchNorm

PICTURE = (8, 6, 6)


class Halves(Op):
    """Both halves of the channels: one input, two outputs."""

    op_name: ClassVar = "halves"

    def infer(self, shapes: Shapes) -> tuple[Shape, ...]:
        ((channels, *size),) = shapes
        if channels % 2:
            raise Fault(NotDivisible, what="channels", count=channels, parts=2, divisors="1")
        return ((channels // 2, *size),) * 2


class Weighed(Op):
    """A trained sum of its inputs, of which the first is seen through a window."""

    op_name: ClassVar = "weighed"
    arity: ClassVar = "several"

    def infer(self, shapes: Shapes) -> tuple[Shape, ...]:
        return (shapes[0],)

    def tensors(self, shapes: Shapes) -> tuple[Tensor, ...]:
        return (Tensor("weight", (len(shapes),)),)

    def operations(self, shapes: Shapes, outputs: Shapes) -> Counts:
        return Counts(macs=len(shapes) * 100 * len(outputs))

    def views(self, shapes: Shapes) -> tuple[View, ...]:
        return ((Window(3), Window(3)), *((None,) * (len(shapes) - 1)))


def network(*calls: tuple[Module, tuple[Value, ...]], inputs: int = 1) -> Network:
    """A network of modules and what each call of one reads; its output is that of the last."""
    checked = check_text("archspec: 1\nname: Net\ninput: [1]\nlayers: [{op: relu}]\n")
    assert checked.network is not None
    arriving: dict[str, Shape | None] = {f"x{i}": PICTURE for i in range(inputs)}
    nodes: list[Node] = []
    shapes: list[tuple[Shape, ...] | None] = []
    for index, (module, read) in enumerate(calls):
        assert module.op is not None
        name = module.op.op_name
        nodes.append(Node(index, str(index), module, name, read, (), (), named=True, written={}))
        given = [PICTURE if i == INPUT else (shapes[i] or ())[port] for i, port in read]
        shapes.append(module.op.infer(given))
    last = Value(len(nodes) - 1)
    root = Scope("", "", (), named=True, children=tuple(nodes), outputs=(last,))
    spec = checked.network.spec
    alone = tuple(range(len(nodes)))  # none has a twin
    return Network(spec, arriving, {}, root, tuple(nodes), tuple(shapes), alone, {"out": last})


def conv(index: int = 0) -> Module:
    """8·8·9 = 576 weights, 576·36 multiply-accumulates on the picture."""
    op = Conv2d(out_channels=8, kernel_size=(3, 3), padding=((1, 1), (1, 1)), bias=False)
    return Module(index, "conv", op, op.tensors((PICTURE,)))


def norm(index: int) -> Module:
    op = BatchNorm()
    return Module(index, "norm", op, op.tensors((PICTURE,)))


def test_a_module_called_twice_has_its_parameters_once_and_its_operations_twice() -> None:
    shared = conv()
    found = network((shared, (Value(INPUT),)), (norm(1), (Value(0),)), (shared, (Value(1),)))
    assert [module.path for module in found.modules] == ["conv", "norm"]
    assert found.nodes[0].path == found.nodes[2].path == "conv"
    results = analyse(found)
    totals = results.totals(found.nodes)
    assert (totals.num_params, totals.buffers) == (576 + 16, 17)
    assert totals.macs == 2 * 576 * 36
    assert totals.weighted_layers == 1
    held = results.bytes(found.nodes)
    assert held is not None
    assert held.parameters == 4 * (576 + 16 + 17)
    assert held.activations == 4 * 3 * 8 * 36
    assert results.totals(found.nodes[2:]).num_params == 576  # seen alone, it has them
    field = results.fields[2]
    assert isinstance(field, ReceptiveField)
    assert field.size == (5, 5)


def test_the_parameters_of_a_call_in_training_alone_are_those_of_no_other() -> None:
    shared = conv()
    found = network((shared, (Value(INPUT),)), (shared, (Value(0),)))
    found = found._replace(evaluated=(True, False))
    totals = analyse(found).totals(found.nodes)
    assert (totals.num_params, totals.training_only_params) == (576, 0)
    assert totals.macs == 576 * 36


def test_a_value_is_a_port_of_a_node() -> None:
    halves = Module(0, "halves", Halves(), ())
    found = network(
        (halves, (Value(INPUT),)), (Module(1, "sum", Add(), ()), (Value(0, 1), Value(0)))
    )
    assert found.shapes == (((4, 6, 6), (4, 6, 6)), ((4, 6, 6),))
    assert found.shape_of(Value(0, 1)) == (4, 6, 6)
    assert found.arriving(found.nodes[1]) == ((4, 6, 6), (4, 6, 6))
    assert found.name_of(Value(0, 1)) == "halves"
    results = analyse(found)
    assert results.memory[0] is not None
    assert results.memory[0].activations == 4 * 8 * 36  # all that it puts out


def test_an_op_with_several_inputs_may_own_parameters_and_see_each_otherwise() -> None:
    op = Weighed()
    weighed = Module(1, "weighed", op, op.tensors((PICTURE, PICTURE)))
    found = network((conv(), (Value(INPUT),)), (weighed, (Value(0), Value(INPUT, 1))), inputs=2)
    assert tuple(found.inputs) == ("x0", "x1")
    assert found.name_of(Value(INPUT, 1)) == "x1"
    results = analyse(found)
    totals = results.totals(found.nodes)
    assert (totals.num_params, totals.macs) == (576 + 2, 576 * 36 + 200)
    field = results.fields[1]
    assert isinstance(field, ReceptiveField)
    assert (field.size, field.offset) == ((5, 5), (-1, -1))  # 3 + 2, the window has no padding


def test_what_several_outputs_refuse_is_a_fault_as_any() -> None:
    with pytest.raises(Fault):
        Halves().infer(((3, 2, 2),))


def test_what_nothing_reads_is_not_run() -> None:
    text = """
archspec: 1
name: Net
input: [2, 4, 4]
layers:
  - {name: a, op: conv2d, out_channels: 3, kernel_size: 1}
  - {name: dead, op: conv2d, out_channels: 5, kernel_size: 1, from: a}
  - {name: b, op: conv2d, out_channels: 2, kernel_size: 1, from: a}
"""
    checked = check_text(text)
    assert [fault.name for fault in checked.diagnostics] == ["unused-step"]
    assert checked.network is not None
    assert checked.results is not None
    run = [checked.network.is_run(node) for node in checked.network.nodes]
    assert run == [True, False, True]
    assert checked.totals.macs == (2 * 3 + 3 * 2) * 16
    assert checked.results.operations[1] == Counts()
    assert checked.totals.num_params == 9 + 20 + 8
    held = checked.results.bytes(checked.network.nodes)
    assert held is not None
    assert held.activations == 4 * (3 + 2) * 16
