"""Known answers: files as they are found, and where their pixels and crystals are.

Those of DIALS and XDS were found by dxtbx 3.12 from the same files.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import run
from geometry_texts import turn
from openbragg import Geometry, InputError, UsageError, read_geometry

#: Metres; what dxtbx printed has all digits.
ROUNDING = 1e-12

#: Panels in a group within a group, and one beside it; the middle of three goniometer axes is scanned.
GROUP = {
    "fast_axis": [0.9997500937109546, 0.019995001874219095, 0.009997500937109547],
    "slow_axis": [0.01968511515508322, -0.9993503440248557, 0.030189172541389555],
    "origin": [-50.0, 60.0, -200.0],
    "children": [
        {
            "fast_axis": [0.9950371902099893, 0.09950371902099893, 0.0],
            "slow_axis": [-0.09755266570686169, 0.9755266570686169, 0.1970563847278606],
            "origin": [3.0, -4.0, 5.0],
            "children": [{"panel": 0}],
        },
        {"panel": 1},
    ],
}
EXPT: dict[str, Any] = {
    "__id__": "ExperimentList",
    "experiment": [{"beam": 0, "detector": 0, "goniometer": 0, "scan": 0, "crystal": 0}],
    "imageset": [],
    "beam": [{"direction": [0.01, 0.02, 1.0], "wavelength": 0.9795}],
    "detector": [
        {
            "panels": [
                {
                    "name": "p1",
                    "fast_axis": [0.009999500037496877, 0.9999500037496877, 0.0],
                    "slow_axis": [-0.9997500537389398, 0.009997500537389398, 0.019997000574886275],
                    "origin": [10.0, 1.0, 2.0],
                    "raw_image_offset": [0, 20],
                    "image_size": [30, 20],
                    "pixel_size": [0.1, 0.1],
                    "mask": [],
                },
                {
                    "name": "p2",
                    "fast_axis": [0.9578262852211514, 0.0, 0.28734788556634544],
                    "slow_axis": [0.0, 1.0, -0.0],
                    "origin": [-20.0, 0.0, 7.0],
                    "raw_image_offset": [0, 40],
                    "image_size": [15, 25],
                    "pixel_size": [0.1, 0.1],
                    "mask": [[1, 2, 3, 4]],
                },
            ],
            "hierarchy": GROUP,
        }
    ],
    "goniometer": [
        {
            "axes": [
                [1.0, 0.0, 0.0],
                [0.9434563530497265, 0.10482848367219183, 0.3144854510165755],
                [0.9999500037496877, 0.009999500037496877, 0.0],
            ],
            "angles": [10.0, 20.0, 30.0],
            "names": ["phi", "kappa", "omega"],
            "scan_axis": 1,
        }
    ],
    "scan": [{"image_range": [3, 12], "oscillation": [5.0, 0.1], "exposure_time": [0.0] * 10}],
    "crystal": [
        {
            "real_space_a": [30.0, 1.0, 2.0],
            "real_space_b": [3.0, 40.0, 4.0],
            "real_space_c": [-1.0, 2.0, 50.0],
            "space_group_hall_symbol": " P 1",
        }
    ],
}
#: dxtbx's laboratory coordinates, in mm, of points (fast, slow) in pixels of the two panels.
EXPT_POINTS = [
    (0, (0.0, 0.0), [-37.083021480218825, 62.46316946679736, -207.0984380494317]),
    (0, (3.5, 7.25), [-37.82884962151504, 62.17189668441545, -207.18225660283213]),
    (0, (30.0, 1.0), [-37.38149447454819, 59.51997786438558, -207.6069034495809]),
    (1, (0.0, 0.0), [-69.92083940428205, 59.39020617967491, -207.1964094467656]),
    (1, (15.0, 1.0), [-68.47792399466967, 59.30607463824766, -207.6098305449696]),
]
#: The spindle, and the matrix of a*, b*, c* (columns) after 0.3 radians of phi, in 1/angstrom.
EXPT_SPINDLE = [0.9451564925295828, -0.06518546431343222, 0.3200469651026535]
EXPT_TURNED = [
    [0.033449805520436554, -0.0027452320266813583, 0.00013809252341527166],
    [0.0010910868719965472, 0.01466354706038443, -0.01778531567132223],
    [-0.0007672033427612051, 0.02030039673440661, 0.009537836481413674],
]
PILATUS = """! of a beamline
DETECTOR=PILATUS MINIMUM_VALID_PIXEL_VALUE=0 OVERLOAD=1048500
DIRECTION_OF_DETECTOR_X-AXIS= 1.0 0.0 0.0
DIRECTION_OF_DETECTOR_Y-AXIS= 0.0 1.0 0.0
SENSOR_THICKNESS=0.32 SILICON= 4
UNTRUSTED_RECTANGLE= 487  495     0 2528
UNTRUSTED_RECTANGLE=   0 2464   195  213
NY=2527 NX=2463 QX=0.17200 QY=0.17200
ORGX=1279.1 ORGY=1235.3
ROTATION_AXIS= 1.0 0.0 0.0
DETECTOR_DISTANCE=190.18
X-RAY_WAVELENGTH=0.979500
OSCILLATION_RANGE=0.200
INCIDENT_BEAM_DIRECTION=0.0 0.0 1.0
FRACTION_OF_POLARIZATION=0.99
POLARIZATION_PLANE_NORMAL=0.0 1.0 0.0
FRIEDEL'S_LAW=FALSE
NAME_TEMPLATE_OF_DATA_FRAMES=/data/NX=3/x_????.cbf
STARTING_ANGLE=10.000 STARTING_FRAME=1
UNIT_CELL_CONSTANTS=42.45 42.45 39.80 90.00 90.00 90.00
SPACE_GROUP_NUMBER=89
DATA_RANGE=11 900
"""
GEOM = """; a detector of two halves
photon_energy = 9.3 keV
adu_per_photon = 10
max_adu = 14000
clen = 80 mm
coffset = 0.001
res = 10000
rigid_group_all = top,low
bad_corner/min_fs = 0
bad_corner/max_fs = 3
bad_corner/min_ss = 0
bad_corner/max_ss = 1
bad_corner/panel = top
badbeam/min_x = -3
badbeam/max_x = 3
badbeam/min_y = -3
badbeam/max_y = 3
top/min_fs = 0
top/max_fs = 19
top/min_ss = 0
top/max_ss = 9
top/fs = x
top/ss = -0.6y + 0.8z
top/corner_x = -10.5
top/corner_y = 20.25
low/min_fs = 0
low/max_fs = 19
low/min_ss = 10
low/max_ss = 14
low/fs = -y
low/ss = 1.0x
low/corner_x = 4
low/corner_y = -6
low/coffset = 2 mm
"""


def read(tmp_path: Path, text: str, name: str = "file", **options: Any) -> Geometry:
    path = tmp_path / name
    path.write_text(text)
    return read_geometry(path, **options)


# ------------------------------------------------------------------------------------------------------------ DIALS


def test_panels_in_groups_lie_where_dxtbx_puts_them(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(EXPT))
    for panel, pixel, wanted in EXPT_POINTS:
        np.testing.assert_allclose(found.panels[panel].position(*pixel), np.array(wanted) * 1e-3, atol=ROUNDING, rtol=0)
    assert [(panel.name, panel.slab) for panel in found.panels] == [("p1", (20, 0)), ("p2", (40, 0))]
    assert found.gaps == ((1, 2, 42, 43),)
    np.testing.assert_allclose(found.beam, -np.array([0.01, 0.02, 1.0]) / math.hypot(0.01, 0.02, 1.0), atol=1e-15)


def test_a_crystal_is_held_by_the_axes_inside_and_outside_the_scanned_one(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(EXPT))
    np.testing.assert_allclose(found.spindle, EXPT_SPINDLE, atol=1e-14)
    columns = turn(EXPT_SPINDLE, math.degrees(0.3)) @ np.array(found.reciprocal_vectors).T * 1e-10
    np.testing.assert_allclose(columns, EXPT_TURNED, atol=1e-14)
    assert found.start == pytest.approx(math.radians(5.0))
    assert (found.images, found.exposure, found.space_group) == (10, None, "P 1")


def test_a_scan_of_newer_dials_is_read(tmp_path: Path) -> None:
    scan = {"image_range": [1, 3], "properties": {"oscillation": [20.0, 20.25, 20.5], "exposure_time": [0.1] * 3}}
    found = read(tmp_path, json.dumps({**EXPT, "scan": [scan]}))
    assert (found.start, found.oscillation) == pytest.approx((math.radians(20.0), math.radians(0.25)))
    assert found.exposure == 0.1


def test_an_experiment_is_chosen_by_its_number(tmp_path: Path) -> None:
    other = {"direction": [0.0, 0.0, 1.0], "wavelength": 1.5}
    experiments = [EXPT["experiment"][0], {"beam": 1, "detector": 0}]
    text = json.dumps({**EXPT, "experiment": experiments, "beam": [*EXPT["beam"], other]})
    first, second = read(tmp_path, text), read(tmp_path, text, experiment=1)
    assert first.wavelength == pytest.approx(0.9795e-10)
    assert second.wavelength == pytest.approx(1.5e-10)
    assert second.reciprocal_vectors is None and first.reciprocal_vectors is not None
    assert "2 experiments; number 1 is taken" in second.notices[0]
    with pytest.raises(InputError, match=r"file: there is no experiment 2: the list has 2, from 0 on"):
        read(tmp_path, text, experiment=2)
    words = ("-geometry", tmp_path / "file", "-default_F", "1", "-cell", "30", "-floatfile", tmp_path / "out.bin")
    finished = run("simulate", *words, "-expt_number", "2")
    assert (finished.status, len(finished.complaints())) == (1, 1)
    finished = run("simulate", *words, "-expt_number", "1", "-N", "1")
    assert "number 1 is taken" in finished.err


#: A panel askew to everything, the same goniometer, a monoclinic crystal, and what DIALS predicts in half a degree:
#: h k l, where its reflection is (fast, slow) in pixels, and phi in degrees.
ASKEW = {
    **EXPT,
    "beam": [{"direction": [0.009997500937109546, 0.01999500187421909, 0.9997500937109545], "wavelength": 1.2}],
    "detector": [
        {
            "panels": [
                {
                    "fast_axis": [0.9948402116491737, 0.019896804232983473, 0.09948402116491738],
                    "slow_axis": [0.01691990156090692, -0.99938609395006, 0.030678203180942783],
                    "origin": [-38.0, 52.0, -130.0],
                    "image_size": [420, 500],
                    "pixel_size": [0.2, 0.2],
                }
            ]
        }
    ],
    "scan": [{"image_range": [1, 1], "oscillation": [5.0, 0.5]}],
    "crystal": [
        {
            "real_space_a": [35.17376282581613, 24.75527538169613, -13.228104529736127],
            "real_space_b": [-28.975757052852735, 49.92180802647809, 16.37738033329886],
            "real_space_c": [19.81539413309574, -10.498647266294892, 67.060633466498],
            "space_group_hall_symbol": " P 2y",
        }
    ],
}
PREDICTED = [
    ((4, -10, 24), (418.15259623, 485.877225777), 5.19215388563193),
    ((11, -5, 5), (389.316887662, 244.691682067), 5.120889382272453),
    ((7, -1, -2), (274.875255153, 207.156733745), 5.2432227414989985),
    ((14, 4, -9), (318.706433857, 60.051461487), 5.119867529923628),
    ((2, 16, -17), (15.149476013, 25.799763613), 5.050427510934332),
]


@pytest.mark.parametrize(("index", "pixel", "phi"), PREDICTED)
def test_reflections_are_where_dials_predicts_them(
    tmp_path: Path, index: tuple[int, ...], pixel: tuple[float, float], phi: float
) -> None:
    """Detector, beam, goniometer, scan and crystal together: a pixel's h k l with the crystal turned to phi."""
    found = read(tmp_path, json.dumps(ASKEW))
    place = np.array(found.panels[0].position(*pixel))
    assert found.wavelength is not None and found.spindle is not None
    scattering = (place / np.linalg.norm(place) - np.array(found.beam)) / found.wavelength
    columns = turn(found.spindle, phi) @ np.array(found.reciprocal_vectors).T
    # Pixels were printed with nine digits after the point.
    np.testing.assert_allclose(np.linalg.solve(columns, scattering), index, atol=1e-8)


