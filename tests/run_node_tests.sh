#!/bin/sh
# run_node_tests.sh D3 FILE...: whether the tests of scripts pass in node, with D3 from the file D3. Status 77, which
# ctest takes as skipped, where there is no node that can run them.
for node in node nodejs; do
  if "$node" -e 'require("node:test")' 2>/dev/null; then
    export GYRE_D3="$1"
    shift
    exec "$node" --test "$@"
  fi
done
echo "skipped: there is no node of version 18 or later here"
exit 77
