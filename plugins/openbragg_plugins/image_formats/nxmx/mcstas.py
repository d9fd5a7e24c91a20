"""The laboratory of NeXus files: McStas's axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Laboratory

#: A spindle closer to the beam than this, as a sine, gives no direction across it.
_ALONG = 1e-6


def mcstas_axes(laboratory: Laboratory) -> np.ndarray[Any, Any]:
    """McStas's x, y and z axes in OpenBragg's laboratory: rows, a rotation, float64, shape (3, 3).

    z runs along the beam. NeXus has y against gravity, of which a laboratory of OpenBragg knows nothing; here x is
    taken against the part of the spindle that is across the beam, so that DIALS, whose x is McStas's turned round,
    finds a spindle across the beam along its x. Where the laboratory's axes lie along the beam and the spindle, the
    matrix only exchanges axes and turns some round, without any rounding. Source: NeXus manual, coordinate systems.
    """
    import numpy as np

    beam = _unit(np.array(laboratory.beam.tolist()))
    across = _across(np.array(laboratory.spindle.tolist()), beam)
    if float(np.linalg.norm(across)) < _ALONG:
        # Any direction will do.
        across = _across(np.eye(3)[int(np.abs(beam).argmin())], beam)
    x = -_unit(across)
    # Adding nothing makes a 0 of -0.
    return np.array([x, np.cross(beam, x), beam]) + 0.0


def turned(axes: np.ndarray[Any, Any], vector: Any) -> np.ndarray[Any, Any]:
    """A vector (3,) of the laboratory, a tensor, along McStas's axes."""
    import numpy as np

    found: np.ndarray[Any, Any] = axes @ np.array(vector.tolist()) + 0.0
    return found


def _across(vector: np.ndarray[Any, Any], beam: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    part: np.ndarray[Any, Any] = vector - (vector @ beam) * beam
    return part


def _unit(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    length = float(np.linalg.norm(vector))
    return vector if length == 1.0 else vector / length
