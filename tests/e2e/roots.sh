#!/bin/bash
#
# The one built libstrandline.so runs under the libc of other releases: in
# roots of Debian 11, 13 and unstable, Python prints what it prints without
# it, in both modes, and the recordings can be read out here.
set -euo pipefail

build=${STRANDLINE_BUILD:?says where the built tree is}
source=$(cd "$(dirname "$0")/../.." && pwd)
status=0
ran=0

# Imports, threads, a child, blocks of all sizes: a second of work.
# shellcheck disable=SC2016
program='
import os, threading, zlib
kept = [bytes(n % 5000) for n in range(20000)]
threads = [threading.Thread(target=lambda: [str(n) for n in range(9999)])
           for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
child = os.fork()
if child == 0:
    os._exit(len({n: str(n) for n in range(5000)}) % 251)
status = os.WEXITSTATUS(os.waitpid(child, 0)[1])
print([status, zlib.crc32(b"".join(kept)), sum(map(len, kept))])
'

# inside ROOT COMMAND...: with its own mounts, /proc and process numbers.
inside() {
	local root=$1
	shift
	unshare --mount --pid --fork --mount-proc="$root/proc" \
		chroot "$root" "$@"
}

# try ROOT MODE: a line of what is wrong, or nothing.
try() {
	local root=$1 mode=$2 folder plain traced
	folder=$(mktemp -d "$root/tmp/strandline.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$folder'" RETURN
	cp "$build/preload/libstrandline.so" "$folder/"
	mkdir "$folder/rec.strand"
	plain=$(inside "$root" python3 -c "$program" 2>&1) ||
		echo "python3 fails without us: $plain"
	traced=$(inside "$root" env \
		LD_PRELOAD="${folder#"$root"}/libstrandline.so" \
		STRANDLINE_DIR="${folder#"$root"}/rec.strand" \
		STRANDLINE_MODE="$mode" python3 -c "$program" 2>&1) ||
		echo "exit status $?"
	[[ $plain == "$traced" ]] ||
		echo "prints '$traced' and not '$plain'"
	"$build/strandline" report -f json "$folder/rec.strand" \
		>"$folder/report.json" 2>"$folder/error" ||
		sed 's/^/no report: /' "$folder/error"
	grep -q '"function"' "$folder/report.json" ||
		echo "no allocation site in the report"
}

if ! unshare --mount --pid --fork true 2>/dev/null; then
	echo "SKIPPED other releases: namespaces need root"
	exit 77
fi
for suite in bullseye trixie sid; do
	root=$("$source/scripts/roots.sh" "$suite" | tail -n 1) || {
		echo "SKIPPED $suite: no root of it can be made here"
		continue
	}
	ran=1
	libc=$(chroot "$root" ldd --version 2>&1 | sed -n '1s/.* //p')
	for mode in sample exact; do
		wrong=$(try "$root" "$mode")
		echo "$suite (glibc $libc), $mode: ${wrong:-ok}"
		[[ -z $wrong ]] || status=1
	done
done
((ran)) || exit 77
exit $status
