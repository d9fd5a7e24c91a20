#!/bin/sh
# Simulate a rotation data set from a PDB entry, process it with DIALS, without a hint to either, and hold what comes out
# against the truth.
#
#   examples/dials/process.sh MODEL.pdb [FOLDER]
#
# Needs openbragg and DIALS on the PATH. Files are left in FOLDER, by default ./dials-example, which must be new. The exit
# status is 0 when every demand is met.
set -eu
here=$(dirname "$(realpath "$0")")
model=$(realpath "$1")
folder=${2:-dials-example}
mkdir "$folder"
cd "$folder"

# A crystal with the spots of 6 x 6 x 6 cells, three pixels wide and without fringes, and 0.2 degrees of mosaic spread; 60
# images of one degree, with a little water around it, and the noise of a photon counter. Five steps a degree are finer than
# the reflections are wide, and stand in the middle of their intervals.
simulate() {
    openbragg simulate -hkl "$model" -resolution 1.9 -k_sol 0.35 -lambda 1 -polar 0.998 -fluence 1e28 -water 0.06 \
        -gauss_xtal -N 6 -fudge 1.24 -mosaic 0.2 -mosaic_domains 10 -misset 10 20 30 \
        -distance 150 -osc 1 -phisteps 5 -phi_sampling middle --start 0 --images 60 -seed 1 -detector_preset pilatus "$@"
}

# On a PILATUS 1M, with its gaps and its sensor.
simulate -detector pilatus-1m -cbf crystal_####.cbf -nxmx crystal.nxs -expt truth.expt -refl truth.refl
# SMV has no mark for pixels that are none: the same without gaps.
simulate -detpixels_f 981 -detpixels_s 1043 -pixel 0.172 -noisefile whole_####.img -expt whole.expt -refl whole.refl

# A DIALS that has no filter of its own for the NXmx file finds that of openbragg's Python here.
filters=$("$(dirname "$(command -v openbragg)")/python" -c "import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)")
export HDF5_PLUGIN_PATH="${HDF5_PLUGIN_PATH:-$filters}"

for format in smv minicbf nxmx; do
    mkdir "$format"
    cd "$format"
    case $format in
        smv) dials.import ../whole_*.img ;;
        minicbf) dials.import ../crystal_*.cbf ;;
        nxmx) dials.import ../crystal.nxs ;;
    esac
    dials.find_spots imported.expt
    dials.index imported.expt strong.refl
    dials.refine indexed.expt indexed.refl
    dials.integrate refined.expt refined.refl
    dials.symmetry integrated.expt integrated.refl
    dials.scale symmetrized.expt symmetrized.refl
    cd ..
done

# Packages of DIALS have dials.python, or their commands say which Python they run in.
python=$(command -v dials.python || sed -n '1s/^#! *//p' "$(command -v dials.import)")
status=0
$python "$here/compare_with_truth.py" whole.expt whole.refl smv || status=1
$python "$here/compare_with_truth.py" truth.expt truth.refl minicbf nxmx || status=1
exit $status
