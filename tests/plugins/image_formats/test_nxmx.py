"""NXmx: the shared properties, read back with h5py, and the geometry against known answers."""

import io
import os
import subprocess
import sys
from pathlib import Path

import attrs
import h5py
import hdf5plugin
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from command_line import SMALL, run
from openbragg import Detector, Levels, LinkedImages, Scan, Series, read_images
from openbragg.testing import check_image_format, make_image
from openbragg_plugins.image_formats.nxmx.format import NXmx
from openbragg_plugins.image_formats.nxmx.mcstas import mcstas_axes


def written(image, **options) -> h5py.File:
    stream = io.BytesIO()
    NXmx(**options).write(stream, image)
    return h5py.File(stream, "r")


def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    with h5py.File(io.BytesIO(data), "r") as file:
        return file["/entry/data/data"][0]


@pytest.mark.parametrize("compression", ["bslz4", "gzip", "none"])
def test_nxmx_keeps_the_contract_of_an_image_format(compression: str) -> None:
    check_image_format(NXmx(compression=compression), read, expected=lambda image: image.pixels)


def test_types_are_those_of_the_content_or_as_asked_and_clipped() -> None:
    pixels = np.array([[0.0, 70000.0, 3.6]])
    image = make_image(pixels, "counts")
    assert written(image)["/entry/data/data"].dtype == np.uint32
    assert written(make_image(pixels.astype(np.float32)))["/entry/data/data"].dtype == np.float32
    short = written(image, pixel_type="uint16")
    assert short["/entry/data/data"][0].tolist() == [[0, 65533, 4]]
    assert short["/entry/instrument/detector/saturation_value"][()] == 65533
    assert NXmx(pixel_type="uint16").overloads(image) == 1


def test_geometry_units_and_chains_are_those_of_the_experiment() -> None:
    """The beam along x and the spindle along z of the laboratory are McStas's z and -x; 100 mm, pixels of 0.1 mm."""
    image = make_image(np.zeros((4, 6)), "counts")
    turning = attrs.evolve(image.experiment, scan=Scan(range=0.01))
    file = written(attrs.evolve(image, experiment=turning))
    detector = file["/entry/instrument/detector"]
    module = detector["module"]
    assert file["/entry/definition"][()] == b"NXmx"
    assert file["/entry/instrument/beam/incident_wavelength"][()] == pytest.approx(1.0, abs=1e-15)
    assert file["/entry/instrument/beam/incident_wavelength"].attrs["units"] == "angstrom"
    assert module["fast_pixel_direction"].attrs["vector"].tolist() == [-1.0, 0.0, 0.0]
    assert module["slow_pixel_direction"].attrs["vector"].tolist() == [0.0, -1.0, 0.0]
    assert module["fast_pixel_direction"][()] == 1e-4
    np.testing.assert_allclose(module["module_offset"].attrs["offset"], [3e-4, 2e-4, 0.1], rtol=0, atol=1e-17)
    assert module["fast_pixel_direction"].attrs["depends_on"] == module["module_offset"].name
    assert module["module_offset"].attrs["depends_on"] in file
    assert module["data_size"][:].tolist() == [4, 6]
    assert (detector["beam_center_x"][()], detector["beam_center_y"][()]) == (pytest.approx(3.0), pytest.approx(2.0))
    assert detector["distance"][()] == pytest.approx(0.1)
    omega = file["/entry/sample/transformations/omega"]
    assert file["/entry/sample/depends_on"][()].decode() == omega.name
    assert omega.attrs["vector"].tolist() == [-1.0, 0.0, 0.0]
    assert written(image)["/entry/sample/depends_on"][()] == b"."  # Of a still.
    assert (omega.attrs["units"], omega.attrs["transformation_type"]) == ("deg", "rotation")


def test_the_file_has_the_gain_of_the_noise() -> None:
    image = attrs.evolve(make_image(np.zeros((4, 6)), "counts"), levels=Levels(gain=12.0))
    assert written(image)["/entry/instrument/detector/gain_setting"][()] == b"12 counts/photon"


def test_hidden_pixels_are_in_the_mask_and_have_the_largest_number() -> None:
    shown = np.array([[True, False, True]])
    file = written(make_image(np.array([[1.0, 2.0, 3.0]]), "counts", detector=Detector(pixels=(1, 3), mask=shown)))
    assert file["/entry/data/data"][0].tolist() == [[1, 2**32 - 1, 3]]
    assert file["/entry/instrument/detector/pixel_mask"][:].tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("library", ["h5py", "hdf5plugin"])
