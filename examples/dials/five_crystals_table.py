"""Hold what DIALS refined of each crystal against the truth, and print a table.

    dials.python five_crystals_table.py CRYSTAL/FORMAT/SPINDLE...

Each folder CRYSTAL has truth.expt, and CRYSTAL/FORMAT what DIALS wrote, from strong.refl to refined.expt: so
five_crystals.sh leaves them. Exit status 0 when all is well, 1 otherwise. It needs DIALS's Python.
"""

import sys
from pathlib import Path

import numpy as np
from compare_with_truth import experiment, rotation_between, setting
from dials.array_family import flex

#: The demands: part of the strong spots, degrees, pixels, and millimetres.
INDEXED, ORIENTATION, BEAM, DISTANCE = 0.95, 0.01, 0.05, 0.05
#: Columns and their widths.
COLUMNS = {
    "crystal": 16,
    "format": 9,
    "spindle": 10,
    "indexed %": 11,
    "orientation deg": 17,
    "beam centre px": 16,
    "distance mm": 13,
    "": 4,
}


def primitive(model):
    """The setting matrix of a primitive cell."""
    change = model.get_space_group().info().change_of_basis_op_to_primitive_setting()
    return setting(model.change_basis(change))


def indexed_part(folder):
    """The part of the strong spots that has indices."""
    strong, indexed = (flex.reflection_table.from_file(str(folder / f"{name}.refl")) for name in ("strong", "indexed"))
    return indexed.get_flags(indexed.flags.indexed).count(True) / len(strong)


def misorientation(true, found):
    """Degrees between two crystals of one lattice, whatever the basis of each; infinite where the lattices differ."""
    ours, theirs = primitive(true.crystal), primitive(found.crystal)
    change = np.linalg.inv(ours) @ theirs
    whole = np.rint(change)
    if np.abs(change - whole).max() > 0.05 or round(np.linalg.det(whole)) != 1:
        return np.inf
    return rotation_between(theirs @ np.linalg.inv(whole), ours)


def beam_centre(model):
    """Where the beam meets the first panel, in pixels."""
    return np.array(model.detector[0].get_beam_centre_px(model.beam.get_s0()))


def distance(model):
    """From the crystal to the plane of the first panel, in millimetres."""
    return model.detector[0].get_distance()


def compare(folder):
    """Part of the spots indexed, and how far orientation, beam centre and distance are off."""
    true, found = experiment(folder.parent / "truth.expt"), experiment(folder / "refined.expt")
    spot = float(np.abs(beam_centre(found) - beam_centre(true)).max())
    return indexed_part(folder), misorientation(true, found), spot, abs(distance(found) - distance(true))


def line(*words):
    """One of the table."""
    return "".join(map(str.ljust, words, COLUMNS.values())).rstrip()


def main(words):
    """Compare every folder, and print a line of each."""
    passed = True
    print(line(*COLUMNS))
    for word in words:
        crystal, form, spindle = word.split("/")
        folder = Path(crystal, form)
        good, values = False, ["-"] * 4
        if (folder / "refined.expt").exists():
            indexed, turn, spot, away = compare(folder)
            good = indexed >= INDEXED and turn <= ORIENTATION and spot <= BEAM and away <= DISTANCE
            values = [f"{indexed:.1%}", f"{turn:.4f}", f"{spot:.4f}", f"{away:.4f}"]
        print(line(crystal, form, spindle, *values, "PASS" if good else "FAIL"))
        passed = passed and good
    return 0 if passed else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
