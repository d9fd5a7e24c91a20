"""``openbragg view``: images of every format, their geometry, predicted spots, and what stands in a page and a PNG."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import records
from command_line import Finished, run
from openbragg.engine.reflections import search
from openbragg.engine.reflections.rows import Region
from openbragg.engine.reflections.sphere import Margin
from openbragg.errors import InputError
from openbragg.orchestrator.records.recorded import read_recorded
from openbragg.orchestrator.records.run import load_run
from openbragg.orchestrator.records.serialise import to_plain
from openbragg_tools.view import prediction, shades
from openbragg_tools.view.geometry import finest_resolution, on_detector
from openbragg_tools.view.packing import Packed, pack, unpack
from openbragg_tools.view.page import SCRIPTS, asset
from openbragg_tools.view.prediction import predict
from openbragg_tools.view.reading import read_images, recorded_geometry
from viewing import ALL, COUNTS, FLAGS, MATRIX, everything, only, scattering, simulate, turned

ROOT = Path(__file__).parents[3]
NO_TOLERANCE = Margin(angle=0.0, bandwidth=0.0, width=0.0)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a recorded run in every format."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with that run's files."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def viewed(*words: object) -> Finished:
    finished = run("view", *words)
    assert finished.status == 0, finished.err
    return finished


def series(*words: object) -> None:
    """Three images of the run."""
    finished = run("simulate", *FLAGS, "--images", "3", *words)
    assert finished.status == 0, finished.err


def refused(*words: object, status: int = 1) -> str:
    """The one line of a command that was refused."""
    return records.refused(*words, status=status, command="view")


def parts_of(page: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What a page says of its images, and the texts of its arrays."""
    text = page.read_text(encoding="utf-8")
    (about,) = re.findall(r'<script type="application/json" id="about">(.*?)</script>', text)
    return json.loads(about), dict(re.findall(r'<script type="text/plain" id="(.*?)">(.*?)</script>', text))


# Reading


def test_every_format_has_the_counts_that_were_written(folder: Path) -> None:
    counts = {name: only(folder / name).frame.pixels for name in COUNTS.values()}
    first = counts["a.img"]
    assert first.shape == (70, 90)
    assert first.max() > 1000
    for name, pixels in counts.items():
        assert np.array_equal(pixels, first), name
    photons = only(folder / "a.bin").frame.pixels
    assert np.array_equal(photons, np.fromfile(folder / "a.bin", "<f4").reshape(70, 90))


