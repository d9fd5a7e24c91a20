"""Hold what DIALS made of simulated images against the truth, and say PASS or FAIL for each demand.

    dials.python compare_with_truth.py truth.expt truth.refl FOLDER...

Each folder has the files of one run of process.sh: imported.expt, strong.refl, indexed.refl, scaled.expt and
scaled.refl. Exit status 0 when all is well, 1 otherwise. It needs DIALS's Python.
"""

import sys
from pathlib import Path

import numpy as np
from cctbx import crystal, miller
from dials.array_family import flex
from dxtbx.model.experiment_list import ExperimentListFactory

#: The demands: part of the strong spots, parts of a length, degrees, pixels, and a correlation.
INDEXED, LENGTHS, ANGLES, ORIENTATION, BEAM, CORRELATION = 0.95, 1e-3, 0.1, 0.05, 0.1, 0.97


def experiment(path):
    """The first experiment of a file, its images not looked for."""
    return ExperimentListFactory.from_json_file(str(path), check_format=False)[0]


def setting(model):
    """The matrix that turns h k l into a reciprocal vector, columns a*, b*, c*."""
    return np.array(model.get_A()).reshape(3, 3)


def cell(matrix):
    """Lengths in angstroms and angles in degrees of a setting matrix."""
    direct = np.linalg.inv(matrix)
    lengths = np.linalg.norm(direct, axis=1)
    cosines = direct @ direct.T / np.outer(lengths, lengths)
    return lengths, np.degrees(np.arccos([cosines[1, 2], cosines[0, 2], cosines[0, 1]]))


def rotation_between(found, true):
    """The angle in degrees by which two setting matrices of nearly one cell are turned against each other."""
    left, _, right = np.linalg.svd(found @ np.linalg.inv(true))
    return np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1.0) / 2.0, -1.0, 1.0)))


def merged(scaled, model):
    """Amplitudes of the merged intensities in the found symmetry, at the found indices."""
    flags = scaled.flags
    # What was beyond the largest count is not known; DIALS flags it.
    good = ~scaled.get_flags(flags.bad_for_scaling, all=False) & ~scaled.get_flags(flags.overloaded)
    good &= scaled.get_flags(flags.integrated, all=False)
    scaled = scaled.select(good & (scaled["inverse_scale_factor"] > 0.0))
    symmetry = crystal.symmetry(unit_cell=model.get_unit_cell(), space_group=model.get_space_group())
    values = scaled["intensity.scale.value"] / scaled["inverse_scale_factor"]
    sigmas = flex.sqrt(scaled["intensity.scale.variance"]) / scaled["inverse_scale_factor"]
    array = miller.set(symmetry, scaled["miller_index"], anomalous_flag=False).array(values, sigmas)
    array = array.set_observation_type_xray_intensity().merge_equivalents().array()
    return np.array(list(array.indices())), np.sqrt(np.maximum(np.array(array.data()), 0.0))


def true_amplitudes(table, operations):
    """F by h k l, also at the indices that symmetry relates to those on the images."""
    indices, amplitudes = np.array(list(table["miller_index"])), np.array(table["F"])
    known = {}
    for matrix in operations:
        for index, amplitude in zip(indices @ matrix, amplitudes, strict=True):
            known[tuple(index)] = known[tuple(-index)] = amplitude
    return known


def compare(true, table, folder):
    """(what, value, whether it is good) for each demand."""
    imported, found = experiment(folder / "imported.expt"), experiment(folder / "scaled.expt")
    strong = len(flex.reflection_table.from_file(str(folder / "strong.refl")))
    indexed = flex.reflection_table.from_file(str(folder / "indexed.refl"))
    indexed = indexed.get_flags(indexed.flags.indexed).count(True)
    yield "strong spots indexed", f"{indexed} of {strong}, {indexed / strong:.1%}", indexed >= INDEXED * strong

    # Symmetry leaves the choice between indices that describe one crystal: found ones are turned into the true ones.
    ours, theirs = setting(true.crystal), setting(found.crystal)
    change = np.linalg.inv(ours) @ theirs
    whole = np.rint(change).astype(int)
    good = np.abs(change - whole).max() < 0.05 and round(np.linalg.det(whole)) == 1
    yield "indices are those of the crystal", " ".join(map(str, whole.ravel())), good
    if not good:
        return
    theirs = theirs @ np.linalg.inv(whole)
    lengths, angles = zip(cell(theirs), cell(ours), strict=True)
    error = np.abs(lengths[0] / lengths[1] - 1.0).max()
    yield "cell lengths", f"{error:.3%} off at most", error <= LENGTHS
    error = np.abs(angles[0] - angles[1]).max()
    yield "cell angles", f"{error:.4f} degrees off at most", error <= ANGLES
    error = rotation_between(theirs, ours)
    yield "orientation", f"{error:.4f} degrees off", error <= ORIENTATION

    places = [each.detector[0].get_beam_centre_px(each.beam.get_s0()) for each in (true, imported, found)]
    for name, place in zip(("imported", "refined"), places[1:], strict=True):
        error = float(np.abs(np.subtract(place, places[0])).max())
        yield f"beam centre, {name}", f"{error:.4f} pixels off", error <= BEAM

    groups = [each.crystal.get_space_group() for each in (true, found)]
    point_groups = [group.build_derived_patterson_group() for group in groups]
    name = str(groups[1].info())
    yield "space group or its point group", name, point_groups[0] == point_groups[1] or groups[0] == groups[1]

    operations = [np.array(op.r().as_double()).reshape(3, 3).round().astype(int) for op in groups[0].all_ops()]
    known = true_amplitudes(table, operations)
    indices, amplitudes = merged(flex.reflection_table.from_file(str(folder / "scaled.refl")), found.crystal)
    there = [known.get(tuple(index)) for index in indices @ whole.T]
    pairs = np.array([pair for pair in zip(there, amplitudes, strict=True) if pair[0] is not None])
    value = np.corrcoef(pairs.T)[0, 1]
    yield "correlation with F", f"{value:.4f} over {len(pairs)} merged amplitudes", value >= CORRELATION


def main(words):
    """Compare every folder, and print a table of each."""
    true, table = experiment(words[0]), flex.reflection_table.from_file(words[1])
    passed = True
    for folder in map(Path, words[2:]):
        print(folder)
        for what, value, good in compare(true, table, folder):
            print(f"  {'PASS' if good else 'FAIL'}  {what:<34}{value}")
            passed = passed and bool(good)
    return 0 if passed else 1


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
