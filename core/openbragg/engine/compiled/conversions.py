"""Conversions between float64, float32 and integers that stay in a processor's registers, for code that torch makes.

`conversions.h` has them, and the reasons. It stands in each file of the code after torch's own header; the installed
torch stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from openbragg.engine.compiled.haste import compiler_error

#: The header.
HEADER = Path(__file__).with_suffix(".h")
#: After which line it comes.
_AFTER = "#include <torch/csrc/inductor/cpp_prefix.h>\n"
#: What the C++ compiler calls the code after the header.
_REST = "kernel.cpp"


def conversions_included() -> Callable[[list[Any]], list[Any]]:
    """A pass over the compiler's plan that puts the header into its C++ code, where that begins as known.

    Only the object that writes this plan's code is changed: nothing else that is compiled meanwhile has the header.
    """
    header = f'#line 1 "{HEADER.name}"\n{HEADER.read_text(encoding="utf-8")}\n#line 1 "{_REST}"\n'

    def included(nodes: list[Any]) -> list[Any]:
        for writer in _writers(nodes):
            writer.define_kernel = partial(_defined, writer.define_kernel, header)
        return nodes

    return included


def conversions_refused(error: BaseException) -> bool:
    """Whether an error is the C++ compiler's, who names the header."""
    found = compiler_error(error)
    return found is not None and HEADER.name in str(found)


def _writers(nodes: list[Any]) -> list[Any]:
    """What writes C++ of these operations."""
    import torch

    schedulers = {id(node.scheduler): node.scheduler for node in nodes if hasattr(node, "scheduler")}
    found = [each.get_backend(torch.device("cpu")) for each in schedulers.values() if hasattr(each, "get_backend")]
    return [writer for writer in found if hasattr(writer, "define_kernel")]


def _defined(define: Callable[..., Any], header: str, code: str, *others: Any, **named: Any) -> Any:
    """What torch does with code, the header in it."""
    before, after, rest = code.partition(_AFTER)
    return define(before + after + header + rest if after else code, *others, **named)
