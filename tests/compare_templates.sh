#!/bin/sh
# compare_templates.sh RENDERER FOLDER: text/compare_templates.py, run by a python3 that has jinja2. Status 77, which ctest
# takes as skipped, where none has.
script=$(dirname "$0")/text/compare_templates.py
for python in python3 /usr/bin/python3; do
  if "$python" -c "import jinja2" 2>/dev/null; then
    exec "$python" "$script" "$@"
  fi
done
echo "skipped: no python3 here has the module jinja2 (Debian: python3-jinja2)"
exit 77
