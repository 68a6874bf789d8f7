"""Where a network is trained: the device, found by name."""

import torch

from archspec.train.errors import TrainError


def pick_device(wanted: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one, else the CPU.

    On CUDA, deterministic convolutions are chosen: the same seed gives the same training, as far
    as PyTorch's other kernels allow it. On a CPU, numbers too small to be normal (below 1.2e-38)
    count as 0: with them, steps whose gradients vanish would take ten times as long. Threads that
    PyTorch has started before do not know of it. Raises TrainError for a device that is not there.
    """
    available = torch.cuda.is_available()
    if wanted == "auto":
        wanted = "cuda" if available else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise TrainError(f"no device {wanted!r}: auto, cpu or cuda", exit_code=2) from error
    if device.type not in {"cpu", "cuda"}:
        raise TrainError(f"no device {wanted!r}: auto, cpu or cuda", exit_code=2)
    if device.type == "cuda" and not (
        available and (device.index or 0) < torch.cuda.device_count()
    ):
        raise TrainError(f"no device {wanted!r} on this machine", exit_code=2)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
    else:
        torch.set_flush_denormal(True)
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is what PyTorch raises where memory does not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # on a CPU


def pick_amp(wanted: str, device: torch.device) -> str:
    """off, bf16 or fp16: what `auto` stands for on this device, or `wanted` itself.

    auto is bf16 where the hardware computes with it, fp16 on older GPUs, and off on other CPUs,
    where it would be slower. Raises TrainError for fp16 on a CPU, which has no gain and overflows.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16" if native else "fp16") if wanted == "auto" else wanted
    if wanted == "fp16":
        raise TrainError("amp fp16 is for GPUs: bf16 or auto on a CPU", exit_code=2)
    return ("bf16" if _cpu_has_bf16() else "off") if wanted == "auto" else wanted


def _cpu_has_bf16() -> bool:
    # Newer releases of PyTorch tell.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
