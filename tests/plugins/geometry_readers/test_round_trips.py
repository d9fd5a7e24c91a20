"""Every reader finds pixels, beam, spindle and crystal where the writers of `geometry_texts` put them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geometry_texts as texts
from geometry_corpora import KNOWN
from openbragg import Geometry, read_geometry
from openbragg.testing import check_geometry_reader
from openbragg_plugins.geometry_readers.crystfel import CrystFel
from openbragg_plugins.geometry_readers.expt import Expt
from openbragg_plugins.geometry_readers.xds_inp import XdsInp
from openbragg_plugins.geometry_readers.xparm import Xparm

#: Metres: rounding of numbers of a tenth of a metre, a few times over.
ROUNDING = 1e-13
READERS: dict[str, tuple[Any, Callable[[texts.Described], bytes]]] = {
    "expt": (Expt(), texts.expt),
    "xds-inp": (XdsInp(), texts.xds_inp),
    "xparm": (Xparm(), texts.xparm),
    "crystfel": (CrystFel(), texts.geom),
}
each = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", READERS)
def test_readers_keep_the_contract(name: str) -> None:
    reader, write = READERS[name]
    check_geometry_reader(reader, {"good": write(KNOWN)})


@pytest.mark.parametrize("name", READERS)
def test_files_come_to_their_reader(tmp_path: Path, name: str) -> None:
    path = tmp_path / "some file"
    path.write_bytes(READERS[name][1](KNOWN))
    assert read_geometry(path) == read_geometry(path, reader=name) == READERS[name][0].read(path)


def same_place(found: Geometry, known: texts.Described) -> None:
    assert [panel.pixels for panel in found.panels] == [panel.pixels[::-1] for panel in known.panels]
    for panel, wanted in zip(found.panels, known.panels, strict=True):
        for fast, slow in ((0.0, 0.0), (0.5, 0.5), (wanted.pixels[0], 3.25), (7.5, wanted.pixels[1])):
            np.testing.assert_allclose(panel.position(fast, slow), wanted.at(fast, slow) * 1e-3, atol=ROUNDING, rtol=0)
        if len(found.panels) > 1:
            assert panel.slab == wanted.first[::-1]
    np.testing.assert_allclose(found.beam, known.beam, atol=ROUNDING)
    assert found.wavelength == pytest.approx(known.wavelength * 1e-10, rel=1e-12)
    assert found.saturation in (65535.0, None)


def same_crystal(found: Geometry, known: texts.Described) -> None:
    assert found.spindle is not None and found.start is not None and found.oscillation is not None
    np.testing.assert_allclose(found.spindle, known.spindle, atol=ROUNDING)
    assert math.degrees(found.start) == pytest.approx(known.start, abs=1e-11)
    assert math.degrees(found.oscillation) == pytest.approx(known.width, abs=1e-11)
    # a* . a = 1, a* . b = 0 and so on, whatever the frame.
    np.testing.assert_allclose(np.array(found.reciprocal_vectors) @ known.axes.T * 1e-10, np.eye(3), atol=1e-12)
    assert found.space_group.replace(" ", "") in ("P1211", "P121")


@given(known=texts.described())
@each
def test_xds_inp_round_trip(tmp_path: Path, known: texts.Described) -> None:
    (tmp_path / "XDS.INP").write_bytes(texts.xds_inp(known))
    found = read_geometry(tmp_path / "XDS.INP")
    same_place(found, known)
    same_crystal(found, known)
    assert (found.images, found.polarization_fraction, found.polarization_normal) == (10, 0.75, (0.0, 1.0, 0.0))


@given(known=texts.described())
@each
def test_xparm_round_trip(tmp_path: Path, known: texts.Described) -> None:
    (tmp_path / "GXPARM.XDS").write_bytes(texts.xparm(known))
    found = read_geometry(tmp_path / "GXPARM.XDS")
    same_place(found, known)
    same_crystal(found, known)


@given(known=texts.described(most_panels=1))
@each
def test_old_xparm_round_trip(tmp_path: Path, known: texts.Described) -> None:
    (tmp_path / "XPARM.XDS").write_bytes(texts.old_xparm(known))
    found = read_geometry(tmp_path / "XPARM.XDS")
    same_place(found, known)
    same_crystal(found, known)


@given(known=texts.described(), angle=st.floats(-180, 180), grouped=st.booleans())
@each
def test_expt_round_trip(tmp_path: Path, known: texts.Described, angle: float, grouped: bool) -> None:
    root = texts.turn([1, -2, 0.5], angle) if grouped else None
    (tmp_path / "a.expt").write_bytes(texts.expt(known, root=root, shift=(3.0, -20, 7) if grouped else (0, 0, 0)))
    found = read_geometry(tmp_path / "a.expt")
    same_place(found, known)
    same_crystal(found, known)
    assert (found.images, found.exposure, found.polarization_fraction) == (10, 0.2, 0.75)
    assert found.attenuation_length == pytest.approx(1e-3 / 3.5)
    assert found.sensor_thickness == pytest.approx(0.32e-3)


@given(known=texts.described(beam=(0, 0, 1)))
@each
def test_crystfel_round_trip(tmp_path: Path, known: texts.Described) -> None:
    (tmp_path / "a.geom").write_bytes(texts.geom(known))
    found = read_geometry(tmp_path / "a.geom")
    same_place(found, known)
    assert (found.spindle, found.start, found.reciprocal_vectors) == (None, None, None)
