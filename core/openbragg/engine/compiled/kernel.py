"""Compiled code: a shared library that sums blocks of pixels, run without the compiler that made it.

The library is what PyTorch's ahead-of-time compiler (AOTInductor) writes. It is called through its C interface, which
leaves Python free meanwhile, so that every core can work on a block of its own.
"""

from __future__ import annotations

import ctypes
import re
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from openbragg.errors import OpenBraggError

#: Compiled code, or what stands for it: takes all tensors together, and gives tensors.
Run = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]
#: Pixels of a block come in such multiples, so that no vector of a processor is filled in part.
PIXEL_MULTIPLE = 16
#: What their axis is called.
PIXELS = "pixel"
#: Models of one library that may run at the same time.
_MOST_THREADS = 256
#: A length that may be any, or any multiple of a number.
_ANY = re.compile(r"(?:(\d+)<=)?(?:(\d+)\*)?([A-Za-z_]\w*)(?:<=(\d+))?")


class KernelError(OpenBraggError):
    """Compiled code that cannot be loaded, does not fit its arguments, or failed."""


class Kernel:
    """A compiled function of tensors.

    Parameters
    ----------
    library
        The shared library.
    shapes
        Of every argument: a number where the code was made for that length, a word where any will do, the same
        wherever the word stands; ``16*word`` for multiples, ``3<=word<=9`` for some lengths only.
    dtypes
        Of every argument, as torch writes them.
    outputs
        How many tensors it gives.
    threads
        How many calls may be under way at once.

    Raises
    ------
    KernelError
        When the library cannot be loaded.
    """

    def __init__(
        self, library: Path, shapes: Sequence[Sequence[int | str]], dtypes: Sequence[str], outputs: int, threads: int
    ) -> None:
        self.shapes, self.dtypes, self._outputs = shapes, dtypes, outputs
        try:
            self._library = ctypes.CDLL(str(library))
            self._run = self._library.AOTInductorModelContainerRun
            make = self._library.AOTInductorModelContainerCreateWithDevice
            delete = self._library.AOTInductorModelContainerDelete
        except (OSError, AttributeError) as error:
            raise KernelError(f"{library.name}: {error}") from None
        self._container = ctypes.c_void_p()
        made = make(ctypes.byref(self._container), ctypes.c_size_t(min(max(1, threads), _MOST_THREADS)), b"cpu", None)
        if made != 0:
            raise KernelError(f"{library.name}: no model in it")
        # A long-lived program may make many.
        weakref.finalize(self, delete, self._container).atexit = False

    def check(self, arguments: Sequence[torch.Tensor]) -> None:
        """See that the code was made for such arguments.

        Raises
        ------
        KernelError
            When it was not.
        """
        if not fits(self.shapes, self.dtypes, arguments):
            raise KernelError("the compiled code was made for other shapes")

    def __call__(self, arguments: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Run it on contiguous tensors that `check` accepted; other threads go on meanwhile.

        Raises
        ------
        KernelError
            When it fails, for want of memory say; the reason is on stderr.
        """
        capsules = torch._C._aoti.unsafe_alloc_void_ptrs_from_tensors(list(arguments))
        inputs = (ctypes.c_void_p * len(capsules))(*map(_address, capsules))
        outputs = (ctypes.c_void_p * self._outputs)()
        failed = self._run(
            self._container,
            inputs,
            ctypes.c_size_t(len(capsules)),
            outputs,
            ctypes.c_size_t(self._outputs),
            None,
            None,
        )
        if failed:
            raise KernelError("compiled code failed")
        return tensors_of(outputs)


def tensors_of(handles: Iterable[int | None]) -> list[torch.Tensor]:
    """The tensors of handles that compiled code has made, and that end with this."""
    # Torch's function for a single one leaves the handle behind, and with it the memory for good.
    tensors: list[torch.Tensor] = torch._C._aoti.alloc_tensors_by_stealing_from_void_ptrs(
        [_capsule(handle) for handle in handles]
    )
    return tensors


def fits(shapes: Sequence[Sequence[int | str]], dtypes: Sequence[str], arguments: Sequence[torch.Tensor]) -> bool:
    """Whether tensors have the shapes and dtypes that a `Kernel` was made for."""
    if len(arguments) != len(shapes):
        return False
    lengths: dict[str, int] = {}
    for shape, dtype, argument in zip(shapes, dtypes, arguments, strict=True):
        if str(argument.dtype) != dtype or argument.dim() != len(shape):
            return False
        if not all(_matches(expected, length, lengths) for expected, length in zip(shape, argument.shape, strict=True)):
            return False
    return True


def _matches(expected: int | str, length: int, lengths: dict[str, int]) -> bool:
    """Whether a length is the expected one; `lengths` has those that words stand for, and gets new ones."""
    # A number that only turned out to be one while the code was made comes as a word.
    if not isinstance(expected, str) or expected.isdecimal():
        return int(expected) == length
    found = _ANY.fullmatch(expected)
    # A sum or product of words: the code was made for lengths that hang together in a way that is not looked into.
    if found is None:
        return False
    if not int(found[1] or 0) <= length <= int(found[4] or length):
        return False
    count, rest = divmod(length, int(found[2] or 1))
    return rest == 0 and lengths.setdefault(found[3], count) == count


def _address(capsule: object) -> int | None:
    pointer: int | None = _pointer_in(capsule, None)
    return pointer


def _capsule(handle: int | None) -> Any:
    return _new_capsule(handle, None, None)


_pointer_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
