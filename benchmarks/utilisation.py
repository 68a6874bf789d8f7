"""How much of a GPU's arithmetic a training makes use of: its model FLOP/s utilisation (MFU)."""

import re

# Dense bf16 products with fp32 sums, in operations a second: NVIDIA's data sheets of each card,
# halved where they tell the figure of sparse matrices. The first pattern that is found counts.
PEAKS = {
    r"\bH200 NVL\b": 835.5e12,
    r"\bH200\b": 989.4e12,
    r"\bH100 NVL\b": 835.5e12,
    r"\bH100 PCIe\b": 756.5e12,
    r"\bH100\b.*\bHBM3\b": 989.4e12,
    r"\bA100\b": 312e12,
    r"\bL40S\b": 362e12,
    r"\bL4\b": 121e12,
    r"\bA10\b": 125e12,
}


def peak(device_name: str) -> float | None:
    """A device's bf16 operations a second; None where they are not known, or for a part of one."""
    if "MIG" in device_name:
        return None
    found = (value for pattern, value in PEAKS.items() if re.search(pattern, device_name))
    return next(found, None)


def mfu(macs: int, images_per_second: float, peak: float | None) -> float | None:
    """The share of the peak that training a network of `macs` a picture makes use of.

    3 × 2 × MACs × images/s ÷ peak: a multiplication and an addition are two operations, and a
    backward pass, with gradients of inputs and of weights, counts as two forward ones
    (Chowdhery et al. 2022, appendix B). The first layer has no gradient of its input: for AlexNet
    that is 3 % too much.
    """
    if peak is None:
        return None
    return 3 * 2 * macs * images_per_second / peak
