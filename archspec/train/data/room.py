"""How much room there is, in memory and on a disk."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LIMITS = (  # of a container: control groups, version 2 and 1
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def available_memory() -> int:
    """The bytes that can be had without swapping; a container's limit counts."""
    bounds = [_of_machine()]
    for path in LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number: there is no limit
            bounds.append(int(path.read_text()))
    return min(bounds)


def _of_machine() -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) << 10
    return 4 << 30  # no telling: what a small machine has


def free_disk(folder: Path) -> int:
    """The bytes that can be written to `folder`, which need not exist yet; 0 if there are none."""
    with suppress(OSError):
        there = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
        return shutil.disk_usage(there).free if os.access(there, os.W_OK) else 0
    return 0