def test_a_library_that_is_missing_is_one_line_before_anything_is_rendered(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    refused = run("simulate", *SMALL, "-nxmx", tmp_path / "a.nxs")
    assert refused.status == 1 and len(refused.complaints()) == 1
    assert f"{library} is not installed" in refused.err and "openbragg[hdf5]" in refused.err


def test_images_are_compressed_also_where_hdf5_is_told_of_the_filter() -> None:
    code = (
        "import numpy, openbragg_plugins.image_formats.nxmx.chunks as c; c.packed(numpy.zeros((9, 9), 'u4'), 'bslz4')"
    )
    environment = {**os.environ, "HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
@example([1.0, 1.0, 5.960464477539063e-08, 1.0, 1.0, 0.0])
@example([1.0, 1.0, 5e-6, 1.0, 1.0, 0.0])
def test_mcstas_axes_are_a_rotation_with_the_beam_along_z(numbers: list[float]) -> None:
    beam, spindle = torch.tensor(numbers, dtype=torch.float64).reshape(2, 3)
    if min(beam.norm(), spindle.norm()) < 1e-3:
        return
    image = make_image(np.zeros((1, 1)))
    laboratory = type(image.laboratory)(
        beam=beam / beam.norm(),
        spindle=spindle / spindle.norm(),
        polarization=image.laboratory.polarization,
        panels=image.laboratory.panels,
        distance=image.laboratory.distance,
        pivot="beam",
        beam_centre=image.laboratory.beam_centre,
    )
    axes = mcstas_axes(laboratory)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    np.testing.assert_allclose(axes @ laboratory.beam.numpy(), [0, 0, 1], atol=1e-9)
    across = np.linalg.norm(np.cross(laboratory.spindle, laboratory.beam))
    if across > 2e-6:
        # x is against the part of the spindle that is across the beam, which is all in x.
        along_x, along_y, _ = axes @ laboratory.spindle.numpy()
        assert along_x == pytest.approx(-across, abs=1e-9)
        assert along_y == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=15)
@given(images=st.integers(1, 7), block=st.none() | st.integers(1, 8))
def test_a_series_has_every_image_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, images: int, block: int | None
) -> None:
    folder = tmp_path_factory.mktemp("series")
    format_ = NXmx(block=block)
    made = [make_image(np.full((2, 3), float(number)), "counts") for number in range(images)]
    parts = []
    for number, image in enumerate(made):
        parts.append(folder / f"{number}")
        with parts[-1].open("wb") as stream:
            format_.write_part(stream, image)
    first = made[0]
    series = Series(
        content="counts",
        region=first.region,
        experiment=first.experiment,
        laboratory=first.laboratory,
        shape=(2, 3),
        scans=tuple(image.experiment.scan for image in made),
    )
    path = folder / "a_master.h5"
    files = format_.series_files(path, images)
    assert files[-1] == path
    assert len(files) == (1 if block is None else 1 + -(-images // block))
    for file in files:
        with Path(file).open("w+b") as stream:
            format_.write_series(stream, file, path, series, parts)
    with h5py.File(path, "r") as file:
        assert file["/entry/data/data"][:, 0, 0].tolist() == list(range(images))
        assert file["/entry/sample/transformations/omega"].shape == (images,)
        if block is not None:
            assert file["/entry/data/data_000001"][0].tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("kind", ["int32", "uint32", "uint16"])
@pytest.mark.filterwarnings("error")
def test_photons_beyond_the_type_become_its_largest_number(kind: str) -> None:
    pixels = np.array([[3e9, 1.0], [-3e9, 1e30]], dtype=np.float32)
    largest, lowest = NXmx(pixel_type=kind).largest("photons"), 3 - 2**31 if kind == "int32" else 0
    made = written(make_image(pixels), pixel_type=kind)["/entry/data/data"][0]
    assert made.tolist() == [[largest, 1], [lowest, largest]]


def test_links_show_images_of_another_file_with_the_beam_of_each(tmp_path: Path) -> None:
    """Two stills from the middle of a data set, and one before, of three wavelengths, on one detector."""
    pixels = np.arange(4 * 12, dtype=np.int32).reshape(4, 3, 4)
    with h5py.File(tmp_path / "shots.h5", "w") as file:
        file["counts"] = pixels
    image = make_image(pixels[0].astype(float), "counts")
    setups = []
    for wavelength in (1.0, 1.1, 1.2):
        beam = attrs.evolve(image.experiment.beam, wavelength=1e-10 * wavelength, flux=1e12 * wavelength)
        series = Series(
            content="counts",
            region=image.region,
            experiment=attrs.evolve(image.experiment, beam=beam),
            laboratory=image.laboratory,
            shape=(3, 4),
            scans=(Scan(start=wavelength, range=0.0),),
        )
        setups.append(NXmx().setup(series, "int32"))
    assert len({setup.shared for setup in setups}) == 1 and all(setup.still for setup in setups)
    turning = attrs.evolve(series, scans=(Scan(start=0.0, range=0.1),))
    assert not NXmx().setup(turning, "int32").still
    links = [
        LinkedImages("shots.h5", "counts", "int32", (count, 3, 4), (first, 0, 0), (4, 3, 4))
        for first, count in ((2, 2), (0, 1))
    ]
    with (tmp_path / "shots.nxs").open("wb") as stream:
        NXmx().write_links(stream, setups, links)
    with h5py.File(tmp_path / "shots.nxs") as file:
        assert np.array_equal(file["entry/data/data"], pixels[[2, 3, 0]])
        beam = file["entry/instrument/beam"]
        assert beam["incident_wavelength"][()] == pytest.approx([1.0, 1.1, 1.2], rel=1e-12)
        assert beam["total_flux"][()] == pytest.approx([1.0e12, 1.1e12, 1.2e12], rel=1e-12)
        assert file["entry/sample/depends_on"][()] == b"."
        assert file["entry/instrument/detector/saturation_value"][()] == 2**31 - 3
    for number, read in enumerate(read_images(tmp_path / "shots.nxs")):
        assert read.geometry is not None
        assert read.geometry.wavelength == pytest.approx(1e-10 * (1.0 + 0.1 * number), rel=1e-12)
