#!/bin/bash
#
# `cmake --install` puts the tool, the shim, a manual page for each command and
# the completions where a distribution does; the pages render, the completions
# load, and the installed tool finds the installed shim.
set -euo pipefail

build=${STRANDLINE_BUILD:?says where the built tree is}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
prefix=$stage/usr
status=0

fail() {
	echo "$*"
	status=1
}

cmake --install "$build" --prefix "$prefix" >"$stage/log" 2>&1 || {
	cat "$stage/log"
	exit 1
}

shim=$(find "$prefix" -name libstrandline.so)
[[ $shim == */strandline/libstrandline.so ]] || fail "no shim: '$shim'"
strandline=$prefix/bin/strandline
[[ $("$strandline" --version) == strandline\ * ]] || fail "no version"

pages=$prefix/share/man/man1
[[ -s $pages/strandline.1 && -s $pages/strandline-run.1 ]] ||
	fail "pages are missing: $(ls "$pages")"
if command -v man >/dev/null && ! man --version 2>&1 | grep -q minimized; then
	for page in "$pages"/*.1; do
		LC_ALL=C MANWIDTH=80 man --warnings -l "$page" \
			>"$stage/text" 2>"$stage/warnings" ||
			fail "$page does not render"
		[[ ! -s $stage/warnings ]] ||
			fail "$page: $(head -n 3 "$stage/warnings")"
		grep -q '^SYNOPSIS' "$stage/text" || fail "$page has no synopsis"
	done
else
	echo "SKIPPED rendering of manual pages: no man here"
fi

completions=$prefix/share
bash -n "$completions/bash-completion/completions/strandline" ||
	fail "bash completion does not parse"
for shell in zsh fish; do
	file=$(find "$completions/$shell" -type f)
	[[ -s $file ]] || fail "no $shell completion"
	if command -v $shell >/dev/null; then
		$shell -n "$file" || fail "$shell completion does not parse"
	fi
done

# Away from its build: no path of the build folder may be needed.
mkdir "$stage/elsewhere"
cd "$stage/elsewhere"
"$strandline" run --quiet -o "$stage/rec.strand" -- /bin/true ||
	fail "the installed tool does not run /bin/true"
ls "$stage"/rec.strand/*.slabs >/dev/null ||
	fail "the installed shim recorded nothing"
exit $status
