"""How the channels change from one iteration of a repeated step to the next."""

from dataclasses import dataclass

from archspec.targets.torch.fold import add_up, atom, free_names, substitute, terms_of


@dataclass(frozen=True)
class Passes:
    """How the channels go through the iterations of a repeated step.

    `placeholder` stands for what arrives at one iteration, `result` is what leaves it.
    """

    placeholder: str
    result: str
    first: str
    times: str
    index: str
    loop: tuple[str, ...]

    def arriving(self) -> str | None:
        """What arrives at an iteration; None where that takes a variable."""
        if self.result in (self.placeholder, self.first):
            return self.first
        if self._is_steady():
            return f"{atom(self.first)} if {self.index} == 0 else {atom(self.result)}"
        return self.growing()

    def growing(self) -> str | None:
        """What arrives at an iteration where each adds the same; None where they do not."""
        step = self._growth()
        return None if step is None else add_up([self.first, _multiple(self.index, step)])

    def out(self) -> str | None:
        """What leaves the last iteration."""
        if self.result == self.placeholder:
            return self.first
        if self._is_steady():
            return self.result
        step = self._growth()
        return None if step is None else add_up([self.first, _multiple(self.times, step)])

    def _is_steady(self) -> bool:
        return not free_names(self.result) & {self.placeholder, *self.loop}

    def _growth(self) -> str | None:
        """What every iteration adds, None where that is not the same."""
        terms = terms_of(self.result)
        if terms.pop(self.placeholder, 0) != 1:
            return None
        rest = add_up(
            [f"{count} * ({term})" if term else str(count) for term, count in terms.items()]
        )
        return None if free_names(rest) & {self.placeholder, *self.loop} else rest


def _multiple(times: str, step: str) -> str:
    plain = step.isidentifier() or step.isdigit()
    return substitute(f"{times} * {step if plain else f'({step})'}", {})
