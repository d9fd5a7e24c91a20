"""The checks of geometry readers find broken ones: each toy below breaks one promise, and a check says which."""

from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from openbragg import Geometry, InputError, PanelGeometry, described_panel, testing

GOOD = {"one.toy": b"TOY 1 2 3\n"}


@attrs.frozen
class Toy:
    """A reader that keeps every promise: of files that begin with TOY and have the first corner, in metres."""

    name: ClassVar[str] = "toy"
    summary: ClassVar[str] = "a reader to break"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        return beginning.startswith(b"TOY ")

    def read(self, path: Path) -> Geometry:
        words = path.read_text().split()[1:]
        if len(words) != 3:
            raise InputError(f"{path}: expected three numbers")
        return Geometry(source=str(path), panels=(self.panel(path, list(map(float, words))),), beam=(0.0, 0.0, 1.0))

    def panel(self, path: Path, origin: list[float]) -> PanelGeometry:
        axes = {"fast": (1.0, 0.0, 0.0), "slow": (0.0, 1.0, 0.0)}
        return described_panel(str(path), name="p", pixels=(2, 3), sides=(1e-4, 1e-4), origin=origin, **axes)


class Greedy(Toy):
    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        return True


class Blind(Toy):
    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        return False


class Nameless(Toy):
    def read(self, path: Path) -> Geometry:
        return attrs.evolve(super().read(path), source="somewhere")


class Silent(Toy):
    def read(self, path: Path) -> Geometry:
        try:
            return super().read(path)
        except InputError:
            raise InputError("something is wrong") from None


class Crashing(Toy):
    def read(self, path: Path) -> Geometry:
        path.read_text().split()[3]
        return super().read(path)


class Oblique(Toy):
    def panel(self, path: Path, origin: list[float]) -> PanelGeometry:
        return attrs.evolve(super().panel(path, origin), slow=(0.6, 0.8, 0.0))


class Flat(Toy):
    def panel(self, path: Path, origin: list[float]) -> PanelGeometry:
        return attrs.evolve(super().panel(path, origin), slow=(-0.6, 0.0, 0.0))


class Long(Toy):
    def read(self, path: Path) -> Geometry:
        return attrs.evolve(super().read(path), spindle=(0.0, 1.001, 0.0))


class Endless(Toy):
    def panel(self, path: Path, origin: list[float]) -> PanelGeometry:
        return attrs.evolve(super().panel(path, origin), origin=(float("inf"), 0.0, 0.0))


def test_a_reader_that_keeps_every_promise_passes() -> None:
    testing.check_geometry_reader(Toy(), GOOD)
    testing.check_geometry_reader(Oblique(), GOOD)


@pytest.mark.parametrize(
    ("broken", "said", "error"),
    [
        (Greedy, "takes a file of empty for one that it reads", AssertionError),
        (Blind, "does not recognise one.toy", AssertionError),
        (Nameless, "the source is 'somewhere', which does not name it", AssertionError),
        (Silent, "the message does not name the file: 'something is wrong'", AssertionError),
        (Crashing, "list index out of range", IndexError),
        (Flat, "the axes of panel p span no plane", AssertionError),
        (Long, "the spindle has the length 1.001", AssertionError),
        (Endless, "a number is inf", AssertionError),
    ],
)
def test_a_broken_reader_is_found(broken: Any, said: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=said):
        testing.check_geometry_reader(broken(), GOOD)