def test_masked_pixels_are_known_of_formats_that_mark_them(
    tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = (recorded / "a.img").read_bytes()
    header = int(content.split(b"HEADER_BYTES=")[1].split(b";")[0])
    mask = np.ones((70, 90), dtype="<u2")
    mask[10:14, :] = mask[:, 40:43] = 0
    Path("mask.img").write_bytes(content[:header] + mask.tobytes())
    simulate(tmp_path, "-mask", "mask.img", "-floatfile", "b.bin", "-tiffphotons", "p.tif")
    # Of the others, the record knows it.
    assert np.array_equal(only(tmp_path / "a.img").frame.masked, mask == 0)
    assert np.array_equal(only(tmp_path / "b.bin").frame.masked, mask == 0)
    Path("run.json").unlink()
    assert only(tmp_path / "a.img").frame.masked is None
    for name in ("a.cbf", "a.tif", "a.h5", "p.tif"):
        image = only(tmp_path / name)
        assert image.frame.masked is not None
        assert np.array_equal(image.frame.masked, mask == 0), name
        assert shades.valid_pixels(image.frame).min() >= 0


def test_gaps_of_the_recorded_detector_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mat").write_text(MATRIX, encoding="ascii")
    words = (
        "-mat",
        "a.mat",
        "-default_F",
        "1",
        "-N",
        "2",
        "-lambda",
        "1.1",
        "-distance",
        "100",
        "-roi",
        "0",
        "9",
        "0",
        "9",
    )
    files = ("-noisefile", "a.img", "-floatfile", "a.bin", "--record", "run.json")
    finished = run("simulate", *words, "-detector", "pilatus-300k", "-oversample", "1", "-seed", "3", *files)
    assert finished.status == 0, finished.err
    detector = load_run(tmp_path / "run.json").simulation.experiment.detector
    hidden = detector.hidden()
    assert detector.gaps and hidden is not None and hidden.any() and not hidden.all()
    for name in ("a.img", "a.bin"):
        image = only(tmp_path / name)
        assert image.frame.pixels.shape == detector.frame_shape()
        assert image.frame.masked is not None
        assert np.array_equal(image.frame.masked, hidden), name


def test_a_record_with_a_mask_of_another_size_is_refused(folder: Path) -> None:
    detector = read_recorded(folder / "run.json").experiment.detector
    assert detector.mask is None
    content = json.loads(Path("run.json").read_text(encoding="utf-8"))
    mask = np.ones((3, 4), dtype=bool)
    content["experiment"]["detector"]["mask"] = to_plain(attrs.evolve(detector, mask=mask))["mask"]
    Path("run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.json: the mask has 4 x 3 pixels, the detector 90 x 70"):
        read_recorded(folder / "run.json")


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_nxmx_of_every_type_is_read(folder: Path, kind: str, compression: str) -> None:
    words = ("-nxmx", "b.h5", "-nxmx_type", kind, "-nxmx_compression", compression)
    finished = run("simulate", "--from", "run.json", *words)
    assert finished.status == 0, finished.err
    assert np.array_equal(only(folder / "b.h5").frame.pixels, only(folder / "a.img").frame.pixels)


def test_a_series_in_one_file_and_in_blocks_has_its_images_in_order(folder: Path) -> None:
    series("-nxmx", "whole.h5", "-cbf", "s_###.cbf", "--record", "series.json")
    series("-nxmx", "m.h5", "-nxmx_block", "2")
    single = [only(folder / f"s_{number:03d}.cbf") for number in (1, 2, 3)]
    for name in ("whole.h5", "m.h5"):
        images = list(read_images(folder / name, everything))
        assert [image.frame.number for image in images] == [1, 2, 3]
        for image, alone in zip(images, single, strict=True):
            assert np.array_equal(image.frame.pixels, alone.frame.pixels)
            assert image.geometry is not None and alone.geometry is not None
            # Degrees in a file, of which each has some ten digits.
            assert image.geometry.start == pytest.approx(alone.geometry.start, abs=1e-9)
            assert image.geometry.range == pytest.approx(alone.geometry.range, abs=1e-9)
    # Without its record, a file of the block beginning with image 3 says so itself.
    (last,) = read_images(folder / "m_data_000002.h5", everything)
    assert np.array_equal(last.frame.pixels, single[2].frame.pixels)
    Path("m_data_000001.h5").unlink()
    assert "there is no" in refused("m.h5")


def test_the_images_of_a_series_are_placed_where_the_spindle_was(folder: Path) -> None:
    series("-cbf", "s_###.cbf", "--record", "s.json")
    image = only(folder / "s_003.cbf")
    assert image.geometry is not None
    assert image.geometry.source == "the record s.json"
    assert np.degrees(image.geometry.start) == pytest.approx(19.0, abs=1e-9)
    assert image.spots is not None
    assert np.all(
        (image.spots.phi >= image.geometry.start) & (image.spots.phi <= image.geometry.start + np.radians(2.0))
    )


# Geometry


@pytest.mark.parametrize("convention", ["-mosflm", "-xds", "-adxv", "-denzo", "-dials"])
def test_headers_place_an_upright_detector_as_the_record_does(folder: Path, convention: str) -> None:
    # Of DIALS' convention the fast axis is turned the other way; d spacings know nothing of that.
    simulate(folder, convention, "-Xbeam", "19", "-Ybeam", "21")
    recorded = recorded_geometry(read_recorded(folder / "run.json"), 1)
    Path("run.json").unlink()
    for name in COUNTS.values():
        geometry = only(folder / name).geometry
        assert geometry is not None and geometry.cell is None
        for fast, slow in ((0.5, 0.5), (89.5, 3.5), (44.5, 69.5), (12.5, 33.5)):
            here, there = (np.linalg.norm(scattering(each, fast, slow)) for each in (geometry, recorded))
            # Headers of text have nine digits of the beam centre.
            assert here == pytest.approx(there, rel=1e-7), name
        assert geometry.start == pytest.approx(recorded.start, abs=1e-9)
        assert geometry.range == pytest.approx(recorded.range, abs=1e-9)


def test_a_swung_detector_is_placed_by_all_headers_that_can_say_so(folder: Path) -> None:
    simulate(folder, "-twotheta", "12")
    recorded = recorded_geometry(read_recorded(folder / "run.json"), 1)
    Path("run.json").unlink()
    for name in COUNTS.values():
        geometry = only(folder / name).geometry
        assert geometry is not None
        for fast, slow in ((0.5, 0.5), (89.5, 3.5), (44.5, 69.5)):
            here, there = (np.linalg.norm(scattering(each, fast, slow)) for each in (geometry, recorded))
            # SMV has six digits of the swing and of the distance.
            assert here == pytest.approx(there, rel=1e-5), name


def test_indices_of_the_recorded_crystal_are_those_of_a_trace(folder: Path) -> None:
    geometry = only(folder / "a.img").geometry
    assert geometry is not None and geometry.cell is not None
    simulation = load_run(folder / "run.json").simulation.evolve(precision="double")
    for slow, fast in ((3, 5), (60, 80), (34, 44), (69, 0)):
        trace = simulation.trace(slow, fast)
        q = scattering(geometry, fast + 0.5, slow + 0.5)
        for step in range(5):
            phi = geometry.start + step * geometry.range / 5
            expected = [float(getattr(trace.terms.index, name)[0, 0, 0, 0, step, 0, 0]) for name in "hkl"]
            assert turned(geometry, geometry.cell, phi) @ q == pytest.approx(expected, abs=1e-9)


def test_a_record_places_pixels_by_each_convention_and_rotation(folder: Path) -> None:
    simulate(folder, "-xds", "-detector_rotx", "5", "-detector_rotz", "-3", "-twotheta", "8", "-pivot", "sample")
    geometry = only(folder / "a.img").geometry
    simulation = load_run(folder / "run.json").simulation
    laboratory = simulation.convention.place(simulation.experiment.detector)
    assert geometry is not None
    assert geometry.panels[0].origin == pytest.approx(laboratory.panels[0].origin.numpy(), abs=1e-15)
    assert geometry.spindle == pytest.approx(laboratory.spindle.numpy(), abs=1e-15)


# Predicted spots


def test_spots_are_all_that_cross_the_sphere_during_the_exposure(folder: Path) -> None:
    geometry = only(folder / "a.img").geometry
    assert geometry is not None and geometry.cell is not None
    finest = finest_resolution(geometry)
    spots = predict(geometry, NO_TOLERANCE)
    ends = [range(-int(length / finest), int(length / finest) + 1) for length in np.linalg.norm(geometry.cell, axis=1)]
    indices = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    indices = indices[indices.any(axis=1)]
    vectors = indices @ np.linalg.inv(geometry.cell).T
    kept = np.linalg.norm(vectors, axis=1) <= 1.0 / finest
    indices, vectors = indices[kept], vectors[kept]
    # On which side of the sphere each is, in steps so small that it crosses once in each.
    steps = np.linspace(geometry.start, geometry.start + geometry.range, 31)
    outside, fast = [], []
    for phi in steps:
        rays = geometry.beam / geometry.wavelength + turned(geometry, vectors, phi)
        outside.append(np.linalg.norm(rays, axis=1) > 1.0 / geometry.wavelength)
        fast.append(on_detector(geometry, rays)[0])
    crosses = np.diff(np.array(outside), axis=0).any(axis=0)
    # Those that are on the detector all the while, lest one at its edge crosses just inside or outside.
    inside, never = ~np.isnan(np.array(fast)).any(axis=0), np.isnan(np.array(fast)).all(axis=0)
    found = {tuple(each) for each in spots.indices.tolist()}
    assert len(found) > 30
    assert spots.crosses.all()
    assert {tuple(each) for each in indices[crosses & inside].tolist()} <= found
    assert found <= {tuple(each) for each in indices[crosses & ~never].tolist()}


def test_where_a_spot_is_predicted_its_indices_are_whole(folder: Path) -> None:
    image = only(folder / "a.img")
    assert image.geometry is not None and image.geometry.cell is not None and image.spots is not None
    spots = image.spots
    for number in np.flatnonzero(spots.crosses):
        q = scattering(image.geometry, spots.fast[number], spots.slow[number])
        here = turned(image.geometry, image.geometry.cell, spots.phi[number]) @ q
        assert here == pytest.approx(spots.indices[number], abs=1e-9)


def test_bright_spots_are_predicted(folder: Path) -> None:
    image = only(folder / "a.bin")
    assert image.spots is not None
    places = np.column_stack([image.spots.fast, image.spots.slow])
    pixels = image.frame.pixels
    # The brightest, and so on, each with its surroundings.
    left = np.array(pixels, dtype=float)
    for _ in range(10):
        slow, fast = np.unravel_index(int(left.argmax()), left.shape)
        distance = np.hypot(*(places - (fast + 0.5, slow + 0.5)).T).min()
        # A spot of a crystal of 8 cells is some pixels wide, and its middle within them.
        assert distance < 2.0, (fast, slow)
        left[max(0, slow - 4) : slow + 5, max(0, fast - 4) : fast + 5] = 0.0


def test_a_still_has_what_is_near_the_sphere(folder: Path) -> None:
    simulate(folder, "-osc", "0", "-phisteps", "1")
    recorded = read_recorded(folder / "run.json")
    geometry, tolerance = recorded_geometry(recorded, 1), recorded.margin()
    assert geometry.range == 0.0 and geometry.cell is not None
    # Degrees of a mosaic spread; eight cells of the shortest axis.
    assert tolerance.angle == pytest.approx(np.radians(0.3))
    shortest = np.linalg.norm(geometry.cell, axis=1).min()
    assert tolerance.width == pytest.approx(0.5 / (8 * shortest))
    spots = predict(geometry, tolerance)
    assert len(spots.fast) > 20
    vectors = spots.indices @ np.linalg.inv(geometry.cell).T
    rays = geometry.beam / geometry.wavelength + turned(geometry, vectors, geometry.start)
    away = np.abs(np.linalg.norm(rays, axis=1) - 1.0 / geometry.wavelength)
    assert np.all(away <= tolerance.angle * np.linalg.norm(vectors, axis=1) + tolerance.width)
    assert len(predict(geometry, attrs.evolve(tolerance, width=2 * tolerance.width)).fast) > len(spots.fast)
    assert not len(predict(geometry, NO_TOLERANCE).fast)


def test_divergence_and_bandwidth_widen_the_tolerance(folder: Path) -> None:
    simulate(folder, "-divergence", "4", "-divsteps", "3", "-dispersion", "2", "-dispsteps", "3", "-square_div")
    tolerance = read_recorded(folder / "run.json").margin()
    # Half the full angle of 4 mrad, along both axes, and the mosaic spread.
    assert tolerance.angle == pytest.approx(np.radians(0.3) + np.hypot(2e-3, 2e-3), rel=1e-3)
    assert tolerance.bandwidth == pytest.approx(0.01, rel=1e-9)


def test_extinguished_reflections_are_left_out_while_the_structure_factors_are_there(folder: Path) -> None:
    # A body-centred cell has those with an even sum of indices only.
    ends = range(-12, 13)
    rows = [f"{h} {k} {l} {50 + abs(h)}\n" for h in ends for k in ends for l in ends if (h + k + l) % 2 == 0]
    Path("i.hkl").write_text("".join(rows), encoding="ascii")
    simulate(folder, "-default_F", "0", "-hkl", "i.hkl")
    spots = only(folder / "a.img").spots
    assert spots is not None and spots.amplitudes is not None and len(spots.fast) > 30
    assert not (spots.indices.sum(axis=1) % 2).any()
    assert np.array_equal(spots.amplitudes, 50.0 + np.abs(spots.indices[:, 0]))
    Path("i.hkl").unlink()
    every = only(folder / "a.img").spots
    assert every is not None and every.amplitudes is None
    assert (every.indices.sum(axis=1) % 2).any()


def test_a_large_cell_is_cut_at_a_resolution_that_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "_MOST_CANDIDATES", 20_000)
    geometry = only(folder / "a.img").geometry
    assert geometry is not None and geometry.cell is not None
    large = attrs.evolve(geometry, cell=5.0 * geometry.cell)
    spots = predict(large, NO_TOLERANCE, 0.0)
    said = re.fullmatch(r"spots are predicted to (\S+) A only, for the cell is large", spots.notice)
    assert said is not None and len(spots.fast) > 0
    assert large.cell is not None
    finest = np.linalg.norm(spots.indices @ np.linalg.inv(large.cell).T, axis=1).max() ** -1
    assert finest == pytest.approx(float(said[1]) * 1e-10, rel=0.05)


