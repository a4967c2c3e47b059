#!/bin/bash
#
# Make the Python interpreters and environments that Debian's own is compared
# with.  Kept in ~/.cache/strandline/pythons/NAME, so each is made once.
#
#   scripts/pythons.sh NAME...
#
#   web            CPython 3.13 with today's FastAPI, uvicorn, numpy, faiss-cpu,
#                  gunicorn, gevent and Cython from PyPI           half a minute
#   pypy           Debian's PyPy
#   debug          Debian's debug build of CPython 3.11
#   free-threaded  CPython 3.13 without the lock, built from Debian's source:
#                  five minutes
#
# Prints a line for each: the interpreter, and what it wants in its
# environment.  Exit status 77: cannot be had on this machine.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/strandline/pythons
pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
web=(fastapi uvicorn uvloop httptools numpy faiss-cpu gunicorn gevent
	cython setuptools)

cannot() {
	printf '%s: %s\n' "$self" "$*" >&2
	exit 77
}

# environment FOLDER PACKAGE...: of pyenv's 3.13.
environment() {
	local folder=$1 found
	shift
	found=$(compgen -G "$pyenv/3.13.*/bin/python3" | tail -n 1) ||
		cannot "pyenv has no Python 3.13"
	"$found" -m venv "$folder"
	"$folder/bin/pip" install -q "$@" ||
		cannot "PyPI does not give $*"
}

# unpacked FOLDER PACKAGE...: of Debian, beside what is installed.
unpacked() {
	local folder=$1 package
	shift
	mkdir -p "$folder/deb"
	(cd "$folder/deb" && apt-get -q download "$@") ||
		cannot "apt does not give $*"
	for package in "$folder"/deb/*.deb; do
		dpkg -x "$package" "$folder"
	done
	rm -r "$folder/deb"
}

# The mirror of the running system's own packages.
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		2>/dev/null | grep -v -e security -e updates | head -n 1
}

# What other releases have is not for this system's own lists.
source_of() {
	local folder=$1 suite=$2 name=$3 lists=$1/apt options
	mkdir -p "$lists/lists/partial" "$lists/archives/partial"
	echo "deb-src $(mirror) $suite main" >"$lists/sources"
	options=(-q -o "Dir::Etc::sourcelist=$lists/sources"
		-o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::Lists=$lists/lists" -o "Dir::Cache=$lists")
	apt-get "${options[@]}" update &&
		(cd "$folder" && apt-get "${options[@]}" --download-only \
			source "$name")
}

free_threaded() {
	local folder=$1
	source_of "$folder" trixie python3.13 ||
		cannot "apt's mirror does not give the source of Python 3.13"
	mkdir "$folder/source"
	tar -xf "$folder"/python3.13_*.orig.tar.xz -C "$folder/source" \
		--strip-components=1
	(cd "$folder/source" &&
		./configure -q --disable-gil --without-ensurepip \
			--disable-test-modules "--prefix=$folder" CFLAGS=-O1 &&
		make -s "-j$(jobs_that_fit)" && make -s install) ||
		cannot "Python 3.13 does not build without its lock"
	rm -r "$folder/source" "$folder/apt" "$folder"/python3.13_*
}

make_python() {
	local name=$1 folder=$2
	case $name in
	web) environment "$folder" "${web[@]}" ;;
	pypy) unpacked "$folder" pypy3 pypy3-lib ;;
	debug)
		unpacked "$folder" python3.11-dbg libpython3.11-dbg \
			libpython3.11-minimal libpython3.11-stdlib
		;;
	free-threaded) free_threaded "$folder" ;;
	*) die "no Python '$name': see the head of $0" ;;
	esac
}

# The interpreter, and its environment.
tell() {
	local name=$1 folder=$2
	case $name in
	pypy)
		echo "$folder/usr/bin/pypy3" \
			"LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu"
		;;
	debug)
		echo "$folder/usr/bin/python3.11d PYTHONHOME=$folder/usr"
		;;
	*) echo "$folder/bin/python3" ;;
	esac
}

[[ $# -gt 0 ]] || die "which? see the head of $0"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # tests run side by side
for name in "$@"; do
	folder=$cache/$name
	if [[ ! -e $folder/.complete-1 ]]; then
		say "making the Python '$name'" >&2
		rm -rf "$folder"
		mkdir -p "$folder"
		make_python "$name" "$folder" >"$cache/$name.log" 2>&1 || {
			status=$?
			tail -n 3 "$cache/$name.log" >&2
			exit $status
		}
		touch "$folder/.complete-1"
	fi
	tell "$name" "$folder"
done
