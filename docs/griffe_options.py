"""Shows the fields that `openbragg.option` declares with what their declarations say: help, flag, unit, default.

A griffe extension: it reads the source, and imports nothing of it. It also brings docstrings into the form that is
expected of them: the star of a*, b* and c* is no emphasis, names that share a description get one each, and what is
returned has the type that the function declares.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

#: The star of a reciprocal vector, outside of code.
_STAR = re.compile(r"(`[^`]*`)|(?<=\b[abc])\*")
#: Names that share the indented description below them.
_SHARED = re.compile(r"(?m)^(\w+(?:, \w+)+)\n((?:(?:    .*)?(?:\n|\Z))+)")
#: A paragraph that says what is returned, without a type.
_RETURNED = re.compile(r"(?m)^(Returns\n-+\n)((?:\S.*(?:\n|\Z))+)(?=\n|\Z)")


class Options(griffe.Extension):
    """Gives a class attribute `name = option("-flag", help=...)` a docstring and its default."""

    def on_attribute_instance(self, *, node: Any, attr: griffe.Attribute, **_: Any) -> None:
        """Describe an option."""
        call = getattr(node, "value", None)
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "option":
            return
        given = {word.arg: word.value for word in call.keywords}
        words = [_text(given.get("help"))]
        flag = _text(call.args[0]) if call.args else ""
        if flag:
            unit = _text(given.get("unit"))
            words.append(f"Flag `{flag}`, in {unit} there." if unit else f"Flag `{flag}`.")
        attr.value = ast.unparse(given["default"]) if "default" in given else "None"
        attr.docstring = griffe.Docstring(" ".join(filter(None, words)), parent=attr)

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Bring a docstring into form."""
        if obj.docstring is None:
            return
        text = obj.docstring.value.replace("::\n\n", ":\n\n")
        text = _STAR.sub(lambda found: found[1] or r"\*", text)
        text = _SHARED.sub(lambda found: "".join(f"{name}\n{found[2]}\n" for name in found[1].split(", ")), text)
        if isinstance(obj, griffe.Function) and obj.returns is not None:
            text = _RETURNED.sub(lambda found: f"{found[1]}{obj.returns}\n{_indented(found[2])}", text)
        obj.docstring.value = text


def _indented(lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines.splitlines())


def _text(node: ast.expr | None) -> str:
    """A string that stands in the source, pieces joined; empty where it is no string."""
    try:
        value = ast.literal_eval(node) if node is not None else ""
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
