#!/bin/bash
#
# oracle.sh ORACLE FILE: decode a file, or a library that the loader knows by
# that name, beside objdump.
set -euo pipefail

oracle=$1 file=$2
if [[ $file != /* ]]; then
	file=$(/sbin/ldconfig -p | awk -v name="$file" \
		'$1 == name && /x86-64/ && !found++ { print $NF }')
fi
if [[ ! -e $file ]]; then
	echo "skipped: no $2 here"
	exit 77
fi
if ! command -v objdump >/dev/null; then
	echo "skipped: no objdump (binutils) here"
	exit 77
fi
objdump -dw --insn-width=15 "$file" | "$oracle"