# -------------------------------------------------------------------------------------------------------------- XDS


def test_an_xds_inp_of_a_beamline(tmp_path: Path) -> None:
    """ORGX counts from the middle of the first pixel, which is 1: its first corner is at 0.5."""
    found = read(tmp_path, PILATUS, "XDS.INP")
    (panel,) = found.panels
    np.testing.assert_allclose(panel.origin, [-0.2199192, -0.2123856, 0.19018], atol=ROUNDING, rtol=0)
    assert panel.pixels == (2527, 2463)
    # Ends are left out, and pixels counted from 1.
    assert found.gaps == ((487, 493, 0, 2526), (0, 2462, 195, 211))
    assert (found.images, found.saturation, found.space_group) == (890, 1048500.0, "P 4 2 2")
    assert found.start == pytest.approx(math.radians(10.0 + 0.2 * 10))
    assert found.attenuation_length == pytest.approx(0.25e-3)
    assert (found.sensor_thickness, found.sensor_material) == (pytest.approx(0.32e-3), "Si")
    assert found.cell == pytest.approx((42.45e-10, 42.45e-10, 39.8e-10, *[math.pi / 2] * 3))
    assert found.reciprocal_vectors is None


def test_xparm_agrees_with_dxtbx(tmp_path: Path) -> None:
    """A refined detector of one segment, in XDS' own frame; dxtbx finds the same but for the turn into its own."""
    text = """ XPARM.XDS    VERSION March 30, 2013
     1       82.0000    0.1500  0.999997 -0.001590 -0.001580
       0.976250       0.001608       0.004392       1.024317
    75     57.7831     57.7831    150.0135  90.000  90.000  90.000
     -14.918090     -22.358297      51.151196
     -19.858326      51.608330      16.766487
    -135.447952     -34.400188     -54.539391
         1      2463      2527    0.172000    0.172000
    1224.856812    1187.870972     264.928955
       1.000000       0.000000       0.000000
       0.000000       1.000000       0.000000
       0.000000       0.000000       1.000000
         1         1      2463         1      2527
    0.00    0.00    0.00  1.00000  0.00000  0.00000  0.00000  1.00000  0.00000
"""
    found = read(tmp_path, text)
    origin = [-(1224.856812 - 0.5) * 0.172e-3, -(1187.870972 - 0.5) * 0.172e-3, 0.264928955]
    np.testing.assert_allclose(found.panels[0].origin, origin, atol=ROUNDING, rtol=0)
    assert found.spindle == pytest.approx((0.999997, -0.00159, -0.00158), abs=1e-6)
    real = np.linalg.inv(np.array(found.reciprocal_vectors)).T * 1e10
    np.testing.assert_allclose(real[0], [-14.918090, -22.358297, 51.151196], atol=1e-9)
    assert found.space_group == "P 4"


