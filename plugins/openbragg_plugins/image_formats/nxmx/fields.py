"""Groups and numbers as NeXus has them."""

from __future__ import annotations

from typing import Any


def group(parent: Any, name: str, kind: str) -> Any:
    """A group of a NeXus class."""
    made = parent.create_group(name)
    made.attrs["NX_class"] = kind
    return made


def put_axis(parent: Any, name: str, value: Any, unit: str, kind: str, vector: Any, depends_on: str) -> Any:
    """An axis of a chain of transformations: by how much, about or along which vector, and on what it stands."""
    import numpy as np

    made = put_number(parent, name, value, unit)
    made.attrs["transformation_type"] = kind
    made.attrs["vector"] = np.asarray(vector, dtype=np.float64)
    made.attrs["depends_on"] = depends_on
    return made


def put_number(parent: Any, name: str, value: Any, unit: str) -> Any:
    """A number, or several, with their unit."""
    import numpy as np

    made = parent.create_dataset(name, data=np.asarray(value, dtype=np.float64))
    made.attrs["units"] = unit
    return made
