#!/bin/bash
#
# Make roots of other Debian releases, to run the shim under their libc and
# their Python and redis (chroot stands for a container).  Kept in
# ~/.cache/strandline/roots/SUITE, so each is made once, in about a minute.
#
#   scripts/roots.sh [SUITE...]      bullseye trixie sid by default
#
# Prints the folder of each.  Needs root, debootstrap, and the mirror that
# apt is set up with.  Exit status 77: cannot be had on this machine.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

cache=${STRANDLINE_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline/roots}

cannot() {
	printf '%s: %s\n' "$self" "$*" >&2
	exit 77
}

# The mirror of the running system's own packages.
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		2>/dev/null | grep -v -e security -e updates | head -n 1
}

make_root() {
	local suite=$1 folder=$cache/$1 uri log
	local options=(--variant=minbase
		"--include=python3-minimal,libpython3-stdlib,redis-server")

	[[ -e $folder/.complete-2 ]] && return
	[[ $(id -u) -eq 0 ]] || cannot "a root of $suite needs root to make"
	command -v debootstrap >/dev/null ||
		cannot "debootstrap is not installed: run scripts/setup.sh test"
	uri=$(mirror)
	[[ -n $uri ]] || cannot "apt knows no mirror to make $suite from"
	say "making a root of $suite" >&2
	rm -rf "$folder"
	mkdir -p "$cache"
	log=$cache/$suite.log
	timeout 300 debootstrap "${options[@]}" "$suite" "$folder" "$uri" \
		>"$log" 2>&1 || {
		tail -n 3 "$log" >&2
		rm -rf "$folder"
		cannot "$suite cannot be had from apt's mirror; see $log"
	}
	rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
	touch "$folder/.complete-2"
}

[[ $# -gt 0 ]] || set -- bullseye trixie sid
for suite in "$@"; do
	make_root "$suite"
	echo "$cache/$suite"
done
