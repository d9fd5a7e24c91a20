"""Arithmetic in a recipe: values that depend on others, and nothing else that Python can do."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from openbragg import InputError, quoted

_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
}
_UNARY: dict[type, Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
_CONSTANTS = {"pi": math.pi}
#: Letters of an expression; what is longer is no formula.
_LONGEST = 500
#: How deep an expression may be nested.
_DEEPEST = 50


@attrs.frozen
class Expression:
    """A formula of numbers, names, + - * / // % **, brackets and a few functions.

    Attributes
    ----------
    text
        As it stands in the recipe.
    names
        The values that it needs. A flag is named without its dash.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr = attrs.field(repr=False, eq=False)

    def value(self, known: Mapping[str, Any]) -> float:
        """The number that comes out.

        Raises
        ------
        InputError
            When a value is no number, or nothing comes out.
        """
        try:
            number = _evaluate(self._tree, known)
            if not math.isfinite(number):
                raise ValueError("it is not finite")
        except (ArithmeticError, ValueError, TypeError) as error:
            raise InputError(f"expression {quoted(self.text)}: {error}") from None
        return number


def parse(text: str) -> Expression:
    """Read an expression.

    Raises
    ------
    InputError
        When there is more in it than arithmetic.
    """
    if len(text) > _LONGEST:
        raise InputError(f"expression {quoted(text)}: longer than {_LONGEST} letters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"expression {quoted(text)}: expected arithmetic, such as '0.5 * distance'") from None
    names: dict[str, None] = {}
    _check(tree, text, names, 0)
    return Expression(text, tuple(names), tree)


def _check(node: ast.expr, text: str, names: dict[str, None], depth: int) -> None:
    if depth > _DEEPEST:
        raise InputError(f"expression {quoted(text)}: nested too deep")
    children: list[ast.expr]
    match node:
        case ast.Constant(value=bool() | None):
            allowed, children = False, []
        case ast.Constant(value=int() | float()):
            allowed, children = True, []
        case ast.Name(id=name):
            allowed, children = True, []
            if name not in _CONSTANTS:
                names[name] = None
        case ast.BinOp(left=left, op=op, right=right):
            allowed, children = type(op) in _BINARY, [left, right]
        case ast.UnaryOp(op=op, operand=operand):
            allowed, children = type(op) in _UNARY, [operand]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            allowed, children = name in _FUNCTIONS, args
        case _:
            allowed, children = False, []
    if not allowed:
        part = ast.unparse(node)
        raise InputError(
            f"expression {quoted(text)}: {quoted(part)} is no arithmetic; there are + - * / // % **, "
            f"{', '.join(_FUNCTIONS)} and pi"
        )
    for child in children:
        _check(child, text, names, depth + 1)


def _evaluate(node: ast.expr, known: Mapping[str, Any]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            value = _CONSTANTS.get(name, known.get(name))
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} is no number")
            return float(value)
        case ast.BinOp(left=left, op=op, right=right):
            return float(_BINARY[type(op)](_evaluate(left, known), _evaluate(right, known)))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_evaluate(operand, known))
        case ast.Call(func=ast.Name(id=name), args=args):
            return float(_FUNCTIONS[name](*(_evaluate(part, known) for part in args)))
    raise AssertionError(ast.dump(node))
