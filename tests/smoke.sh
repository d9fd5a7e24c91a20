#!/bin/sh
# The project as a user installs it, on every further Python that is found: the wheel, in a fresh environment, away from
# the sources; one image, and the list of plugins.
#
#   tests/smoke.sh [PYTHON...]
#
# Without names, it tries python3.11 to python3.14, on the path and among pyenv's, but for the one in .venv. Where
# PyTorch would bring CUDA with it, several GB, that Python is passed over with a line.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
own=$("$root/.venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)

# The interpreters to try, one of each version.
found() {
    for version in 3.11 3.12 3.13 3.14; do
        [ "$version" != "$own" ] || continue
        for python in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
            if [ -n "$python" ] && "$python" -c "import sys; assert sys.version_info[:2] == ($(echo $version | tr . ,))" 2>/dev/null
            then
                echo "$python"
                break
            fi
        done
    done
}

# The wheel is made from a copy, so that nothing is left in the sources.
wheel() {
    mkdir "$folder/sources"
    (cd "$root" && tar cf - --exclude=./.venv --exclude=./.git --exclude=./site --exclude='*.egg-info' .) | (cd "$folder/sources" && tar xf -)
    "$1" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" "$folder/sources"
}

smoke() {
    python=$1
    name=$("$python" -c 'import platform; print("Python " + platform.python_version())')
    fresh=$folder/$(echo "$name" | tr ' ' -)
    "$python" -m venv "$fresh"
    pip="$fresh/bin/python -m pip --disable-pip-version-check --quiet"
    if ! $pip install --dry-run --report "$fresh/torch.json" -c "$root/constraints.txt" torch >"$fresh/log" 2>&1; then
        echo "smoke: $name is passed over: no PyTorch for it ($(tail -n 1 "$fresh/log"))"
        return
    fi
    if grep -q '"name": *"nvidia' "$fresh/torch.json"; then
        echo "smoke: $name is passed over: PyTorch would bring CUDA with it"
        return
    fi
    [ -d "$folder/sources" ] || wheel "$fresh/bin/python"
    $pip install -c "$root/constraints.txt" "$folder"/openbragg-*.whl
    (
        cd "$fresh"
        bin/openbragg plugins >plugins.txt
        grep -q '^structure factors' plugins.txt
        bin/python -m openbragg simulate -cell 50 -N 3 -default_F 100 -detpixels 32 -seed 1 \
            -floatfile image.bin -noisefile image.img >report.txt
        bin/python -c "
import numpy
photons = numpy.fromfile('image.bin', '<f4')
assert photons.shape == (1024,) and numpy.isfinite(photons).all() and photons.max() > 0, photons
assert 'site-packages' in __import__('openbragg').__file__"
    )
    echo "smoke: $name: the wheel installs and renders"
    rm -rf "$fresh"
}

[ $# -gt 0 ] || set -- $(found)
[ $# -gt 0 ] || echo "smoke: no further Python is found"
for each in "$@"; do
    smoke "$each"
done
