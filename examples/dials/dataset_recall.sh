#!/bin/sh
# A data set for finding spots, and DIALS's spots on it: of the spots that our labels say are strong, how many does DIALS find?
#
#   examples/dials/dataset_recall.sh [FOLDER [SHOTS]]
#
# Needs openbragg and DIALS on the PATH, and no other input. Files are left in FOLDER, by default ./dataset-recall, which must be
# new; SHOTS are 30 by default. The exit status is 0 when at least 99 % are found.
set -eu
here=$(dirname "$(realpath "$0")")
folder=${1:-dataset-recall}
shots=${2:-30}
mkdir "$folder"
cd "$folder"

# A DIALS that has no filter of its own for the NXmx files finds that of openbragg's Python here.
ours=$(dirname "$(command -v openbragg)")/python
filters=$("$ours" -c "import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)")
export HDF5_PLUGIN_PATH="${HDF5_PLUGIN_PATH:-$filters}"

# Packages of DIALS have dials.python, or their commands say which Python they run in.
python=$(command -v dials.python || sed -n '1s/^#! *//p' "$(command -v dials.import)")

# The recipe as it is, but for labels: expected photons tell signal and background.
cp "$here/../datasets/lysozyme.mtz" .
sed 's/^arrays = .*/arrays = ["photons", "crystals", "spots"]/' "$here/../datasets/spot-finding.toml" >recipe.toml
openbragg dataset recipe.toml --shots "$shots" -o set
dials.import set/shards/*.nxs >import.txt

# By default DIALS takes what has three pixels or more for a spot; here many have one or two.
for pixels in 3 1; do
    dials.find_spots imported.expt "spotfinder.filter.min_spot_size=$pixels" "output.reflections=strong_$pixels.refl" \
        >"find_$pixels.txt"
    $python - "$pixels" <<'PYTHON'
import json, sys
from dials.array_family import flex
strong = flex.reflection_table.from_file(f"strong_{sys.argv[1]}.refl")
fast, slow, _ = strong["xyzobs.px.value"].parts()
with open(f"strong_{sys.argv[1]}.json", "w") as out:
    json.dump({"experiment": list(strong["id"]), "fast": list(fast), "slow": list(slow)}, out)
PYTHON
done
"$ours" "$here/dataset_recall.py" set imported.expt strong_3.json strong_1.json