def test_two_long_axes_beside_a_short_one_are_cut_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 100_000
    monkeypatch.setattr(prediction, "_MOST_CANDIDATES", most)
    geometry = only(folder / "a.img").geometry
    assert geometry is not None
    # Of so short an axis only h = 0 is looked at, and the volume alone would allow a plane of any size.
    flat = attrs.evolve(geometry, cell=np.diag([1e-14, 1e-6, 1e-6]))
    looked = []
    points = search.lattice_points

    def counted(region: Region) -> Iterator[NDArray[np.float64]]:
        looked.append(region.rows())
        assert sum(map(len, points(region))) <= most
        return points(region)

    monkeypatch.setattr(search, "lattice_points", counted)
    assert predict(flat, NO_TOLERANCE).notice.endswith("A only, for the cell is large")
    assert 0 < max(looked) <= most


# Records beside images


def test_the_record_beside_an_image_is_found_by_its_hash(folder: Path) -> None:
    assert only(folder / "a.img").spots is not None
    content = bytearray(Path("a.img").read_bytes())
    content[-1] ^= 1
    Path("a.img").write_bytes(content)
    image = only(folder / "a.img")
    assert image.spots is None
    assert image.geometry is not None and image.geometry.source == "the image's header"


def test_files_beside_an_image_that_are_no_records_are_passed_over(folder: Path) -> None:
    Path("a.json").write_text("{", encoding="ascii")
    text = Path("run.json").read_text(encoding="ascii")
    Path("b.json").write_text(text.replace('"mosflm"', '"nowhere"'), encoding="ascii")
    Path("c.json").mkdir()
    assert only(folder / "a.img").spots is not None
    Path("run.json").unlink()
    finished = viewed("a.img")
    assert finished.err.startswith("openbragg: notice: the record beside a.img cannot be used: b.json: ")
    assert len(finished.complaints()) == 1
    Path("b.json").rename("run.json")
    Path("run.json").write_text(text, encoding="ascii")
    assert only(folder / "a.img").spots is not None


