"""Help for torch's compiler to fuse the terms with their sums.

The compiler joins the two loops over evaluations and orientations into one wherever an operation allows it, and then
cannot fuse that operation with a sum over the orientations, whose loops are two. Where much is used more than once, in
looking amplitudes up and above all in the gradient, this would send arrays of all terms through memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Beyond so many, as where each term interpolates between 64 reflections, laying loops out anew takes minutes.
_MOST_OPERATIONS = 64
#: Loops over evaluations, of which there are two where these come in rows.
_MOST_OUTER = 2


def loops_apart() -> Callable[[list[Any]], list[Any]] | None:
    """A pass over the compiler's plan that keeps those loops apart, or None where this torch knows none such.

    It acts before anything is fused, on loops alone and by the compiler's own means: what is computed stays the same.
    """
    try:
        from sympy import expand, prod
        from torch._inductor.scheduler import SchedulerNode
    except ImportError:
        return None

    def separated(nodes: list[Any]) -> list[Any]:
        operations = [node for node in nodes if isinstance(node, SchedulerNode)]
        nests = {
            prod([*outer, *inner])
            for outer, inner in (node._sizes for node in operations if node.is_reduction())
            if len(outer) <= _MOST_OUTER and len(inner) == 1
        }
        for nest in nests:
            terms = [
                node for node in operations if not node.is_reduction() and expand(prod(node._sizes[0]) - nest) == 0
            ]
            joined = [node for node in terms if len(node._sizes[0]) == 1]
            if len(joined) > _MOST_OPERATIONS:
                continue
            for node in joined:
                _separate(node)
            # Where others are joined in other ways, as layers and subpixels with rows of pixels are, none is.
            if len({tuple(map(str, node._sizes[0])) for node in terms}) > 1 and len(terms) <= _MOST_OPERATIONS:
                for node in terms:
                    _separate(node)
        return nodes

    return separated


def _separate(node: Any) -> None:
    """Lay a node's loops out anew; an index expression of each loop variable alone keeps them from being joined."""
    ranges: dict[Any, Any] = {}
    formulas: list[Any] = []

    def noted(sizes: Any, body: Any, variables: Any) -> tuple[Any, Any, Any]:
        ranges.update(body.var_ranges)
        formulas.extend(variables[0])
        return sizes, body, variables

    node.recompute_size_and_body(extra_indexing_constraints=(ranges, formulas), recompute_sizes_body_func=noted)