def test_segments_are_placed_in_the_detectors_own_axes(tmp_path: Path) -> None:
    """By hand: the detector is turned by a quarter about the beam, and its second half moved by 2 and 1 pixels."""
    text = (
        "NX= 20 NY= 10 QX= 0.1 QY= 0.1 ORGX= 8 ORGY= 5 DETECTOR_DISTANCE= 100 X-RAY_WAVELENGTH= 1\n"
        "DIRECTION_OF_DETECTOR_X-AXIS= 0 1 0 DIRECTION_OF_DETECTOR_Y-AXIS= -1 0 0\n"
        "SEGMENT= 1 10 1 10\n"
        "SEGMENT= 11 20 1 10 SEGMENT_ORGX= 2 SEGMENT_ORGY= 1 SEGMENT_DISTANCE= 3\n"
    )
    one, other = read(tmp_path, text).panels
    # Along the detector's x: (0.5 - 8) and (10.5 - 2 - 8) pixels; along y (0.5 - 5) and (0.5 - 1 - 5).
    np.testing.assert_allclose(one.origin, [0.45e-3, -0.75e-3, 0.1], atol=ROUNDING)
    np.testing.assert_allclose(other.origin, [0.55e-3, 0.05e-3, 0.103], atol=ROUNDING)
    assert (one.fast, one.slow) == ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0))
    assert (one.slab, other.slab) == ((0, 0), (0, 10))