def test_a_record_that_is_named_holds_for_other_images_with_a_notice(folder: Path) -> None:
    Path("a.img").rename("other.img")
    finished = viewed("other.img", "--record", "run.json")
    assert "other.img is not among the files that the run of run.json wrote" in finished.err
    content = bytearray(Path("a.cbf").read_bytes())
    content[3000] ^= 0  # the same; below another header
    Path("a.cbf").write_bytes(bytes(content).replace(b"Count_cutoff 1048575", b"Count_cutoff 1048574"))
    assert "a.cbf is not what the run of run.json wrote under that name" in viewed("a.cbf", "--record", "run.json").err


def test_a_record_of_an_image_of_another_size_is_refused(folder: Path) -> None:
    np.save("small.npy", np.zeros((3, 4)))
    line = refused("small.npy", "--record", "run.json")
    assert line == "small.npy: it has 4 x 3 pixels (fast x slow), and the run of run.json made 90 x 70"


def test_inputs_of_the_run_need_not_be_there(folder: Path) -> None:
    Path("a.mat").unlink()
    assert only(folder / "a.img").spots is not None


# The page


@pytest.mark.parametrize("name", ALL)
def test_a_page_has_the_exact_image(folder: Path, name: str) -> None:
    viewed(name)
    about, texts = parts_of(Path(name).with_suffix(".html"))
    (said,) = about["images"]
    values = unpack(Packed(type=said["type"], text=texts["pixels-0"])).reshape(said["slow"], said["fast"])
    assert np.array_equal(values, only(folder / name).frame.pixels)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 255]), "u1"),
        (np.array([-128, 127], dtype=np.int32), "i1"),
        (np.array([0, 256], dtype=np.uint32), "u2"),
        (np.array([-1, 255], dtype=np.int64), "i2"),
        (np.array([0, 2**32 - 1], dtype=np.uint32), "u4"),
        (np.array([-(2**31), 2**31 - 1]), "i4"),
        (np.array([-1, 2**32]), "f8"),
        (np.array([2**53, 1]), "f8"),
        (np.array([1.5, -3e38], dtype=np.float32), "f4"),
        (np.array([True, False]), "u1"),
    ],
    ids=str,
)
def test_arrays_are_packed_in_the_smallest_type_without_loss(values: np.ndarray[Any, Any], kind: str) -> None:
    packed = pack(values)
    assert packed.type == kind
    assert np.array_equal(unpack(packed), values)


