#!/bin/sh
# check_golden.sh MODULE SCRIPT: whether the golden files are what SCRIPT --check computes. Status 77, which ctest takes
# as skipped, where no python3 has MODULE.
for python in python3 /usr/bin/python3; do
  if "$python" -c "import $1" 2>/dev/null; then
    exec "$python" "$2" --check
  fi
done
echo "skipped: no python3 here has the module $1"
exit 77
