"""The arithmetic limit of the machine: what it multiplies and adds in a second, and what a term takes at least.

A term of the square shape with whole structure factors is counted as a kernel would have to evaluate it, each line in
operations that a processor does for as many numbers at once as it does multiply-adds:

========= ===== ================================================================================================
float64       9 h, k, l: three products of q with a cell vector
float64       6 nearest index and offset from it: rounding, difference; three axes
float64       9 N times the offset less its own nearest integer: product, rounding, difference; three axes
float32       6 both arguments of three axes in single precision: conversions
float32      42 two sines an axis, each a square, a polynomial of five multiply-adds and a product
float32       6 sign, and the limit where the denominator is 0; three axes
float32      12 the products above and below the line, one division, counted as eight
float32       3 F_latt squared, times F_cell squared, added to the sum
========= ===== ================================================================================================

In double precision all is float64 and nothing is converted. Loads, stores, loops, q itself and the search for F_cell
are left out, and the multiply-adds are those of a matrix product, which no kernel of this kind reaches: the limit is a
bound from below on the time, good for telling a kernel that is near it from one that is far.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import STDOUT, run

FLOAT64_OPERATIONS = 24
FLOAT32_OPERATIONS = 69
DOUBLE_OPERATIONS = 87
#: Rows of the matrices, a multiple of every vector's length; their blocks stay in a core's cache.
_ROWS = 384
_SECONDS = 0.2


@attrs.frozen
class Throughput:
    """Multiply-adds a second on all threads together."""

    float32: float
    float64: float

    def terms_per_second(self, precision: str) -> float:
        """Terms of the square shape that the machine could evaluate in a second, at most."""
        if precision == "double":
            return self.float64 / DOUBLE_OPERATIONS
        return 1.0 / (FLOAT64_OPERATIONS / self.float64 + FLOAT32_OPERATIONS / self.float32)


def measure_throughput(threads: int, folder: Path) -> Throughput:
    """Measure in a process of its own, in which every thread multiplies matrices of its own.

    The library's own threads would wait for each other, so that one that has to share its core would stop all.
    """
    variables = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = {**dict.fromkeys(variables, "1"), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    run((sys.executable, "-m", "benchmarks.limit", str(threads)), folder, environment, timeout=60.0)
    return Throughput(**json.loads((folder / STDOUT).read_text(encoding="utf-8")))


def _rate(dtype: type) -> float:
    """Multiply-adds a second in products of matrices of a type on this thread: the median of what fits in a moment."""
    left: NDArray[Any] = np.linspace(0.0, 1.0, _ROWS * _ROWS).reshape(_ROWS, _ROWS).astype(dtype)
    product = np.empty_like(left)
    spent: list[float] = []
    np.matmul(left, left, out=product)
    while sum(spent) < _SECONDS:
        begin = time.perf_counter()
        np.matmul(left, left, out=product)
        spent.append(time.perf_counter() - begin)
    return _ROWS**3 / median(spent)


def _rates(threads: int) -> dict[str, float]:
    with ThreadPoolExecutor(threads) as pool:
        return {
            name: sum(pool.map(_rate, [dtype] * threads))
            for name, dtype in (("float32", np.float32), ("float64", np.float64))
        }


if __name__ == "__main__":
    print(json.dumps(_rates(int(sys.argv[1]))))
