"""How weights begin, where a recipe has its own mind about it."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import init

Scheme = Callable[[Tensor], Tensor]

SCHEMES: dict[str, Scheme] = {
    "kaiming_normal": partial(init.kaiming_normal_, nonlinearity="relu"),
    "kaiming_uniform": partial(init.kaiming_uniform_, nonlinearity="relu"),
    "xavier_normal": init.xavier_normal_,
    "xavier_uniform": init.xavier_uniform_,
    "orthogonal": init.orthogonal_,
}


def initialise(network: nn.Module, scheme: str) -> None:
    """Draw the weights of all convolutions and linear layers anew; their biases become 0.

    `network` leaves what the network's own constructor did. kaiming keeps the variance of what goes
    forward through ReLUs, 2 / fan_in (He et al. 2015); xavier that of both ways on average, 2 /
    (fan_in + fan_out) (Glorot & Bengio 2010); orthogonal keeps lengths (Saxe et al. 2014).
    """
    if scheme == "network":
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            SCHEMES[scheme](module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
