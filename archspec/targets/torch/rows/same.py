"""Classes of a block's kinds that came out the same: they are one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archspec.targets.python.tree import Class, Name, Node, rebuild


def without_doubles(classes: Sequence[Class], blocks: Mapping[str, str]) -> list[Class]:
    """The classes without those that are, but for the name, another one of the same block.

    `blocks` are the blocks of the classes that have one. The last is the network's, and stays.
    """
    kept: list[Class] = []
    names: dict[str, str] = {}

    def renamed(node: Node) -> Node | None:
        return Name(names[node.id]) if isinstance(node, Name) and node.id in names else None

    *others, network = classes
    for written in others:
        cls = rebuild(written, renamed) if names else written
        assert isinstance(cls, Class)
        block = blocks.get(cls.name)
        of_block = [other for other in kept if block and blocks.get(other.name) == block]
        alike = next((o for o in of_block if replace(o, name=cls.name) == cls), None)
        if alike is None:
            kept.append(cls)
        else:
            names[cls.name] = alike.name
    own = rebuild(network, renamed) if names else network
    assert isinstance(own, Class)
    return [*kept, own]