def test_a_page_needs_nothing_else(folder: Path) -> None:
    viewed("a.img")
    text = Path("a.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|@import|<link(?! rel=\"icon\" href=\"data:,\")|src=|url\(|fetch\(", text)
    for name in (*SCRIPTS, "page.css"):
        assert asset(name) in text


def test_the_name_of_an_image_cannot_break_the_page(folder: Path) -> None:
    name = "a<b>&'\"x.npy"
    np.save(name, np.arange(6).reshape(2, 3))
    viewed(name, "--html", "out.html")
    text = Path("out.html").read_text(encoding="utf-8")
    assert "<b>&'" not in text
    assert parts_of(Path("out.html"))[0]["images"][0]["name"] == name


def test_everything_a_page_is_made_from_is_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        (pattern,) = tomllib.load(stream)["tool"]["setuptools"]["package-data"]["openbragg_tools.view"]
    there = [entry.name for entry in (files("openbragg_tools.view") / "assets").iterdir()]
    assert sorted(there) == sorted((*SCRIPTS, "page.css", "page.html"))
    assert all(fnmatch(f"assets/{name}", pattern) for name in there)


def test_several_images_make_one_page(folder: Path) -> None:
    finished = viewed("a.img", "a.bin", "a.h5", "--html", "all.html")
    about, texts = parts_of(Path("all.html"))
    assert [said["name"] for said in about["images"]] == ["a.img", "a.bin", "a.h5"]
    assert {"pixels-0", "pixels-1", "pixels-2"} <= texts.keys()
    assert finished.out.splitlines()[0].startswith(
        "image           a.img: 90 x 70 pixels, geometry from the record run.json"
    )
    assert finished.out.splitlines()[-1].startswith("wrote           all.html (")


