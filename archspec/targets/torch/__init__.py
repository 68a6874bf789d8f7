"""PyTorch: a network as a module that imports torch and the standard library, nothing else."""

from archspec.analysis.results import Results
from archspec.graph.network import Network


class TorchTarget:
    """Writes one Python module a network, with one class in it."""

    name = "torch"

    def generate(self, network: Network, results: Results) -> str:
        """The source of a module, as `ruff format` leaves it by default; torch is not imported."""
        from archspec.targets.torch.page import write_module

        return write_module(network, results)

    def file_name(self, stem: str) -> str:
        """`lenet-5` is the module `lenet_5.py`."""
        from archspec.targets.torch.names import module_name

        return f"{module_name(stem)}.py"
