#!/bin/sh
# Simulate a rotation data set from a PDB entry and process it with DIALS, without a hint to either.
#
#   examples/dials/process.sh MODEL.pdb [FOLDER]
#
# Needs openbragg and DIALS on the PATH. Files are left in FOLDER, by default ./dials-example, which must be new.
set -eu
model=$(realpath "$1")
folder=${2:-dials-example}
mkdir "$folder"
cd "$folder"

# A crystal of 20 x 20 x 20 cells and 0.2 degrees of mosaic spread, 60 images of one degree with Poisson noise, and a little
# water around it. Twenty steps a degree are as fine as the reflections are wide.
openbragg simulate -hkl "$model" -resolution 1.9 -lambda 1 -distance 150 -detpixels 1024 -pixel 0.172 \
    -N 20 -mosaic 0.2 -mosaic_domains 10 -misset 10 20 30 -water 0.1 -fluence 3e27 -oversample 1 \
    -osc 1 -phisteps 20 --start 0 --images 60 -seed 1 -noisefile crystal_####.img

dials.import crystal_*.img
dials.find_spots imported.expt
dials.index imported.expt strong.refl
dials.refine indexed.expt indexed.refl
dials.integrate refined.expt refined.refl
dials.symmetry integrated.expt integrated.refl
dials.scale symmetrized.expt symmetrized.refl
dials.show scaled.expt | grep -E "Unit cell|Space group"
