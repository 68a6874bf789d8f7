"""PyTorch: networks as a module that imports torch and the standard library, nothing else."""

from collections.abc import Sequence

from archspec.analysis.results import Results
from archspec.graph.network import Network


class TorchTarget:
    """Writes one Python module a spec: a class, and for a family a function for each member."""

    name = "torch"

    def generate(
        self, networks: Sequence[tuple[str, Network, Results]], family: str | None = None
    ) -> str:
        """The source of a module, as `ruff format` leaves it by default; torch is not imported.

        `networks` are the members of a `family` under their names, or the one network there is.
        Raises `CannotWrite` where a body has no plain form in PyTorch.
        """
        from archspec.targets.torch.rows.facts import Member
        from archspec.targets.torch.write import write_module

        return write_module([Member(*network) for network in networks], family).text

    def file_name(self, stem: str) -> str:
        """`lenet-5` is the module `lenet_5.py`."""
        from archspec.targets.torch.names import module_name

        return f"{module_name(stem)}.py"
