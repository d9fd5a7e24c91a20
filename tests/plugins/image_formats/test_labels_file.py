"""Files of labels have the arrays that the simulation gives, byte for byte alike."""

import io
from math import pi
from pathlib import Path

import attrs
import h5py
import numpy as np
import pytest
import torch

from command_line import SMALL, run
from openbragg import Crystal, Detector, Experiment, Image, PixelLabels, Sampling, Scan, Simulation, UsageError, plugin
from openbragg.roles import ImageFormat
from openbragg.testing import check_declaration, check_default_file, make_image
from openbragg_plugins.image_formats.labels import LabelsFile, planes_of
from openbragg_plugins.image_formats.nxmx.format import NXmx

A = 1e-10
SHAPE = (3, 4)


def labels() -> PixelLabels:
    numbers = torch.arange(12, dtype=torch.float64).reshape(SHAPE)
    wavelength = A * (1.0 + numbers / 100.0)
    wavelength[0, 0] = torch.nan
    return PixelLabels(
        wavelength=wavelength,
        index=torch.stack([numbers + 0.25, -numbers, 2.0 * numbers], dim=-1),
        lattice=torch.where(numbers == 0.0, -1, numbers.long() % 3),
        bragg=numbers > 5,
    )


def image() -> Image:
    return attrs.evolve(make_image(np.ones(SHAPE, dtype=np.float32), "labels"), labels=labels())


def written(name: str) -> bytes:
    stream = io.BytesIO()
    LabelsFile(file=Path(name)).write(stream, image())
    return stream.getvalue()


def test_the_format_declares_itself() -> None:
    check_declaration(LabelsFile(), ImageFormat)
    check_default_file(LabelsFile())


def test_an_archive_has_each_array_by_its_name() -> None:
    found = np.load(io.BytesIO(written("a.npz")))
    assert list(found) == ["wavelength", "h", "k", "l", "lattice", "bragg"]
    assert np.isnan(found["wavelength"][0, 0]) and found["wavelength"][2, 3] == np.float32(1.11)
    assert found["h"].dtype == np.float32 and found["h"][1, 1] == 5.25
    assert found["lattice"].dtype == np.int32 and found["lattice"][0].tolist() == [-1, 1, 2, 0]
    assert found["bragg"].dtype == np.uint8 and found["bragg"].sum() == 6
    assert written("a.npz") == written("a.npz")


def test_one_array_and_bare_numbers_have_the_six_planes_one_after_the_other() -> None:
    planes = np.load(io.BytesIO(written("a.npy")))
    assert planes.shape == (6, *SHAPE) and planes.dtype == np.float32
    assert np.array_equal(planes[4], planes_of(labels())["lattice"])
    assert np.array_equal(np.frombuffer(written("a.bin"), "<f4").reshape(planes.shape), planes, equal_nan=True)


def test_other_names_are_refused() -> None:
    with pytest.raises(UsageError, match="-labelsfile: expected a name that ends in"):
        LabelsFile(file=Path("a.h5"))
    with pytest.raises(UsageError, match="-nxmx_labels: expected without -nxmx_block"):
        NXmx(with_labels=True, block=2)


def test_nxmx_has_them_beside_the_images_of_one_and_of_many(tmp_path: Path) -> None:
    made = Simulation(
        Experiment(
            crystal=Crystal(cell=(40 * A, 50 * A, 60 * A, *(pi / 2,) * 3), cells=(5, 5, 5)),
            detector=Detector(pixels=(6, 5), pixel_size=6e-3, distance=0.08),
            scan=Scan(range=0.02, steps=1),
            sampling=Sampling(oversample=1, seed=1),
        ),
        structure_factors=plugin("structure_factors", "hkl", default_F=10.0),
        scene=plugin("scene_models", "lattices", count=2),
        engine="eager",
    )
    made.write(tmp_path / "one.nxs", nxmx_labels=True)
    made.series(2).write(tmp_path / "two.nxs", nxmx_labels=True)
    wanted = [planes_of(each.labels()) for each in made.series(2)]
    for name, count in (("one.nxs", 1), ("two.nxs", 2)):
        with h5py.File(tmp_path / name) as file:
            group = file["entry/labels"]
            assert group["wavelength"].attrs["units"] == "angstrom"
            assert file["entry/data/data"].shape == (count, 6, 5)
            for plane in wanted[0]:
                assert group[plane].shape == (count, 6, 5)
                for number in range(count):
                    assert np.array_equal(group[plane][number], wanted[number][plane])


def test_a_command_that_has_no_crystal_writes_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("simulate", *SMALL, "-floatfile", "a.bin", "-labelsfile", "l.npz").status == 0
    assert Path("l.npz").exists()
    finished = run("noise", "a.bin", "-detpixels", "4", "-nxmx", "b.nxs", "-nxmx_labels")
    assert finished.status != 0
    assert finished.complaints()[-1].endswith("-nxmx: an image without a crystal has no labels of pixels")
