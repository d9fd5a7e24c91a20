#!/bin/sh
# Five crystals through DIALS, from images in three formats and about spindles in three directions, without a hint to it. What it
# finds is held against the truth, and a table says PASS or FAIL of each.
#
#   examples/dials/five_crystals.sh [FOLDER]
#
# Needs openbragg and DIALS on the PATH, and no other input: structure factors are made by Wilson statistics. Files are left in
# FOLDER, by default ./five-crystals, which must be new. The exit status is 0 when every demand is met.
set -eu
here=$(dirname "$(realpath "$0")")
folder=${1:-five-crystals}
mkdir "$folder"
cd "$folder"

# A DIALS that has no filter of its own for the NXmx files finds that of openbragg's Python here.
filters=$("$(dirname "$(command -v openbragg)")/python" -c "import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)")
export HDF5_PLUGIN_PATH="${HDF5_PLUGIN_PATH:-$filters}"

# Packages of DIALS have dials.python, or their commands say which Python they run in.
python=$(command -v dials.python || sed -n '1s/^#! *//p' "$(command -v dials.import)")
runs=

# crystal NAME FLAGS...: a folder, and in it structure factors with cell and space group.
crystal() {
    name=$1
    shift
    mkdir "$name"
    openbragg wilson "$@" --output "$name/factors.mtz"
}

# rotate FLAGS...: 80 images of half a degree of the last crystal, and the truth. Gaussian spots have no fringes, and -fudge makes
# them as wide as those of the block of cells, some 450 A across: a pixel or two, which the automatic -oversample samples well,
# and a quarter of a degree or more, which steps of a tenth sample. In the middle of their intervals these add up to what headers
# say. Much wider spots would have their centroids elsewhere, as the Lorentz factor changes across them.
rotate() {
    openbragg simulate -hkl "$name/factors.mtz" -gauss_xtal -polar 0.998 -uniform_photons 3 -seed 1 \
        -osc 0.5 -phisteps 5 -phi_sampling middle --images 80 "$@" -expt "$name/truth.expt" -refl "$name/truth.refl"
}

# process FORMAT SPINDLE IMAGES...: DIALS, up to refined models. Where it gives up, the others are still to be seen.
process() {
    format=$1 spindle=$2
    shift 2
    mkdir "$name/$format"
    echo "$name: what DIALS says of $format is in $name/$format/dials.txt"
    (
        cd "$name/$format"
        dials.import "$@" && dials.find_spots imported.expt && dials.index imported.expt strong.refl &&
            dials.refine indexed.expt indexed.refl
    ) >"$name/$format/dials.txt" 2>&1 || echo "$name: DIALS gave up"
    runs="$runs $name/$format/$spindle"
}

# In the laboratory of MOSFLM the spindle is along fast, which is +x of DIALS: all that headers of SMV and miniCBF can say. Their
# images are written as NXmx, too. This beam is not in the middle of a detector without a sensor.
crystal triclinic --cell 27.1 31.3 33.8 88 108 112.1 --space-group "P 1" \
    --formula "C613 H959 N193 O185 S10" --resolution 1.5
rotate -lambda 0.98 -distance 100 -detpixels_f 540 -detpixels_s 500 -pixel 0.172 -Xbeam 40 -Ybeam 50 -misset 10 20 30 \
    -Na 17 -Nb 15 -Nc 15 -fudge 0.0142 -fluence 3e27 -noisefile "$name/x_###.img" -nxmx "$name/x.nxs"
process smv +x ../x_*.img
process nxmx +x ../x.nxs

crystal monoclinic --cell 91.2 32.4 60.3 90 107.3 90 --space-group "C 1 2 1" \
    --formula "C1000 H1560 N270 O300 S6" --resolution 1.5
rotate -lambda 1.2 -detector pilatus-300k -distance 120 -misset -35 48 17 \
    -Na 5 -Nb 14 -Nc 8 -fudge 0.658 -fluence 3e27 -cbf "$name/x_###.cbf" -nxmx "$name/x.nxs"
process minicbf +x ../x_*.cbf
process nxmx +x ../x.nxs

# Against fast, and so -x.
crystal tetragonal --cell 78.5 78.5 37.2 90 90 90 --space-group "P 43 21 2" \
    --formula "C613 H959 N193 O185 S10" --resolution 1.5
rotate -spindle_axis 0 0 -1 -lambda 1.3 -detector eiger2-500k -distance 60 -misset 70 -15 40 \
    -Na 6 -Nb 6 -Nc 13 -fudge 1.02 -fluence 3e27 -nxmx "$name/x.nxs"
process nxmx -x ../x.nxs

# In the laboratory of DIALS the spindle is along slow.
crystal hexagonal --cell 58 58 88 90 90 120 --space-group "P 61" \
    --formula "C550 H860 N150 O165 S4" --resolution 1.5
rotate -dials -lambda 1 -detector pilatus-300k -distance 120 -misset 25 -50 65 \
    -Na 8 -Nb 8 -Nc 5 -fudge 1.82 -fluence 3e27 -nxmx "$name/x.nxs"
process nxmx vertical ../x.nxs

# Reflections of a small cell are far out, where a block of 150 A is as sharp as one of 450 A is near the beam.
crystal small-molecule --cell 8.4 12.3 15.6 90 97.5 90 --space-group "P 1 21/c 1" \
    --formula "C22 H24 N2 O4" --b-factor 3 --resolution 0.6
rotate -lambda 0.56 -detector pilatus3-300k-cdte -distance 70 -misset 5 33 -71 \
    -Na 18 -Nb 13 -Nc 10 -fudge 0.00435 -fluence 3e27 -cbf "$name/x_###.cbf" -nxmx "$name/x.nxs"
process minicbf +x ../x_*.cbf
process nxmx +x ../x.nxs

# Names of the folders have no blanks.
# shellcheck disable=SC2086
$python "$here/five_crystals_table.py" $runs
