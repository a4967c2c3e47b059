#!/bin/bash
#
# Install what is needed, build every preset, run every test.
#
#   scripts/test.sh [--all] [CTEST OPTION...]
#
# --all adds the long ones (ctest label `long`, and STRANDLINE_ALL=1 in the
# environment for tests that can be made longer).  Anything else goes to
# ctest: `scripts/test.sh -L unit`.
#
# Exit status 0: all that could run here has passed.  What this machine lacks
# is skipped by name, with the reason, and listed before the closing line.  An
# end-to-end test that fails is run once more (tests/e2e/once_more.sh); which
# passed only then is listed there, too, with how it failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

select=(-LE long)
if [[ ${1-} == --all ]]; then
	shift
	select=()
	export STRANDLINE_ALL=1
fi

since=$SECONDS
lap() {
	say "$1: $((SECONDS - since)) s"
	since=$SECONDS
}

scripts/setup.sh build test
lap setup
presets=(release asan tsan)
for preset in "${presets[@]}"; do
	build_preset "$preset"
	lap "preset $preset"
done

# One run over all trees, so that there is one verdict.
mkdir -p build/all
for preset in "${presets[@]}"; do
	printf 'subdirs("%s/build/%s")\n' "$root" "$preset"
done >build/all/CTestTestfile.cmake

status=0
ctest --test-dir build/all --output-on-failure --no-tests=error \
	-j "$(nproc)" "${select[@]}" "$@" </dev/null 2>&1 |
	tee build/all/test.log || status=$?
lap tests

# ctest counts a test with skipped parts as passed: name the parts.
log=build/all/Testing/Temporary/LastTest.log
if grep -aq '^SKIPPED' "$log"; then
	say "skipped here, and why:"
	grep -ah '^SKIPPED' "$log" | sort -u
fi
# Whole outputs, which ctest shows of failures only.
again='^PASSED ONLY WHEN RUN AGAIN'
if grep -aq "$again" "$log"; then
	say "failed at first, and how:"
	awk -v again="$again" '
		/^Output:$/ { output = ""; told = 0 }
		{ output = output $0 "\n" }
		$0 ~ again { told = 1 }
		/^<end of output>$/ && told { printf "%s", output }
	' "$log"
	say "passed only when run again:"
	grep -a "$again" "$log"
fi
grep -a 'tests passed,' build/all/test.log || status=1
exit $status
