"""The bounds of a walk: how much a spec may come to, and how many faults are looked for."""

from collections.abc import Sequence

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.collector import told_once
from archspec.diagnostics.language import TooDeeplyNested, TooManySteps
from archspec.graph.frame import Frame
from archspec.graph.least import Counter, Least
from archspec.graph.network import Memory, Node
from archspec.language.model import Spec, Step
from archspec.language.rows import MAX_FAULTS

MAX_STEPS = 50_000
MAX_WORK = 1_000_000
"""How much may be evaluated on the way, in items of the text: what is dropped costs, too."""
MAX_NESTED = 64
MAX_ROUNDS = 4
"""How often equal faults are struck out, to go on and look for others."""


class Bounds:
    """Counts the work of a walk that makes `nodes`; with `stopped` it is over."""

    def __init__(
        self, spec: Spec, nodes: Sequence[Node], faults: list[Diagnostic], memory: Memory
    ) -> None:
        self.nodes = nodes
        self.faults = faults
        self.work = 0
        self.stopped = False
        self.counter = memory.counter = memory.counter or Counter(spec)
        self.room, self.rounds = MAX_FAULTS, 0

    def is_over(self) -> bool:
        """Whether there is no use in going on: too much work, or more faults than anybody reads."""
        if self.stopped or len(self.faults) < self.room:
            return self.stopped
        self.faults[:] = told_once(self.faults)
        self.room, self.rounds = len(self.faults) + MAX_FAULTS, self.rounds + 1
        self.stopped = len(self.faults) >= MAX_FAULTS or self.rounds > MAX_ROUNDS
        return self.stopped

    def count(self, step: Step, frame: Frame) -> None:
        """Count a visit of a step; in a body that is walked more than once, with its weight."""
        self.work += self.counter.weight(step) if frame.shared else 1
        if not self.stopped and (len(self.nodes) >= MAX_STEPS or self.work >= MAX_WORK):
            self.faults.append(TooManySteps(step.at, limit=MAX_STEPS))
            self.stopped = True

    def is_room(self, nodes: int, work: int) -> bool:
        """Whether so much more is not too much yet."""
        return len(self.nodes) + nodes < MAX_STEPS and self.work + work < MAX_WORK

    def is_too_much(self, step: Step, least: Least) -> bool:
        """Whether a row cannot but come to more than is walked: it is told before."""
        if len(self.nodes) + least.nodes <= MAX_STEPS and self.work + least.work <= MAX_WORK:
            return False
        self.faults.append(TooManySteps(step.at, limit=MAX_STEPS))
        self.stopped = True
        return True

    def is_too_deep(self, step: Step, frame: Frame) -> bool:
        """Whether bodies stand deeper in each other than is walked, which is told."""
        if frame.depth < MAX_NESTED:
            return False
        self.faults.append(TooDeeplyNested(step.at, limit=MAX_NESTED))
        self.stopped = True
        return True
