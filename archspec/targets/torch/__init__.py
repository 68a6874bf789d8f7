"""PyTorch: networks as a module that imports torch and the standard library, nothing else."""

from collections.abc import Sequence

from archspec.analysis.results import Results
from archspec.diagnostics import Fault
from archspec.diagnostics.generation import CodeNotEqual, ModuleTooLong
from archspec.graph.network import Network
from archspec.targets.base import Emission, Order


class TorchTarget:
    """Writes one Python module a spec: a class, and for a family a function for each member."""

    name = "torch"

    def emit(self, networks: Sequence[tuple[str, Network, Results]], order: Order) -> Emission:
        """A module as `ruff format` leaves it by default; torch is not imported.

        `lenet-5` is `lenet_5.py`. A note says so where the module is in its plain form. Raises
        `Fault` for one that is too long to be of use, or where no form is equal to the networks.
        """
        from archspec.targets.torch.length import TooLong
        from archspec.targets.torch.names import module_name
        from archspec.targets.torch.rows.facts import Member
        from archspec.targets.torch.storage import Mismatch
        from archspec.targets.torch.write import write_module

        members = [Member(*network) for network in networks]
        try:
            written = write_module(members, order.family, order.templates)
        except TooLong as error:
            raise Fault(ModuleTooLong, limit=error.limit, form=error.form) from None
        except Mismatch as error:
            raise Fault(CodeNotEqual, reason=str(error)) from None
        reason, line_of = written.reason, order.line_of
        if reason and written.where and line_of is not None:
            reason = f"line {line_of(written.where)}: {reason}"
        notes = (f"written in its plain form: {reason}",) if reason else ()
        return Emission({f"{module_name(order.stem)}.py": written.text.encode()}, notes)
