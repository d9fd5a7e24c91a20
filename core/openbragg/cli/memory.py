"""The memory of a process that goes through many images."""

from __future__ import annotations

import ctypes

#: Options of mallopt, in malloc.h; the largest value that the first one takes, and as much as arrays of an image need.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_ARRAY, _KEPT_FREE = 1 << 25, 1 << 28


def keep_freed_memory() -> None:
    """Have the memory of one image serve the next: given back in between, it would be cleared anew for every array.

    Only the C library of GNU can be told so; elsewhere nothing happens.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    tell(_MMAP_THRESHOLD, _LARGEST_ARRAY)
    tell(_TRIM_THRESHOLD, _KEPT_FREE)
