"""Cores share the pieces of a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_threads(
    work: Callable[[tuple[int, int]], Result], pieces: list[tuple[int, int]], device: torch.device, threads: int
) -> Iterator[Result]:
    """Do pieces of work in so many threads; on a GPU, whose queue is one, in turn.

    Each piece is one thread's: torch's own threads would wait for each other, and for cores that are taken.
    """
    threads = min(threads, len(pieces))
    if device.type != "cpu":
        yield from map(work, pieces)
        return
    with operations_in_one_thread():
        if threads <= 1:
            yield from map(work, pieces)
            return
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                yield from pool.map(work, pieces)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


@contextmanager
def operations_in_one_thread() -> Iterator[None]:
    """Keep torch's threads, which would wait for more work and turn in circles, out of the way of ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