# --------------------------------------------------------------------------------------------------------- CrystFEL


def test_a_crystfel_geometry_by_hand(tmp_path: Path) -> None:
    """Corners are those of the first pixel, in pixels; slow pixels of the first panel run down and back."""
    found = read(tmp_path, GEOM)
    top, low = found.panels
    np.testing.assert_allclose(top.origin, [-1.05e-3, 2.025e-3, 0.081], atol=ROUNDING)
    np.testing.assert_allclose(low.origin, [0.4e-3, -0.6e-3, 0.082], atol=ROUNDING)
    np.testing.assert_allclose(top.position(0.5, 5.5), [-1.0e-3, 1.695e-3, 0.08144], atol=ROUNDING)
    np.testing.assert_allclose(low.position(2.0, 1.0), [0.5e-3, -0.8e-3, 0.082], atol=ROUNDING)
    assert (top.pixels, low.pixels, low.slab) == ((10, 20), (5, 20), (10, 0))
    # Of the second bad region, in x and y, only the lower panel has pixels, which begin at x = 4: none.
    assert found.gaps == ((0, 3, 0, 1),)
    assert found.wavelength == pytest.approx(12398.4198e-10 / 9300, rel=1e-8)
    assert found.saturation == 14000
    assert found.notices == ()


def test_what_a_crystfel_file_leaves_to_the_data_is_asked_for(tmp_path: Path) -> None:
    elsewhere = GEOM.replace("clen = 80 mm", "clen = /entry/z").replace("9.3 keV", "/entry/energy eV")
    with pytest.raises(InputError, match=r"it is at /entry/z in the data\): give it with -clen"):
        read(tmp_path, elsewhere)
    found = read(tmp_path, elsewhere, camera_length=0.08)
    assert found.panels == read(tmp_path, GEOM).panels
    assert found.wavelength is None
    assert found.wavelength_note == "photon_energy is at /entry/energy eV in the data"
    (tmp_path / "file").write_text(elsewhere)
    words = ("-geometry", tmp_path / "file", "-default_F", "1", "-cell", "30", "-floatfile", tmp_path / "out.bin")
    assert run("simulate", *words).status == 1
    assert run("simulate", *words, "-clen", "80", "-lambda", "1.3").status == 0


