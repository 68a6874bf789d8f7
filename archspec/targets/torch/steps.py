"""Step by step through a run of `forward`: which of the tensors that it made each step gives."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from archspec.graph.network import INPUT, Network, Node, Value
from archspec.targets.python import tree
from archspec.targets.python.machine import Machine
from archspec.targets.python.objects import Instance
from archspec.targets.torch.emit.norm import times
from archspec.targets.torch.framework import Torch
from archspec.targets.torch.storage import Expected, Mismatch, Storage, told
from archspec.targets.torch.symbols import Callee, Made, NotThere, Parameter, Tensor

MOST_READINGS = 64
"""Where steps compute the same, a merge of them is looked for in so many ways."""


class StepByStep:
    """One run of `forward`, in training or in evaluation, beside the steps of the network."""

    def __init__(
        self,
        machine: Machine,
        torch: Torch,
        network: Network,
        ways: Sequence[Expected],
        x: Tensor,
        placed: Mapping[str, Any],
        *,
        training: bool,
    ) -> None:
        self.machine = machine
        self.torch = torch
        self.network = network
        self.ways = ways
        self.placed = placed
        self.training = training
        self.values: dict[tuple[int, int], Tensor] = {Value(INPUT): x}
        self.nodes: dict[int, list[Node]] = {}  # by the index of the tensor that they give
        self.calls: dict[int, Callee] = {}  # what a way is that is one call of what a step reads
        # What modules without tensors gave, by what these were made with and what they read.
        self.made: dict[Any, list[Tensor]] = {}
        kept = {node.module.path for node in network.nodes if node.module.tensors}
        for tensor in self.torch.terms.values():
            if tensor.callee[0] == "module" and tensor.callee[1] not in kept:
                key = (tensor.callee[2], *[operand.index for operand in tensor.operands])
                self.made.setdefault(key, []).append(tensor)
        self.kinds = {key[0] for key in self.made}  # of modules that were called
        self.counts = Counter(tensor.index for tensor, _ in self.torch.events)
        # The tensors that a step may give, all of the same numbers, where there are several.
        self.alternatives: dict[Value, list[Tensor]] = {}

    def compare(self, result: Any) -> None:
        """Raise `Mismatch` unless the run is that of the network."""
        runs = self.network.run if self.training else self.network.evaluated
        self.torch.looking = True
        try:
            for node, way in zip(self.network.nodes, self.ways, strict=True):
                if runs is None or runs[node.index]:
                    found = self._give(node, way)
                    self.values[node.index, 0] = found
                    self.nodes.setdefault(found.index, []).append(node)
                    self.torch.used.add(found.index)
        finally:
            self.torch.looking = False
        self._compare_outputs(result)
        self._compare_events()
        Storage(self, result).check()

    def _give(self, node: Node, expected: Expected) -> Tensor:
        """The tensor that a step gives, of several one that no other step has taken."""
        if self.alternatives and any(value in self.alternatives for value in node.inputs):
            found = self._find_by_any(node, expected)
        else:
            found = self._find(node, expected, [self.values[value] for value in node.inputs])
        if len(found) == 1:
            return found[0]
        own = next((t for t in found if self.counts[t.index] > self._taken(t)), found[0])
        if node.module.op is not None and node.module.op.role != "dropout":  # two draws differ
            self.alternatives[node.output] = [own, *(t for t in found if t is not own)]
        return own

    def _taken(self, tensor: Tensor) -> int:
        return len(self.nodes.get(tensor.index, ()))

    def _find_by_any(self, node: Node, expected: Expected) -> list[Tensor]:
        """The same, where what a step reads may be one tensor or another of the same numbers."""
        reads = [self.alternatives.get(value, [self.values[value]]) for value in node.inputs]
        found: dict[int, Tensor] = {}
        missing: Mismatch | None = None
        for operands in islice(product(*reads), MOST_READINGS):
            try:
                given = self._find(node, expected, list(operands))
            except Mismatch as error:
                missing = missing or error
            else:
                found |= {tensor.index: tensor for tensor in given}
        if not found:
            assert missing is not None, "there is a reading"
            raise missing
        return list(found.values())

    def _find(self, node: Node, expected: Expected, operands: list[Tensor]) -> list[Tensor]:
        """The tensors that a step may give, in any way to write it.

        Where two steps compute the same, one may be written as a module and the other as a
        function: each is to be the one that is read in its place.
        """
        if node.module.tensors:
            return [self._find_module(node, expected, operands)]
        modules = list(self._modules(expected, operands))
        own = [tensor for tensor in modules if f"{tensor.callee[1]}.".startswith(f"{node.path}.")]
        if own:
            return own[:1]
        function = self._function(expected, operands)
        found = modules if function is None else [function, *modules]
        if not found:
            raise Mismatch(f"`{node.path}` is not computed from what it reads", node.path)
        return found

    def _find_module(self, node: Node, expected: Expected, operands: list[Tensor]) -> Tensor:
        made = self.placed[node.module.path]
        if type(made) is Made and expected.bare is None:
            found = self.torch.given_by(made, operands)
            if found is None:
                raise Mismatch(f"`{node.path}` is not applied to what it reads", node.path)
            return found
        try:
            if type(made) is Parameter:
                names = {"p": made, "x": operands[0]}
                value = times(tree.Name("p"), tree.Name("x"))
                return self.machine.evaluate(value, names)  # type: ignore[no-any-return]  # a tensor
            if made.key == expected.bare:
                assert expected.padding is not None
                operands = [expected.padding(operands, self)]
            return self.torch.apply(("module", made.path, made.key), tuple(operands))
        except NotThere:
            raise Mismatch(f"`{node.path}` is not applied to what it reads", node.path) from None

    def _function(self, expected: Expected, operands: list[Tensor]) -> Tensor | None:
        if expected.function is None:
            return None
        callee = self.calls.get(id(expected))
        if callee is not None:
            return self.torch.find(callee, operands)
        before = self.torch.looked
        try:
            found = expected.function(operands, self)
        except NotThere:
            return None
        if not isinstance(found, Tensor):
            return None
        if self.torch.looked == before + 1 and found is self.torch.find(found.callee, operands):
            self.calls[id(expected)] = found.callee
        return found

    def _modules(self, expected: Expected, operands: list[Tensor]) -> Iterator[Tensor]:
        """What modules without tensors gave, whatever they are called."""
        for key, before in ((expected.key, False), (expected.bare, True)):
            if key not in self.kinds:
                continue
            read = operands
            if before:
                assert expected.padding is not None
                try:
                    read = [expected.padding(operands, self)]
                except NotThere:
                    continue
            yield from self.made.get((key, *(operand.index for operand in read)), ())

    def _compare_outputs(self, result: Any) -> None:
        network = self.network
        outputs = network.outputs or {"output": network.output}  # without steps, what arrives
        wanted = {
            name: self.alternatives.get(value, [self.values[value]])
            for name, value in outputs.items()
            if self.training or name not in network.training_only
        }
        if isinstance(result, Instance):
            for name, value in result.attributes.items():
                if not _is_one_of(value, wanted.pop(name, [None])):
                    raise Mismatch(f"the output {name} is another one")
            if wanted:
                raise Mismatch(f"the output {next(iter(wanted))} is missing")
        elif len(wanted) != 1 or not _is_one_of(result, next(iter(wanted.values()))):
            raise Mismatch("what is returned is not the network's output")

    def _compare_events(self) -> None:
        """Nothing is computed that the network has not; what is random is drawn for each step."""
        counts = self.counts
        sums: set[int] = set()  # of two, which may be a part of a sum of three
        for tensor, _ in self.torch.events:
            index = tensor.index
            if tensor.callee[0] in ("+", "*", "scale"):
                sums.add(index)
            if index not in self.torch.used:
                raise Mismatch(f"{told(tensor.callee)} is computed, and is no step")
        for index, nodes in self.nodes.items():
            if len(nodes) == 1 and counts[index] == 1:
                continue  # as most are
            ops = [node.module.op for node in nodes]
            # the parts of a tensor are all made for each
            cut = any(op.is_view for op in ops if op is not None)
            if not cut and index not in sums and counts[index] > len(nodes):
                raise Mismatch(
                    f"`{nodes[0].path}` is computed {counts[index]} times", nodes[0].path
                )
            drawn = [n for n, op in zip(nodes, ops, strict=True) if op and op.role == "dropout"]
            # statistics are kept anew in each run; an identity behind gives the same tensor
            once = drawn or [node for node in nodes if node.module.tensors]
            if once and index in counts and counts[index] != len(once):
                raise Mismatch(f"`{once[0].path}` is run {counts[index]} times", once[0].path)


def _is_one_of(value: Any, tensors: Sequence[Tensor | None]) -> bool:
    return any(value is tensor for tensor in tensors)
