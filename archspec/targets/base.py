"""What a target is: something that turns a checked network into the text of a file."""

from typing import Protocol

from archspec.analysis.results import Results
from archspec.graph.network import Network


class Target(Protocol):
    """A language or framework that networks are written in."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""

    def generate(self, network: Network, results: Results) -> str:
        """The text of a file for a network that has no errors; the same bytes every time."""

    def file_name(self, stem: str) -> str:
        """What the file is called for a spec called `stem`."""
