"""What is not wrong but worth knowing: dropped columns, paddings that are easily misread."""

from typing import Any

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.language import PaddingReadAsBeforeAfter
from archspec.graph.network import Network, Node, alike
from archspec.ops.base import Remark
from archspec.ops.sliding import Sliding


def find(network: Network) -> list[Diagnostic]:
    """Warnings and notes about the rows that could be worked out."""
    findings: list[Diagnostic] = []
    known: dict[Any, list[Remark]] = {}  # of the same op on the same shapes
    for node, outputs in zip(network.nodes, network.shapes, strict=True):
        arriving = network.arriving(node)
        if node.op is None:
            continue
        _padding_order(node, findings)
        if arriving is None or outputs is None:
            continue
        key = alike(node.op, arriving)
        if key not in known:
            known[key] = list(node.op.remarks(arriving))
        for kind, attribute, facts in known[key]:
            findings.append(kind(node.where(attribute), path=node.path, **facts))
    return findings


def _padding_order(node: Node, findings: list[Diagnostic]) -> None:
    padding = node.written.get("padding")
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
