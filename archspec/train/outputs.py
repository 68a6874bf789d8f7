"""What a network's outputs are, found by looking at them, and the loss that suits them."""

from collections.abc import Callable
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

TOLERANCE = 1e-4  # of a sum that should be 1
NUM_TRIED = 4  # random pictures


class Outputs(Enum):
    """What stands in a network's output [N, classes]; the value is its name for people."""

    SCORES = "scores"
    PROBABILITIES = "probabilities"
    LOG_PROBABILITIES = "logarithms of probabilities"

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """The logarithm of every class's probability [N, classes]."""
        return _LOGARITHMS[self](outputs)

    def losses(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Each picture's cross-entropy [N] with its label in `labels` [N].

        With `smoothing` ε the target is 1 − ε of the label and ε of all classes evenly (Szegedy
        et al. 2016, section 7).
        """
        logarithms = self.log_probabilities(outputs)
        own = F.nll_loss(logarithms, labels, reduction="none")
        if not smoothing:
            return own
        return (1 - smoothing) * own - smoothing * logarithms.mean(dim=1)


def _of_scores(outputs: Tensor) -> Tensor:
    return F.log_softmax(outputs, dim=1)


def _of_probabilities(outputs: Tensor) -> Tensor:
    # A probability may have been rounded to 0, and one such picture would make the loss infinite.
    return outputs.clamp(min=torch.finfo(outputs.dtype).tiny).log()


def _of_logarithms(outputs: Tensor) -> Tensor:
    return outputs


_LOGARITHMS: dict[Outputs, Callable[[Tensor], Tensor]] = {
    Outputs.SCORES: _of_scores,
    Outputs.PROBABILITIES: _of_probabilities,
    Outputs.LOG_PROBABILITIES: _of_logarithms,
}


def recognise(network: nn.Module, input_shape: tuple[int, int, int]) -> Outputs:
    """What `network`, on the CPU, puts out for a few random pictures of this input (C, H, W).

    A closing softmax may be a module, a function or an operator, and one in the middle is none of
    the loss's business: so the numbers are asked, not the code. Leaves the network and the global
    generators as they were; raises whatever the network raises.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.empty(NUM_TRIED, *input_shape).uniform_(-1, 1, generator=generator)
    was_training = network.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        outputs = network.eval()(images)
    network.train(was_training)
    if _are_shares(outputs):
        return Outputs.PROBABILITIES
    return Outputs.LOG_PROBABILITIES if _are_shares(outputs.exp()) else Outputs.SCORES


def _are_shares(values: Tensor) -> bool:
    """Whether every row is of numbers from 0 that add up to 1."""
    return bool((values >= 0).all() and ((values.sum(dim=1) - 1).abs() <= TOLERANCE).all())


def as_outputs(result: Tensor | tuple[Tensor | None, ...]) -> tuple[Tensor, ...]:
    """What a network gives back as a tuple: its scores, then those of its auxiliary heads."""
    if isinstance(result, Tensor):
        return (result,)
    return tuple(output for output in result if output is not None)
