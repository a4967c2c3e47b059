#!/bin/sh
# Run a real program under the oracle (see oracle.c) and demand that every
# stack agrees with libunwind's.
#
#   oracle.sh ORACLE.so NAME STACKS EVERY COMMAND...
#
# At least STACKS stacks must have been compared in processes called NAME.
# Exits with 77, the test is skipped, where COMMAND is missing or exits so.

set -u
oracle=$1 name=$2 stacks=$3 every=$4
shift 4
if ! command -v "$1" >/dev/null; then
	echo "$1 is not installed"
	exit 77
fi

out=$(mktemp) log=$(mktemp)
trap 'rm -f "$out" "$log"' EXIT
ORACLE_OUT=$out ORACLE_EVERY=$every LD_PRELOAD=$oracle "$@" >"$log" 2>&1
status=$?
if [ $status -eq 77 ]; then
	cat "$log"
	exit 77
fi
cat "$out"
if [ $status -ne 0 ]; then
	tail -n 20 "$log"
	echo "$1 failed under the oracle: status $status"
	exit 1
fi
if grep -Eq '(broken|different) [1-9]' "$out"; then
	echo "not all stacks agree"
	exit 1
fi
awk -v name="$name" -v want="$stacks" '
	$2 == name ":" { have += $4 }
	END {
		if (have < want)
			print name ": " have + 0 " stacks are too few"
		exit have < want
	}' "$out"
