#!/bin/bash
#
# Run an end-to-end test; where it fails, run what failed of it once more.
#
#   once_more.sh NAME COMMAND...
#
# Real servers under load, on a machine that others use too, may be late for
# once.  What passes only when it is run again passes, but is told: on lines
# that begin with "PASSED ONLY WHEN RUN AGAIN", below the output of its first
# run, which scripts/test.sh prints before its closing line.  What fails twice
# fails, and what hangs is not repeated.  Of pytest's files only the tests that
# failed are.
set -uo pipefail

name=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Without a failure on record, --last-failed selects everything.
export PYTEST_ADDOPTS="--last-failed -o cache_dir=$scratch/cache"

"$@"
status=$?
[[ $status -eq 0 || $status -eq 77 ]] && exit $status

failed=$scratch/cache/v/cache/lastfailed
mapfile -t tests < <(sed -n 's/^  "\(.*\)": true,\{0,1\}$/\1/p' "$failed" \
	2>/dev/null)
[[ ${#tests[@]} -gt 0 ]] || tests=("all of it")
echo "---- $name failed with status $status and is run again:" "${tests[@]}"
"$@"
status=$?
[[ $status -eq 0 ]] || exit $status
for test in "${tests[@]}"; do
	echo "PASSED ONLY WHEN RUN AGAIN: $name: $test"
done
