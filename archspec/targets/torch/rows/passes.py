"""How the channels change from one iteration of a repeated step to the next."""

from dataclasses import dataclass

from archspec.targets.python.arithmetic import add_up, free_names, product, simplify, terms_of
from archspec.targets.python.tree import Binary, Compare, Conditional, Expr, Literal, Name


@dataclass(frozen=True)
class Passes:
    """How the channels go through the iterations of a repeated step.

    `placeholder` stands for what arrives at one iteration, `result` is what leaves it.
    """

    placeholder: str
    result: Expr
    first: Expr
    times: Expr | None
    index: str
    loop: tuple[str, ...]

    def arriving(self) -> Expr | None:
        """What arrives at an iteration; None where that takes a variable."""
        if self.result in (Name(self.placeholder), self.first):
            return self.first
        if self._is_steady():
            is_first = Compare((Name(self.index), Literal(0)), ("==",))
            return Conditional(is_first, self.first, self.result)
        return self.growing()

    def growing(self) -> Expr | None:
        """What arrives at an iteration where each adds the same; None where they do not."""
        step = self._growth()
        return None if step is None else add_up([self.first, _multiple(Name(self.index), step)])

    def out(self) -> Expr | None:
        """What leaves the last iteration."""
        if self.result == Name(self.placeholder):
            return self.first
        if self._is_steady():
            return self.result
        step = self._growth()
        if step is None or self.times is None:
            return None
        return add_up([self.first, _multiple(self.times, step)])

    def _is_steady(self) -> bool:
        return not free_names(self.result) & {self.placeholder, *self.loop}

    def _growth(self) -> Expr | None:
        """What every iteration adds, None where that is not the same."""
        terms = terms_of(self.result)
        if terms.pop(Name(self.placeholder), 0) != 1:
            return None
        rest = add_up(
            Literal(count) if term is None else Binary(Literal(count), "*", term)
            for term, count in terms.items()
        )
        return None if free_names(rest) & {self.placeholder, *self.loop} else rest


def _multiple(times: Expr, step: Expr) -> Expr:
    if isinstance(times, Literal):
        return simplify(product(times, step))
    return simplify(Binary(times, "*", step))
