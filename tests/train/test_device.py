"""What choosing a device does to the process."""

from collections.abc import Iterator

import pytest
import torch

from archspec.train.device import pick_device


@pytest.fixture
def _as_before() -> Iterator[None]:
    if not torch.set_flush_denormal(False):
        pytest.skip("this CPU always computes with denormal numbers")
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("_as_before")
def test_on_a_cpu_what_is_too_small_is_0() -> None:
    small = torch.full((4,), 1e-20)
    assert (small * small != 0).all()
    pick_device("cpu")
    assert (small * small == 0).all()
