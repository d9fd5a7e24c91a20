#!/bin/sh
# A still: simulated, indexed by DIALS, refined against its pixels from there. How far reflections are from where they are in
# truth is told of both, and has to fall to a tenth.
#
#   examples/dials/refine_still.sh [FOLDER]
#
# Needs openbragg and DIALS on the PATH, and no other input: structure factors are made by Wilson statistics. Files are left
# in FOLDER, by default ./still-example, which must be new. The exit status is 0 when the demand is met.
set -eu
here=$(dirname "$(realpath "$0")")
folder=${1:-still-example}
mkdir "$folder"
cd "$folder"

openbragg wilson --cell 60.4 71.3 83.9 90 90 90 --space-group "P 21 21 21" --formula "C1600 H2500 N430 O480 S12" \
    --resolution 2.2 --output factors.mtz
openbragg simulate -hkl factors.mtz -gauss_index -N 22 -lambda 1.3 -polar 0.998 -misset 20 35 -50 -fluence 1e26 \
    -detpixels_f 900 -detpixels_s 880 -pixel 0.172 -distance 130 -oversample 7 -uniform_photons 6 -seed 1 \
    -cbf still_00001.cbf -expt truth.expt -refl truth.refl

# DIALS is told the crystal, as one does with stills. Its indexer for these needs a module of XFEL experiments that packages of
# DIALS may lack; that for sequences does it, too.
{
    dials.import still_00001.cbf
    dials.find_spots imported.expt
    dials.index imported.expt strong.refl stills.indexer=sequences detector.fix=all beam.fix=all \
        unit_cell=60.4,71.3,83.9,90,90,90 space_group=P212121
} >dials.txt 2>&1

openbragg refine still_00001.cbf -expt indexed.expt -refl indexed.refl -hkl factors.mtz -gauss_index -oversample 7 -polar 0.998 \
    -o refined

"$(dirname "$(command -v openbragg)")/python" "$here/offsets.py" truth.expt indexed.expt refined.expt
