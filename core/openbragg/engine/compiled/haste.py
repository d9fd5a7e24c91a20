"""Torch's compiler without work that our code does not need; the code itself stays the same, byte for byte.

Where torch has not the parts that are changed here, it works as it always does. Where the C++ compiler refuses what
comes of it, the code is made again without (`compiler_refused`, `probing_again`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

#: What the wrapper around compiled code includes.
HEADER = Path(__file__).with_name("wrapper.h")
#: Instead of what; of another device it is another.
_TORCH_S = "torch/csrc/inductor/aoti_include/cpu.h"
_hasty: ContextVar[bool] = ContextVar("hasty", default=False)


@contextmanager
def hastened() -> Iterator[None]:
    """Within this, torch's compiler does less."""
    _rules_once()
    _header_replaced()
    before = _hasty.set(True)
    try:
        yield
    finally:
        _hasty.reset(before)


@contextmanager
def cycles_left() -> Iterator[None]:
    """Let Python not look for cycles while a program is compiled, which makes many objects that stay."""
    # Whoever finds this off leaves it to whoever turned it off.
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def hasty_settings() -> dict[str, Any]:
    """Settings of the compiler, of those that this torch has.

    The C++ compiler shows itself whether it knows the processor's vectors, which is not tried before; what the user has
    told torch about them is heeded. Nobody looks for the lines of code that is not kept.
    """
    from torch._inductor import config

    settings: dict[str, Any] = {}
    if getattr(config.cpp, "vec_isa_ok", False) is None:
        settings["cpp.vec_isa_ok"] = True
    if hasattr(config.aot_inductor, "enable_line_tables"):
        settings["aot_inductor.enable_line_tables"] = False
    return settings


def compiler_refused(error: BaseException) -> bool:
    """Whether an error is the C++ compiler's."""
    return compiler_error(error) is not None


def compiler_error(error: BaseException) -> BaseException | None:
    """The error of the C++ compiler from which another one came."""
    from torch._inductor.exc import CppCompileError

    found: BaseException | None = error
    while found is not None and not isinstance(found, CppCompileError):
        found = found.__cause__ or found.__context__
    return found


def probing_again() -> None:
    """Forget which vectors the C++ compiler was said to know, so that torch tries it."""
    try:
        from torch._inductor.cpu_vec_isa import supported_vec_isa_list, valid_vec_isa_list
    except ImportError:
        return
    for known in (valid_vec_isa_list, *(type(isa).__bool__ for isa in supported_vec_isa_list)):
        forget = getattr(known, "cache_clear", None)
        if forget is not None:
            forget()


@lru_cache(maxsize=1)
def _rules_once() -> None:
    """Make torch's one object with the rules of dtypes when there are new rules, not for every operation of a loop."""
    try:
        from torch._inductor.codegen.common import pointwise_overrides_data
        from torch._inductor.dtype_propagation import DtypePropagationOpsHandler
        from torch._inductor.utils import op_dtype_propagation_rules
    except ImportError:
        return
    handler: Any = DtypePropagationOpsHandler
    if not hasattr(handler, "_instance"):
        return
    make = handler.__init__
    made = (0, 0)

    @wraps(make)
    def make_for_new_rules(self: Any) -> None:
        nonlocal made
        rules = len(op_dtype_propagation_rules), len(pointwise_overrides_data)
        if rules != made:
            make(self)
            made = rules

    handler.__init__ = make_for_new_rules


@lru_cache(maxsize=1)
def _header_replaced() -> None:
    """Let the wrapper around our code include our header; that of others' code includes torch's."""
    from torch._inductor import codecache

    module: Any = codecache
    header_of = getattr(module, "_get_cpp_wrapper_header", None)
    if header_of is None:
        return

    @wraps(header_of)
    def chosen(*args: Any, **named: Any) -> Any:
        header = header_of(*args, **named)
        return str(HEADER) if _hasty.get() and header == _TORCH_S else header

    module._get_cpp_wrapper_header = chosen
