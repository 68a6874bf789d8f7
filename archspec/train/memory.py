"""Memory that a step gives back is kept for the next one."""

import ctypes

# The parameters of glibc's mallopt, from its malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; True where the C library (glibc) can be told so.

    Left to itself, glibc gives large blocks back to the system at once. The gradients of a large
    layer are such blocks: in every step, all their pages would be asked for and zeroed anew. The
    most memory that is ever in use stays the same; what is no longer used stays with the process.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another library has none, Windows not even None
        return False
    from_heap = mallopt(M_MMAP_MAX, 0)  # no block is a mapping of its own, however large
    return bool(from_heap and mallopt(M_TRIM_THRESHOLD, -1))  # and the heap does not shrink
