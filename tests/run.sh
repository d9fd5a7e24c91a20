#!/bin/sh
# Everything that must hold: lint, types, import walls, the site of the documents, tests. Makes its own virtual
# environment in .venv.
#
#   tests/run.sh [ARGUMENTS OF PYTEST]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
PATH=$("$root/tests/environment.sh" "$root" test,docs)/bin:$PATH
export PATH
# Many tests start a Python of their own, which would translate all sources anew where none may be kept translated.
unset PYTHONDONTWRITEBYTECODE
ruff check .
ruff format --check .
lint-imports
NO_MKDOCS_2_WARNING=1 mkdocs build --strict
# Types are checked beside the tests: it takes most of a minute of one core.
mypy &
types=$!
status=0
# One thread a worker: two test processes that each use all cores would only wait for each other.
OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadgroup "$@" || status=$?
wait "$types" || { echo "mypy: the types do not hold, see above" >&2 && exit 1; }
exit "$status"
