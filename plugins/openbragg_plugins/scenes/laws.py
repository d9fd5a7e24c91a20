"""Twin laws: the words that say them, and the crystal that they make."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

import attrs

from openbragg import InputError, Rule, quoted

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal

_TERM = re.compile(r"([+-]?)(?:(\d{1,3})(?:/([1-9]\d{0,2}))?\*?)?([hkl])")
#: Of a matrix of whole numbers or small fractions, a smaller determinant is none.
_SINGULAR = 1e-9
#: So much may a law change lengths and angles of the lattice that it is said to be one of.
_MISFIT = 0.1
#: Newton's steps until a matrix that nearly is a rotation is one.
_STEPS = 12


def rows_of(law: str) -> list[list[Fraction]] | None:
    """The rows of a law, which give the new h, k and l from the old; None for words that are none."""
    rows = []
    for part in law.replace(" ", "").split(","):
        row = [Fraction(0)] * 3
        place = 0
        while place < len(part):
            term = _TERM.match(part, place)
            if term is None or (place > 0 and not term[1]):
                return None
            size = Fraction(int(term[2] or 1), int(term[3] or 1))
            row["hkl".index(term[4])] += -size if term[1] == "-" else size
            place = term.end()
        rows.append(row)
    return rows if len(rows) == 3 and abs(_determinant(rows)) > _SINGULAR else None


LAW = Rule('a twin law such as "-h,-k,l"', lambda law: isinstance(law, str) and rows_of(law) is not None)


def matrix_of(law: str) -> torch.Tensor:
    """The matrix of a law, which acts on a column of h, k and l: float64, (3, 3)."""
    import torch

    rows = rows_of(law)
    assert rows is not None  # the rule of the option
    return torch.tensor([[float(each) for each in row] for row in rows], dtype=torch.float64)


def twinned_crystal(crystal: Crystal, law: torch.Tensor) -> Crystal:
    """The second domain of a twin: it lies so that its reflection ``law @ (h k l)`` is where h k l of the first is.

    Then a, b and c of the second, as rows, are ``law @`` those of the first. Where the lattice has that symmetry by
    accident and not quite, the second is turned by the rotation nearest to it and keeps its cell.

    Raises
    ------
    InputError
        When the law is no operation of the lattice.
    """
    import torch

    from openbragg import turned_crystal

    vectors = crystal.oriented_vectors()
    # Column vectors x of the laboratory become `moved` @ x.
    moved = torch.linalg.solve(vectors, law @ vectors).T
    misfit = float((moved.T @ moved - torch.eye(3, dtype=torch.float64)).detach().abs().max())
    if misfit > _MISFIT:
        raise InputError(
            f"the twin law is no operation of this lattice: it would change lengths by up to {misfit / 2.0:.0%}"
        )
    for _ in range(_STEPS):
        moved = 1.5 * moved - 0.5 * moved @ moved.T @ moved
    if float(torch.linalg.det(moved.detach())) > 0.0:
        return turned_crystal(crystal, moved)
    return turned_crystal(_inverted(crystal), -moved)


def _inverted(crystal: Crystal) -> Crystal:
    """The crystal through the origin: its reflection -h -k -l is where h k l was."""
    import torch

    mounted = attrs.evolve(crystal, misset=None).oriented_vectors()
    return attrs.evolve(crystal, cell=None, reciprocal_vectors=-torch.linalg.inv(mounted).T)


def _determinant(rows: list[list[Fraction]]) -> Fraction:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def law_or_refuse(law: object, where: str) -> torch.Tensor:
    """The matrix of a law that a file says.

    Raises
    ------
    InputError
        With the place.
    """
    if not LAW.accepts(law):
        raise InputError(f"{where}: expected {LAW.text}, got {quoted(law)}")
    return matrix_of(str(law))