def test_defaults_count_for_panels_that_come_after_them(tmp_path: Path) -> None:
    text = GEOM.replace("low/min_fs", "coffset = 0.005\nlow/min_fs").replace("low/coffset = 2 mm\n", "")
    top, low = read(tmp_path, text).panels
    assert (top.origin[2], low.origin[2]) == pytest.approx((0.081, 0.085))


def test_parts_of_data_of_three_dimensions_are_put_below_each_other(tmp_path: Path) -> None:
    """The second panel has the same pixels of another part; a bad region of it goes with it."""
    text = GEOM.replace("top/min_fs", "dim0 = %\ndim1 = 0\ndim2 = ss\ndim3 = fs\ntop/min_fs")
    text = text.replace("low/min_ss = 10\nlow/max_ss = 14", "low/dim1 = 1\nlow/min_ss = 0\nlow/max_ss = 4")
    found = read(tmp_path, text.replace("bad_corner/panel = top", "bad_corner/panel = low"))
    assert [panel.slab for panel in found.panels] == [(0, 0), (10, 0)]
    assert found.gaps == ((0, 3, 10, 11),)


def test_a_shift_moves_the_whole_detector(tmp_path: Path) -> None:
    moved, still = read(tmp_path, "detector_shift_x = 3 mm\n" + GEOM), read(tmp_path, GEOM)
    for there, here in zip(moved.panels, still.panels, strict=True):
        np.testing.assert_allclose(np.subtract(there.origin, here.origin), [3e-3, 0, 0], atol=ROUNDING)


# ------------------------------------------------------------------------------------------------------------- both


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    said = r"is no geometry file that an installed reader recognises; installed: crystfel, crystfel-cell, expt, xds-inp"
    with pytest.raises(InputError, match=said):
        read(tmp_path, "hello\n")


def test_two_readers_that_recognise_a_file_leave_the_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openbragg_plugins.geometry_readers.crystfel import CrystFel

    monkeypatch.setattr(CrystFel, "recognises", classmethod(lambda cls, beginning, name: True))
    with pytest.raises(UsageError, match="recognised by crystfel and xds-inp: choose one with -geometry_reader"):
        read(tmp_path, PILATUS)
    assert read(tmp_path, PILATUS, reader="xds-inp").panels
