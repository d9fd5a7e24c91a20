"""Shows the fields that `openbragg.option` declares with what their declarations say: help, flag, unit, default.

A griffe extension: it reads the source, and imports nothing of it. It also brings docstrings into the form that is
expected of them: the star of a*, b* and c* is no emphasis, names that share a description get one each, and what is
returned has the type that the function declares. A class whose docstring has parameters gets the constructor that attrs
makes of its fields, those of its bases too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import griffe

#: The star of a reciprocal vector, outside of code.
_STAR = re.compile(r"(`[^`]*`)|(?<=\b[abc])\*")
#: Names that share the indented description below them.
_SHARED = re.compile(r"(?m)^(\w+(?:, \w+)+)\n((?:(?:    .*)?(?:\n|\Z))+)")
#: A paragraph that says what is returned, without a type.
_RETURNED = re.compile(r"(?m)^(Returns\n-+\n)((?:\S.*(?:\n|\Z))+)(?=\n|\Z)")
#: The head of a docstring's section of parameters.
_PARAMETERS = re.compile(r"(?m)^Parameters\n-+$")


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

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Give classes of attrs their constructors, now that their bases are known."""
        for found in _classes(pkg):
            if found.docstring and _PARAMETERS.search(found.docstring.value) and "__init__" not in found.members:
                found.set_member("__init__", _constructor(found))


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    for member in module.members.values():
        if isinstance(member, griffe.Class):
            yield member
        elif isinstance(member, griffe.Module):
            yield from _classes(member)


def _constructor(cls: griffe.Class) -> griffe.Function:
    """What attrs makes of the public fields of a class and its bases, the bases first."""
    made = griffe.Parameters()
    for owner in (*reversed(cls.mro()), cls):
        for name, member in owner.members.items():
            if not isinstance(member, griffe.Attribute) or name.startswith("_") or member.annotation is None:
                continue
            given = _given(member)
            keyword = given.get("kw_only") == "True"
            kind = griffe.ParameterKind.keyword_only if keyword else griffe.ParameterKind.positional_or_keyword
            made.add(griffe.Parameter(name, annotation=member.annotation, kind=kind, default=given.get("default")))
    return griffe.Function("__init__", parameters=made, lineno=cls.lineno, endlineno=cls.endlineno)


def _given(field: griffe.Attribute) -> dict[str, str]:
    """The arguments of ``attrs.field(...)`` as they stand in the source, and the default of a plain field."""
    if field.value is None:
        return {}
    call = ast.parse(str(field.value), mode="eval").body
    if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "attrs.field"):
        return {"default": str(field.value)}
    words = {word.arg: word.value for word in call.keywords if word.arg}
    given = {name: ast.unparse(value) for name, value in words.items()}
    default = words.get("default")
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "cast":
        given["default"] = ast.unparse(default.args[1])
    return given


def _indented(lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines.splitlines())


def _text(node: ast.expr | None) -> str:
    """A string that stands in the source, pieces joined; empty where it is no string."""
    try:
        value = ast.literal_eval(node) if node is not None else ""
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
