#!/bin/bash
#
# Hold every #include line to the layers: `may` below is the architecture, and
# data goes one way through it.  A layer may include itself and what its line
# names; wire, alloc, unwind and http are freestanding, because they also run
# inside other people's processes; reports and analysis are pure, so they open
# no file.
#
#   scripts/check-layers.sh [TREE]        check a tree (this one by default)
#   scripts/check-layers.sh --self-test   check that what is forbidden is caught
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

freestanding='stdalign stdarg stdatomic stdbool stddef stdint limits string elf
	emmintrin'
impure='fcntl unistd dirent poll pthread sys/stat sys/mman sys/socket'

declare -A may=(
	[profiler/base]=''
	[profiler/wire]=''
	[profiler/alloc]='profiler/wire'
	[profiler/unwind]=''
	[profiler/http]=''
	[profiler/trace]='profiler/base profiler/wire profiler/latency'
	[profiler/proc]='profiler/base'
	[profiler/sym]='profiler/base profiler/proc'
	[profiler/attach]='profiler/base profiler/wire profiler/proc
		profiler/sym profiler/unwind'
	[profiler/latency]='profiler/base'
	[profiler/probe]='profiler/base profiler/wire profiler/alloc
		profiler/unwind profiler/http profiler/trace profiler/proc profiler/sym bpf'
	[profiler/model]='profiler/base profiler/trace profiler/sym
		profiler/latency'
	[profiler/analysis]='profiler/base profiler/model'
	[profiler/cmd]='profiler/base profiler/wire profiler/unwind
		profiler/http profiler/trace profiler/proc profiler/sym
		profiler/attach profiler/latency profiler/probe profiler/model
		profiler/analysis reports bpf'
	[profiler]='profiler/base profiler/cmd'
	[reports]='profiler/base profiler/model profiler/analysis'
	[preload]='preload/api profiler/wire profiler/alloc profiler/unwind
		profiler/http'
	[preload/api]=''
	[bpf]=''
)

# One "FILE:LINE LAYER KIND NAME" a line, KIND being quoted or system.
include_lines() {
	local layer file
	for layer in "${!may[@]}"; do
		for file in "$1/$layer"/*.[ch]; do
			[[ -e $file ]] || continue
			awk -v layer="$layer" -v file="${file#"$1/"}" '
				/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
					split($0, part, /[<">]/)
					kind = /"/ ? "quoted" : "system"
					print file ":" FNR, layer, kind, part[2]
				}' "$file"
		done
	done
}

has_word() {
	[[ " ${1//[$'\n\t']/ } " == *" $2 "* ]]
}

# Prints why this include is not allowed, or nothing.
objection() {
	local layer=$1 kind=$2 name=$3 target=${3%/*}

	if [[ $kind == system ]]; then
		case $layer in
		profiler/wire | profiler/alloc | profiler/unwind | profiler/http)
			has_word "$freestanding" "${name%.h}" ||
				echo "$layer is freestanding: no <$name>"
			;;
		reports | profiler/analysis)
			! has_word "$impure" "${name%.h}" ||
				echo "$layer is pure: no <$name>"
			;;
		esac
		return
	fi
	if [[ $name != */* ]]; then
		echo "say \"$name\" by its path from the project's root"
	elif [[ -z ${may[$target]+known} ]]; then
		echo "\"$name\" is in no layer"
	elif [[ $target == profiler/sym && $layer != profiler/sym &&
		$name != profiler/sym/@(symtab|function|dynsym|segment|py*).h ]]; then
		echo "of sym others see {symtab,function,dynsym,segment,py*}.h only"
	elif [[ $target != "$layer" ]] && ! has_word "${may[$layer]}" "$target"
	then
		echo "$layer may not include $target"
	fi
}

# check TREE: prints each violation; fails when there was one.
check() {
	local where layer kind name why bad=0
	while read -r where layer kind name; do
		why=$(objection "$layer" "$kind" "$name")
		[[ -z $why ]] && continue
		echo "$where: $why"
		bad=1
	done < <(include_lines "$1" | sort)
	return $bad
}

# expect pass|fail FILE INCLUDE: a tree of that one file.
expect() {
	local tree outcome=pass
	tree=$(mktemp -d)
	mkdir -p "$tree/$(dirname "$2")"
	printf '#include %s\n' "$3" >"$tree/$2"
	check "$tree" >/dev/null || outcome=fail
	rm -r "$tree"
	[[ $outcome == "$1" ]] || die "self-test: $2 with $3 should $1"
}

self_test() {
	expect pass profiler/base/a.c '<stdio.h>'
	expect pass profiler/base/a.c '"profiler/base/buf.h"'
	expect fail profiler/base/a.c '"profiler/wire/record.h"'
	expect pass profiler/wire/a.h '<stdint.h>'
	expect fail profiler/wire/a.h '<stdio.h>'
	expect fail profiler/wire/a.h '"profiler/base/buf.h"'
	expect fail profiler/unwind/a.c '<stdlib.h>'
	expect fail profiler/http/a.c '"profiler/base/buf.h"'
	expect fail profiler/trace/a.c '"profiler/model/model.h"'
	expect fail profiler/proc/a.c '"profiler/sym/symtab.h"'
	expect pass profiler/model/a.c '"profiler/sym/symtab.h"'
	expect fail profiler/model/a.c '"profiler/sym/elf.h"'
	expect fail profiler/model/a.c '"profiler/wire/record.h"'
	expect fail profiler/analysis/a.c '"reports/report.h"'
	expect pass profiler/probe/a.c '"bpf/http.h"'
	expect fail profiler/cmd/a.c '"preload/internal.h"'
	expect pass reports/a.c '"profiler/analysis/trend.h"'
	expect fail reports/a.c '"profiler/trace/reader.h"'
	expect fail reports/a.c '<fcntl.h>'
	expect pass preload/a.c '"profiler/unwind/stack.h"'
	expect fail preload/a.c '"profiler/base/buf.h"'
	expect fail bpf/a.c '"profiler/wire/record.h"'
	expect fail profiler/main.c '"profiler/model/model.h"'
	expect fail reports/a.c '"buf.h"'
	expect fail reports/a.c '"tests/unit/golden.h"'
	expect fail reports/a.c '  "profiler/trace/reader.h"'
	say "a forbidden include is caught"
}

case ${1-} in
--self-test) self_test ;;
-*) die "unknown option '$1': only --self-test is known" ;;
*)
	check "${1-$root}" || die "the lines above point the wrong way"
	;;
esac
