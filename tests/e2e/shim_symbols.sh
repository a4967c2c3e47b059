#!/bin/bash
#
# One build of libstrandline.so runs in every container: it asks for no glibc
# symbol newer than 2.17, exports the hooks of preload/exports.map and nothing
# else, calls nothing that allocates, locks, prints or exits, and its TLS fits
# the surplus that glibc keeps for libraries that are loaded late.
set -euo pipefail

build=${STRANDLINE_BUILD:?says where the built tree is}
source=$(cd "$(dirname "$0")/../.." && pwd)
shim=$build/preload/libstrandline.so
status=0

fail() {
	echo "$shim: $*"
	status=1
}

# "VERSION SYMBOL" of all that is asked of glibc, and what is newer than 2.17.
newer=$(objdump -T "$shim" | awk '
	/\*UND\*/ && match($0, /GLIBC_[0-9.]+/) {
		version = substr($0, RSTART + 6, RLENGTH - 6)
		split(version, part, ".")
		if (part[1] > 2 || (part[1] == 2 && part[2] > 17))
			print $NF "@GLIBC_" version
	}')
[[ -z $newer ]] || fail "needs a glibc newer than 2.17 for" "$newer"

# What it may ask for at all.  Weak ones are the compiler's own.
asked=$(nm -D --undefined-only "$shim" | awk '$1 == "U" { print $2 }' |
	sed 's/@.*//' | sort)
for symbol in $asked; do
	case $symbol in
	__errno_location | __tls_get_addr) ;;
	*) fail "asks the host for $symbol" ;;
	esac
done

needed=$(readelf -d "$shim" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
for library in $needed; do
	case $library in
	libc.so.6) ;; # musl takes that for itself, and knows no ld-linux
	*) fail "needs $library" ;;
	esac
done

exported=$(nm -D --defined-only "$shim" | awk '{ print $3 }' | sort)
listed=$(sed '/local:/,$d' "$source/preload/exports.map" |
	tr -s ';{}[:space:]' '\n' | grep -v -e '^$' -e '^global:$' | sort)
[[ $exported == "$listed" ]] ||
	fail "exports differ from exports.map:" \
		"$(diff <(echo "$listed") <(echo "$exported") || true)"

tls=$((16#$(readelf -lW "$shim" |
	awk '$1 == "TLS" { sub("0x", "", $6); print $6 }')))
((tls <= 256)) || fail "its TLS is $tls bytes, 256 may be had late"

readelf -lW "$shim" | grep -q 'GNU_STACK.* RWE' && fail "executable stack"

echo "$(wc -w <<<"$exported") exports, $(wc -w <<<"$asked") imports," \
	"$tls bytes of TLS"
exit $status