def test_images_of_a_file_are_picked(folder: Path) -> None:
    with h5py.File("s.h5", "w") as file:
        file["entry/data/data"] = np.arange(22 * 6, dtype=np.uint16).reshape(22, 2, 3)
    assert "s.h5 has 22 images; the first 20 are shown" in viewed("s.h5").err
    assert len(parts_of(Path("s.html"))[0]["images"]) == 20
    viewed("s.h5", "--images", "2,20-22")
    names = [said["name"] for said in parts_of(Path("s.html"))[0]["images"]]
    assert names == ["s.h5 #2", "s.h5 #20", "s.h5 #21", "s.h5 #22"]
    assert refused("s.h5", "--images", "23", status=2) == "--images: s.h5 has 22 images, got 23"


# The PNG


def picture(name: str) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(name))


def test_a_png_has_the_shades_of_its_values(folder: Path) -> None:
    np.save("ramp.npy", np.array([[0, 51, 102], [153, 204, 300]]))
    viewed("ramp.npy", "--png", "ramp.png", "--contrast", "0", "255", "--colours", "grey")
    assert picture("ramp.png").tolist() == [[[v] * 3 for v in row] for row in ([0, 51, 102], [153, 204, 255])]
    viewed("ramp.npy", "--png", "ramp.png", "--contrast", "0", "255")
    assert picture("ramp.png").tolist() == [[[255 - v] * 3 for v in row] for row in ([0, 51, 102], [153, 204, 255])]
    assert not Path("ramp.html").exists()


