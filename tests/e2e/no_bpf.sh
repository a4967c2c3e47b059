#!/bin/bash
#
# A build without clang, bpftool or libbpf links: what the other files use of
# those that need them, profiler/probe/none.c has.
set -euo pipefail

build=${STRANDLINE_BUILD:?says where the built tree is}
probe=$PWD/profiler/probe
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if grep -q '^LIBBPF.*NOTFOUND\|^CLANG.*NOTFOUND\|^BPFTOOL.*NOTFOUND' \
	"$build/CMakeCache.txt"; then
	echo "SKIPPED: this tree is such a build itself"
	exit 77
fi
cc -std=gnu11 -D_GNU_SOURCE -I. -c "$probe/none.c" -o "$scratch/none.o"
cd "$scratch"
ar x "$build/libprobe.a"
mkdir bpf
while read -r source; do
	mv "$(basename "$source").o" bpf
done < <(grep -lE 'include.*(<bpf/|\.skel\.h)' "$probe"/*.c)

defined() {
	nm --extern-only --defined-only "$@" | awk 'NF == 3 { print $3 }' |
		sort -u
}

used() {
	nm --undefined-only "$@" 2>/dev/null | awk '$1 == "U" { print $2 }' |
		sort -u
}

missing=$(comm -12 <(defined bpf/*.o) <(used ./*.c.o "$build"/libcmd.a) |
	comm -23 - <(defined none.o) |
	grep -v '^uprobe_' || true) # of price.c, which nobody asks there
[[ -z $missing ]] || {
	echo "profiler/probe/none.c lacks ${missing//$'\n'/ }"
	exit 1
}
