#!/bin/sh
# Builds the wheel, installs it into a bare virtual environment, and runs the tests there. Exits with 77, which ctest
# counts as skipped, where something is missing.
#
#   run.sh BUILD [UNITTEST-ARGUMENT...]
set -eu
build=$(realpath "$1")
shift
here=$(realpath "$(dirname "$0")")
root=$here/../..
tools=$root/build/tools

skip() {
  echo "skipped: $*"
  exit 77
}

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "Python is older than 3.10"
[ -d "$tools/python/nanobind" ] || skip "no nanobind in build/tools/python; scripts/setup test brings it"
[ -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
  skip "no Python.h; scripts/setup test brings it (python3-dev)"

"$root/scripts/wheel" "$build"
environment=$build/python-environment
rm -rf "$environment"
python3 -m venv --without-pip "$environment"
python3 -m pip --python "$environment/bin/python" install --quiet --disable-pip-version-check --no-index \
  --find-links "$tools/wheels" "$build"/wheels/gyre-*.whl ||
  skip "no NumPy for this Python in build/tools/wheels; scripts/setup test brings it"

# Away from the sources, so that nothing but the wheel is found; nothing but it knows where its libraries are.
cd "$environment"
unset PYTHONPATH LD_LIBRARY_PATH
PYTHONDONTWRITEBYTECODE=1 GYRE_ROOT=$root exec bin/python -m unittest discover -s "$here" -t "$here" "$@"
