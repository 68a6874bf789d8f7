"""The learning rate of every step: a pure function, so that a resumed run needs no memory of it."""

from collections.abc import Sequence
from math import cos, floor, inf, pi

from archspec.train.recipe import Constant, Cosine, Exponential, OneCycle, Schedule, Step


def learning_rate(
    schedule: Schedule, lr: float, step: int, steps_per_epoch: int, epochs: int
) -> float:
    """The learning rate of a step, counted from 0, in a run of `epochs` epochs.

    Warm-up takes round(`warmup` · `steps_per_epoch`) = n steps: step s has (s + 1) / (n + 1) of the
    rate that the schedule has at step n. Steps and powers count epochs from the start of the run,
    so milestones mean what they say; cosine and one cycle span what is left after the warm-up and
    would reach their end at the step after the last.
    """
    warmup = min(round(schedule.warmup * steps_per_epoch), steps_per_epoch * epochs)
    if step < warmup:
        top = _scheduled(schedule, lr, warmup, warmup, steps_per_epoch, epochs)
        return top * (step + 1) / (warmup + 1)
    return _scheduled(schedule, lr, step, warmup, steps_per_epoch, epochs)


def _scheduled(
    schedule: Schedule, lr: float, step: int, warmup: int, steps_per_epoch: int, epochs: int
) -> float:
    """The rate after `warmup` steps of warm-up."""
    span = max(steps_per_epoch * epochs - warmup, 1)
    along = min((step - warmup) / span, 1.0)
    match schedule:
        case Constant():
            return lr
        case Step(gamma=gamma, every=None, milestones=milestones):
            return lr * _power(gamma, _passed(step, milestones, steps_per_epoch))
        case Step(gamma=gamma, every=float(every)):
            # Half a step early, so that what falls between two steps is rounded.
            return lr * _power(gamma, floor((step + 0.5) / (every * steps_per_epoch)))
        case Exponential(gamma=gamma):
            return lr * _power(gamma, step / steps_per_epoch)
        case Cosine(final=final):
            return _between(lr, lr * final, along)
        case OneCycle():
            return _one_cycle(schedule, lr, along)
        case _:
            raise TypeError(f"no learning rate comes from {type(schedule).__name__}")


def _one_cycle(schedule: OneCycle, lr: float, along: float) -> float:
    rise = schedule.rise
    if along < rise:
        return _between(lr * schedule.start, lr, along / rise)
    return _between(lr, lr * schedule.final, (along - rise) / (1 - rise) if rise < 1 else 0.0)


def _passed(step: int, milestones: Sequence[float], steps_per_epoch: int) -> int:
    return sum(step + 0.5 >= milestone * steps_per_epoch for milestone in milestones)


def _power(gamma: float, exponent: float) -> float:
    try:
        return float(gamma**exponent)
    except OverflowError:
        return inf  # of which the training will say that it has diverged


def _between(begin: float, end: float, along: float) -> float:
    """The way from `begin` to `end`, `along` from 0 to 1, on half a cosine."""
    return end + (begin - end) * (1 + cos(pi * along)) / 2
