"""What is not wrong but worth knowing: dropped columns, paddings that are easily misread."""

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.language import PaddingReadAsBeforeAfter
from archspec.graph.network import Network, Node
from archspec.ops.base import Remark
from archspec.ops.sliding import Sliding


def find(network: Network) -> list[Diagnostic]:
    """Warnings and notes about the rows that could be worked out."""

    def of_node(node: Node) -> list[Remark]:
        arriving = network.arriving(node)
        if node.op is None or arriving is None or network.shapes[node.index] is None:
            return []
        return list(node.op.remarks(arriving))

    findings: list[Diagnostic] = []
    for node, remarks in zip(network.nodes, network.of_twins(of_node), strict=True):
        if "padding" in node.written:
            _padding_order(node, findings)
        for kind, attribute, facts in remarks:
            findings.append(kind(node.where(attribute), path=node.path, **facts))
    return findings


def _padding_order(node: Node, findings: list[Diagnostic]) -> None:
    padding = node.written["padding"]
    if not isinstance(padding, list) or not isinstance(node.op, Sliding) or len(padding) != 2:
        return
    if any(isinstance(end, list) for end in padding) or isinstance(node.op.padding, str):
        return
    height, width = node.op.kernel_size
    before, after = node.op.padding[0]
    if height == width or before == after:
        return
    findings.append(
        PaddingReadAsBeforeAfter(
            node.where("padding"),
            path=node.path,
            a=before,
            b=after,
            kernel=f"{height}×{width}",
        )
    )
