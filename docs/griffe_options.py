"""Shows the fields that `openbragg.option` declares with what their declarations say: help, flag, unit, default.

A griffe extension: it reads the source, and imports nothing of it. It also keeps the star of a*, b* and c* from being
read as emphasis.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

#: The star of a reciprocal vector, outside of code.
_STAR = re.compile(r"(`[^`]*`)|(?<=\b[abc])\*")


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

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Keep stars in any docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _STAR.sub(lambda found: found[1] or r"\*", obj.docstring.value)


def _text(node: ast.expr | None) -> str:
    """A string that stands in the source, pieces joined; empty where it is no string."""
    try:
        value = ast.literal_eval(node) if node is not None else ""
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
