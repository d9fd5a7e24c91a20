#!/bin/sh
# Everything that must hold: lint, types, import walls, the site of the documents, tests. Makes its own virtual
# environment in .venv.
#
#   tests/run.sh [ARGUMENTS OF PYTEST]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
# What is imported is translated when it first is, a tenth of all that is installed; and kept, where the user's settings
# would have each of the many processes that tests start translate it anew. To pip this "no" is "no compiling".
unset PYTHONDONTWRITEBYTECODE
PATH=$(PIP_NO_COMPILE=no "$root/tests/environment.sh" "$root" test,docs)/bin:$PATH
export PATH
ruff check .
ruff format --check .
lint-imports
# Types and the site are checked beside the tests, while these wait: they take most of a minute of one core.
{ nice mypy && NO_MKDOCS_2_WARNING=1 nice mkdocs build --strict --quiet; } &
beside=$!
status=0
# One thread a worker: two test processes that each use all cores would only wait for each other.
OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadgroup "$@" || status=$?
wait "$beside" || { echo "mypy or mkdocs: the types or the documents do not hold, see above" >&2 && exit 1; }
exit "$status"
