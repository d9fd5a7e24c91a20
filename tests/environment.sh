#!/bin/sh
# Make or reuse the virtual environment .venv of a checkout and print its path.
#
#   tests/environment.sh ROOT [EXTRA]
#
# EXTRA is a comma-separated list of the project's extras. The constraints file pins torch, so that no install fetches
# a build for graphics cards unasked. PYTHON names the interpreter; python3 by default.
set -eu
root=$1
extras=${2:+[$2]}
venv=$root/.venv
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
# Editable, so that the checkout's code is what runs; pip's words go to stderr, the path alone to stdout.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -c "$root/constraints.txt" -e "$root$extras" >&2
echo "$venv"
