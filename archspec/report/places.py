"""Which layer a diagnostic speaks of."""

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.graph.network import Network, Scope


class Places:
    """The rows of a network, to look a diagnostic's place up in."""

    def __init__(self, network: Network | None) -> None:
        self._network = network
        self._rows: dict[SpecPath, str] | None = None  # made when it is first wanted

    def layer(self, fault: Diagnostic) -> str:
        """The path of the layer or group whose row the fault is about or lies in; "" if none.

        A row of a block or a repeated one stands for several: the first of them.
        """
        if fault.path:
            return fault.path
        if self._rows is None:
            self._rows = self._find_rows()
        for end in range(len(fault.where), 0, -1):
            path = self._rows.get(fault.where[:end])
            if path is not None:
                return path
        return ""

    def _find_rows(self) -> dict[SpecPath, str]:
        rows: dict[SpecPath, str] = {}
        for item in self._network.root.walk() if self._network else ():
            if not isinstance(item, Scope):
                rows.setdefault(item.at, item.path)  # the row's own layer comes first
            elif item.step is not None:
                rows.setdefault(item.step.at, item.path)
        return rows
