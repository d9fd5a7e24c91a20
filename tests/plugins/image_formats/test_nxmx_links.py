"""Where links of an HDF5 file may lead: into its own folder, and below, unless the user says otherwise."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from openbragg import InputError, read_image

IMAGES = np.arange(12, dtype=np.uint16).reshape(2, 2, 3)
SECRET = b"root:x:0:0:root:/root:/bin/bash\n" * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the image, in one with what it must not show."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["entry/data/data"] = IMAGES
        file["number"] = 1.5
    (tmp_path / "secret").write_bytes(SECRET)
    inside = tmp_path / "inside"
    (inside / "below").mkdir(parents=True)
    for name in ("block.h5", "below/block.h5"):
        with h5py.File(inside / name, "w") as file:
            file["entry/data/data"] = IMAGES
    return inside


def external(name: str) -> Callable[[h5py.File], None]:
    def make(file: h5py.File) -> None:
        file["entry/data/data_000001"] = h5py.ExternalLink(name, "/entry/data/data")

    return make


def virtual(name: str) -> Callable[[h5py.File], None]:
    def make(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(IMAGES.shape, IMAGES.dtype)
        layout[:] = h5py.VirtualSource(name, "entry/data/data", IMAGES.shape)
        file.create_virtual_dataset("entry/data/data", layout)

    return make


def raw_storage(file: h5py.File) -> None:
    secret = Path(file.filename).parents[1] / "secret"
    file.create_dataset("entry/data/data", (1, 8, 8), "u1", external=[(str(secret), 0, 64)])


def soft_link_to_an_external_one(file: h5py.File) -> None:
    file["elsewhere"] = h5py.ExternalLink("../secret.h5", "/entry")
    file["entry"] = h5py.SoftLink("/elsewhere")


def a_group_on_the_way(file: h5py.File) -> None:
    file["entry"] = h5py.ExternalLink("../secret.h5", "/entry")


def a_file_inside_that_leads_out(file: h5py.File) -> None:
    with h5py.File(Path(file.filename).with_name("between.h5"), "w") as between:
        between["entry/data/data"] = h5py.ExternalLink("../secret.h5", "/entry/data/data")
    virtual("between.h5")(file)


def a_symbolic_link(file: h5py.File) -> None:
    Path(file.filename).with_name("alias.h5").symlink_to("../secret.h5")
    external("alias.h5")(file)


def absolute(file: h5py.File) -> None:
    external(str(Path(file.filename).parents[1] / "secret.h5"))(file)


OUTSIDE = {
    "external": external("../secret.h5"),
    "by a detour": external("below/../../secret.h5"),
    "absolute": absolute,
    "virtual": virtual("../secret.h5"),
    "raw storage": raw_storage,
    "soft link": soft_link_to_an_external_one,
    "group": a_group_on_the_way,
    "file inside": a_file_inside_that_leads_out,
    "symbolic link": a_symbolic_link,
}


def made(folder: Path, make: Callable[[h5py.File], None]) -> Path:
    path = folder / "image.h5"
    with h5py.File(path, "w") as file:
        make(file)
    return path


@pytest.mark.parametrize("name", OUTSIDE)
def test_links_out_of_the_folder_are_followed_on_request_only(folder: Path, name: str) -> None:
    path = made(folder, OUTSIDE[name])
    with pytest.raises(InputError, match="--follow-links") as caught:
        read_image(path)
    (line,) = str(caught.value).splitlines()
    assert (str(path) in line and "secret" in line) or "alias" in line
    image = read_image(path, follow_links=True)
    wanted = np.frombuffer(SECRET, np.uint8)[:64].reshape(8, 8) if name == "raw storage" else IMAGES[0]
    assert np.array_equal(image.pixels, wanted)


@pytest.mark.parametrize(
    "make",
    [external("block.h5"), external("below/block.h5"), virtual("block.h5"), virtual("below/block.h5")],
    ids=["external", "external below", "virtual", "virtual below"],
)
def test_links_within_the_folder_are_followed(folder: Path, make: Callable[[h5py.File], None]) -> None:
    path = made(folder, make)
    assert np.array_equal(read_image(path, number=2).pixels, IMAGES[1])


def test_a_number_that_lies_elsewhere_is_not_read(folder: Path) -> None:
    def make(file: h5py.File) -> None:
        file["entry/data/data"] = IMAGES
        file["entry/instrument/beam/incident_wavelength"] = h5py.ExternalLink("../secret.h5", "/number")

    with pytest.raises(InputError, match="--follow-links"):
        read_image(made(folder, make))


def a_pattern(file: h5py.File) -> None:
    """A virtual data set of as many files as there are of a name with a number in it."""
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    whole = h5py.h5s.create_simple((2, 2, 3), (h5py.h5s.UNLIMITED, 2, 3))
    whole.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (1, 1, 1), (1, 2, 3))
    made.set_virtual(whole, b"block_%b.h5", b"entry/data/data", h5py.h5s.create_simple((1, 2, 3)))
    whole.select_all()
    h5py.h5d.create(file.create_group("entry/data").id, b"data", h5py.h5t.NATIVE_UINT16, whole, made)


@pytest.mark.parametrize("make", [external("lost.h5"), virtual("lost.h5"), a_pattern])
def test_a_file_that_is_not_there_is_named(folder: Path, make: Callable[[h5py.File], None]) -> None:
    with pytest.raises(InputError, match=r"cannot read its images: there is no .*(lost|block_%b)\.h5"):
        read_image(made(folder, make))


def to_itself(file: h5py.File) -> None:
    file["entry/data/data"] = h5py.SoftLink("/entry/data/data")


def there_and_back(file: h5py.File) -> None:
    file["entry/data/data"] = h5py.ExternalLink("image.h5", "/entry/data/data")


@pytest.mark.parametrize("make", [to_itself, there_and_back])
def test_links_in_a_circle_are_refused(folder: Path, make: Callable[[h5py.File], None]) -> None:
    with pytest.raises(InputError, match="its links go round in a circle"):
        read_image(made(folder, make))


def test_a_symbolic_link_to_an_image_finds_its_blocks(folder: Path, tmp_path: Path) -> None:
    made(folder, external("block.h5"))
    alias = tmp_path / "alias.h5"
    alias.symlink_to(folder / "image.h5")
    assert np.array_equal(read_image(alias).pixels, IMAGES[0])
