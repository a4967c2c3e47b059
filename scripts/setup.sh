#!/bin/bash
#
# Install what Strandline is built, tested and benchmarked with, from the
# distribution's own packages.  Run it as root or as somebody who may sudo.
#
#   scripts/setup.sh [build] [server] [test] [bench]    no group: all of them
#
# When everything is there already it only asks dpkg, which takes 0.1 s.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# The tool, the shim and the man pages.
build_packages=(
	gcc g++ cmake ninja-build pkg-config libc6-dev
	libelf-dev libdw-dev libiberty-dev libjansson-dev zlib1g-dev
	libcyaml-dev libyaml-dev libunwind-dev libncurses-dev
	liblzma-dev libprotobuf-c-dev protobuf-c-compiler
	clang bpftool libbpf-dev libmicrohttpd-dev libcurl4-openssl-dev
)

# To bundle the page of the HTML report; those of another source will do.
command -v npm >/dev/null || build_packages+=(nodejs npm)

# The bundled Python server, which the demo, the tests and the bench run.
server_packages=(
	python3 python3-numpy python3-fastapi python3-faiss python3-uvicorn
	python3-uvloop python3-httptools python3-redis gunicorn
)

# Unit tests (Criterion), fuzzers (clang), style,
# the C server and the real ones, and the roots of other releases.
test_packages=(
	"${server_packages[@]}"
	libcriterion-dev libjemalloc-dev libmicrohttpd-dev
	libsqlite3-dev libgoogle-perftools-dev clang libclang-rt-14-dev
	clang-format shellcheck
	libc6-dbg git binutils man-db procps curl chromium libxml2-utils
	python3-pytest python3-httpx python3-jsonschema python3-yaml
	redis-server nginx-light debootstrap musl-tools gcc-multilib tmux
	openssl libssl-dev android-libboringssl-dev
	protobuf-compiler prometheus python3-prometheus-client
	libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0
	python3-torch
)

# The peers that the bench stands beside, and the load.
bench_packages=(
	"${server_packages[@]}"
	heaptrack google-perftools libgoogle-perftools4 libjemalloc2
	redis-server redis-tools wrk hey time
)

usage() {
	sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

missing_of() {
	local package status
	for package in "$@"; do
		status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" \
			2>/dev/null || true)
		[[ $status == ii* ]] || echo "$package"
	done | sort -u
}

# A daemon that a package brings (redis, nginx) must not start on its own:
# the tests start theirs, and port 80 is none of our business.
no_daemons() {
	[[ -e /usr/sbin/policy-rc.d ]] && return
	printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d \
		>/dev/null
	as_root chmod 755 /usr/sbin/policy-rc.d
	trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

as_root() {
	if [[ $(id -u) -eq 0 ]]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=3 "$@" </dev/null
}

# What a mirror refuses now it may give in a moment.
patiently() {
	local pause
	for pause in 5 20; do
		"$@" && return
		sleep $pause
	done
	"$@"
}

install_packages() {
	local log
	if [[ $(id -u) -ne 0 ]] && ! command -v sudo >/dev/null; then
		die "cannot install $*: run this as root or install sudo"
	fi
	log=$(mktemp)
	say "apt-get update"
	patiently apt update >"$log" 2>&1 || {
		cat "$log" >&2
		die "apt-get update failed: look at the apt sources above"
	}
	say "apt-get install $*"
	no_daemons
	patiently apt install --no-install-recommends "$@" >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		die "apt-get install failed: install the packages by hand"
	}
	rm -f "$log"
}

groups=("$@")
[[ ${#groups[@]} -eq 0 ]] && groups=(build test bench)
wanted=()
for group in "${groups[@]}"; do
	case $group in
	build) wanted+=("${build_packages[@]}") ;;
	server) wanted+=("${server_packages[@]}") ;;
	test) wanted+=("${test_packages[@]}") ;;
	bench) wanted+=("${bench_packages[@]}") ;;
	-h | --help)
		usage
		exit 0
		;;
	*) die "unknown group '$group': say build, server, test or bench" ;;
	esac
done

command -v apt-get >/dev/null ||
	die "no apt-get here: install by hand: ${wanted[*]}"

mapfile -t missing < <(missing_of "${wanted[@]}")
if [[ ${#missing[@]} -eq 0 ]]; then
	say "packages for ${groups[*]}: all there"
	exit 0
fi
install_packages "${missing[@]}"

mapfile -t missing < <(missing_of "${wanted[@]}")
[[ ${#missing[@]} -eq 0 ]] ||
	die "still missing after the install: ${missing[*]}"
say "packages for ${groups[*]}: installed"
