# shellcheck shell=bash
#
# What the scripts share.  Sourced, never run: each script sets its own
# options and then reads this for its messages and for where the tree is.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
self=$(basename "$0")

# Debian's interpreter: python3 on PATH may be pyenv's, which has no FastAPI.
# shellcheck disable=SC2034
python=/usr/bin/python3

say() {
	printf '== %s\n' "$*"
}

# One sentence that names the object and the way out, then failure.
die() {
	printf '%s: %s\n' "$self" "$*" >&2
	exit 1
}

# Job count for builds: every core, but never more than memory can feed
# (a sanitized C++ compile takes about 500 MiB).
jobs_that_fit() {
	local cores memory_kib
	cores=$(nproc)
	memory_kib=$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)
	local by_memory=$((memory_kib / 524288))
	((by_memory < 1)) && by_memory=1
	echo $((cores < by_memory ? cores : by_memory))
}

# build_preset NAME [TARGET...]: configure and build one preset, quietly unless
# it fails.
build_preset() {
	local preset=$1 log targets=()
	shift
	[[ $# -eq 0 ]] || targets=(--target "$@")
	log=$(mktemp)
	say "building preset $preset"
	if ! (cd "$root" && cmake --preset "$preset" &&
		cmake --build --preset "$preset" -j "$(jobs_that_fit)" \
			"${targets[@]}") >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		die "preset $preset does not build; its last lines stand above"
	fi
	rm -f "$log"
}