def test_a_png_shows_masked_pixels_in_their_own_colour(folder: Path) -> None:
    from PIL import Image as Pillow

    Pillow.fromarray(np.array([[-1.0, 0.0], [1.0, 2.0]], dtype=np.float32)).save("m.tif")
    viewed("m.tif", "--png", "m.png", "--contrast", "0", "2", "--colours", "grey")
    assert picture("m.png")[0, 0].tolist() == list(shades.MASKED)
    assert picture("m.png")[1, 1].tolist() == [255] * 3
    assert all(list(shades.MASKED) not in colours.tolist() for colours in shades.colour_maps().values())


def test_the_automatic_contrast_goes_from_the_low_to_the_high_percentile(folder: Path) -> None:
    values = np.arange(1000.0).reshape(20, 50)
    np.save("even.npy", values)
    assert shades.automatic_contrast(only(folder / "even.npy").frame) == pytest.approx((4.995, 998.001))
    np.save("flat.npy", np.full((4, 4), 7.0))
    assert shades.automatic_contrast(only(folder / "flat.npy").frame) == (7.0, 8.0)
    viewed("flat.npy", "--png", "flat.png", "--html", "flat.html")
    assert len(np.unique(picture("flat.png"))) == 1


def test_the_perceptual_map_grows_steadily_brighter() -> None:
    colours = shades.colour_maps()["cubehelix"].astype(float)
    # Luma of ITU-R BT.601, which Green's scheme is made for; rounding to whole shades is within one.
    brightness = colours @ (0.30, 0.59, 0.11)
    assert np.all(np.diff(brightness) > -1.0)
    assert brightness == pytest.approx(np.arange(256.0), abs=1.5)


# Command lines that make no sense


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "no image to look at"),
        ("a.img a.bin --png a.png", "a PNG has one image"),
        ("a.img --html a.img", "--html a.img would overwrite a.img"),
        ("a.img --png run.json --record run.json", "would overwrite run.json"),
        ("a.img --html a.html --png a.html", "two outputs are to be written to a.html"),
        ("a.img --contrast 2 2", "--contrast: expected two numbers, the second above the first"),
        ("a.img --contrast nan 2", "--contrast: expected"),
        ("a.img --colours pink", "'pink' is not one of"),
        ("a.h5 --images 0", "--images: expected numbers from 1"),
        ("a.h5 --images 3-1", "--images: expected numbers from 1"),
        ("a.h5 --images x", "--images: expected numbers from 1"),
        ("a.h5 --images 1-99999999", "--images: expected numbers from 1"),
        ("a.h5 --images 2", "--images: a.h5 has 1 images, got 2"),
        ("a.bin --shape 0 4", "0 is not in the range"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(folder: Path, words: str, reason: str) -> None:
    assert reason in refused(*words.split(), status=2)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("no.img", "cannot read no.img: No such file or directory"),
        (".", "cannot read .: it is a folder"),
        ("a.img --html no/a.html", "there is no folder"),
        ("a.img --record a.mat", "a.mat"),
        ("a.img --record no.json", "no.json"),
    ],
)
def test_files_that_are_not_there_are_named(folder: Path, words: str, reason: str) -> None:
    assert reason in refused(*words.split())


def test_a_curved_detector_is_not_shown_as_a_flat_one(folder: Path) -> None:
    simulate(folder, "-curved_det")
    assert "its detector is curved" in refused("a.img", "--record", "run.json")
    # Nobody asked for the record, and the header knows nothing of it.
    image = only(folder / "a.img")
    assert image.spots is None
    (notice,) = image.notices
    assert "its detector is curved" in notice
