"""Images and the experiments of a list: matched by the names of files, and by order where these say nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

import openbragg
from command_line import run
from openbragg import Geometry, InputError, PanelGeometry, ReadImage, UsageError, plugin
from openbragg_tools.refine import stills
from openbragg_tools.refine.matching import matched, named_images
from refined_stills import counted, truth

_PANEL = PanelGeometry(
    name="", pixels=(4, 4), pixel_size=1e-4, origin=(0.0, 0.0, 0.1), fast=(1.0, 0.0, 0.0), slow=(0.0, 1.0, 0.0)
)


def experiments(folder: Path, *names: str | tuple[str, int]) -> list[Geometry]:
    """A list of experiments of images with these names; a name of none is empty."""
    made = []
    for name in names:
        still, place = (name, None) if isinstance(name, str) else name
        source = str(folder / "a.expt")
        made.append(Geometry(source=source, panels=(_PANEL,), beam=(0, 0, 1), still=still, still_place=place))
    return made


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, np.ones((4, 4)))
    return [folder / name for name in names]


def told(found) -> list[tuple[str, int]]:
    return [(still.path.name, number) for still, number in zip(found.stills, found.experiments, strict=True)]


def test_images_are_matched_by_name_in_whatever_order(tmp_path):
    every = experiments(tmp_path, "/far/b.npy", "a.npy", "c.npy")
    found = matched(files(tmp_path, "a.npy", "b.npy", "c.npy"), every, (4, 4))
    assert told(found) == [("b.npy", 0), ("a.npy", 1), ("c.npy", 2)]
    assert found.lines == ()


def test_a_line_tells_which_images_and_crystals_are_left_out(tmp_path):
    every = experiments(tmp_path, "a.npy", "x.npy", "a.npy", "c.npy")
    found = matched(files(tmp_path, "b.npy", "c.npy", "a.npy"), every, (4, 4))
    assert told(found) == [("a.npy", 0), ("c.npy", 3)]
    (line,) = found.lines
    assert line.startswith("2 images are matched with crystals by their file names; left out are ")
    assert f"{tmp_path / 'b.npy'}, which {tmp_path / 'a.expt'} does not name" in line
    assert "experiments 1, whose images are not given" in line
    assert "experiments 2, whose images have another crystal" in line


def test_folders_tell_images_of_one_name_apart(tmp_path):
    every = experiments(tmp_path, "run2/a.npy", "run1/a.npy")
    found = matched(files(tmp_path, "run1/a.npy", "run2/a.npy"), every, (4, 4))
    assert [still.path.parent.name for still in found.stills] == ["run2", "run1"]


def test_the_number_of_an_image_in_its_file_counts(tmp_path, monkeypatch):
    images = [ReadImage(pixels=np.full((4, 4), number)) for number in range(3)]
    monkeypatch.setattr(stills, "read_images", lambda path, shape: images)
    every = experiments(tmp_path, ("run.npy", 2), ("run.npy", 0))
    found = matched(files(tmp_path, "run.npy"), every, (4, 4))
    assert [still.place for still in found.stills] == [2, 0]
    assert found.stills[0].read() is images[2]
    assert "image 2, which" in found.lines[0]


def test_where_no_name_is_known_their_order_matches_as_many(tmp_path):
    every = experiments(tmp_path, "x.npy", "y.npy")
    found = matched(files(tmp_path, "b.npy", "a.npy"), every, (4, 4))
    assert told(found) == [("b.npy", 0), ("a.npy", 1)]
    assert found.lines == (
        f"images and crystals are matched by their order: {every[0].source} has other names: x.npy, y.npy",
    )
    assert matched(files(tmp_path, "b.npy", "a.npy"), experiments(tmp_path, "", ""), (4, 4)).lines == ()
    with pytest.raises(UsageError, match=r"3 images and 2 crystals.*called otherwise: x\.npy, y\.npy"):
        matched(files(tmp_path, "b.npy", "a.npy", "c.npy"), every, (4, 4))
    alone = matched(files(tmp_path, "b.npy"), every, (4, 4))
    assert told(alone) == [("b.npy", 0)]
    assert "2 experiments; number 0 is taken" in alone.lines[0]


def test_images_that_a_list_names_are_taken_from_its_folder_alone(tmp_path):
    folder = tmp_path / "data"
    files(folder, "a.npy", "below/b.npy")
    assert named_images(experiments(folder, "a.npy", "below/b.npy", "gone.npy", "a.npy")) == [
        folder / "a.npy",
        folder / "below" / "b.npy",
    ]
    files(tmp_path, "c.npy")
    with pytest.raises(InputError, match="is not in its folder"):
        named_images(experiments(folder, "a.npy", "../c.npy"))
    (folder / "link.npy").symlink_to(tmp_path / "c.npy")
    with pytest.raises(InputError, match="is not in its folder"):
        named_images(experiments(folder, "link.npy"))
    with pytest.raises(InputError, match=r"gone\.npy is not there"):
        named_images(experiments(folder, "gone.npy"))
    with pytest.raises(UsageError, match="names none"):
        named_images(experiments(folder, ""))


def test_an_experiment_list_is_enough_of_a_start(tmp_path):
    np.save(tmp_path / "one.npy", counted(truth(), 1))
    name = tmp_path / "one.expt"
    with name.open("wb") as stream:
        plugin("truth_formats", "dials-experiments").write_truth(stream, name, truth().truth())
    listed = json.loads(name.read_text())
    listed["imageset"] = [{"__id__": "ImageSet", "images": ["one.npy"]}]
    listed["experiment"][0]["imageset"] = 0
    name.write_text(json.dumps(listed))
    openbragg.write_hkl_table(tmp_path / "F.hkl", *truth().structure_factors.reflections)
    crystal = ("-hkl", tmp_path / "F.hkl", "-Na", 8, "-Nb", 9.5, "-Nc", 6.5, "-gauss_index", "-fluence", 6e27)
    wanted = ("-oversample", 1, "-engine", "eager", "-free", "scale", "-readout_sigma", 0, "-o", tmp_path / "out")
    done = run("refine", "-expt", name, *crystal, *wanted)
    assert done.status == 0, done.err
    assert json.loads((tmp_path / "out.json").read_text())["image"] == str(tmp_path / "one.npy")
