#!/bin/sh
# Render one still-like rotation image of a lysozyme crystal.
#
# Makes a virtual environment in .venv at the project's root, installs OpenBragg there, makes structure factors for
# tetragonal hen egg-white lysozyme, and renders 1024 x 1024 pixels. Leaves, in this folder:
#   lysozyme.hkl   h k l F of the P1 cell, on an absolute scale
#   lysozyme.png   the expected photons as a picture
#   lysozyme.img   the same image with photon noise, SMV
#   lysozyme.bin   the expected photons, raw float32
# PYTHON names the interpreter to use; python3 by default.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
openbragg=$("$root/tests/environment.sh" "$root")/bin/openbragg
cd "$here"

# 129 residues and 140 waters an asymmetric unit, eight of them in the cell of P 43 21 2.
"$openbragg" wilson --cell 78.9 78.9 38.1 90 90 90 --space-group "P 43 21 2" --sequence lysozyme.seq --waters 140 \
    --resolution 2.0 --b-factor 20 --seed 1 -o lysozyme.hkl

# A crystal of 0.08 micrometres with a mosaic spread of 0.15 degrees turns by one degree in a beam of 12.66 keV. Its spots
# are a pixel wide, for which nine subpixels of each will do; larger crystals take more of them, and longer.
"$openbragg" simulate -hkl lysozyme.hkl -mat lysozyme.mat -lambda 0.9795 -Na 10 -Nb 10 -Nc 20 -round_xtal \
    -mosaic 0.15 -mosaic_domains 12 -phi 10 -osc 1 -phisteps 12 -fluence 1e26 \
    -distance 150 -pixel 0.172 -detpixels 1024 -seed 1 \
    -floatfile lysozyme.bin -noisefile lysozyme.img -adc 0 -pngfile lysozyme.png
