#!/bin/bash
#
# Put the C sources into the house style (clang-format), and hold the shell
# scripts to shellcheck.
#
#   scripts/format.sh           rewrite the C files in place
#   scripts/format.sh --check   change nothing; fail and name what differs
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

mode=(-i)
case ${1-} in
'') ;;
--check) mode=(--dry-run --Werror) ;;
*) die "unknown option '$1': only --check is known" ;;
esac

for tool in clang-format shellcheck; do
	command -v $tool >/dev/null ||
		die "$tool is not installed: run scripts/setup.sh test"
done

# Files that git knows or would take, so that nothing built is looked at.
tracked() {
	git ls-files -z --cached --others --exclude-standard -- "$@"
}

status=0
tracked '*.c' '*.h' '*.cc' '*.cpp' |
	xargs -0r clang-format "${mode[@]}" --style=file || status=1
tracked '*.sh' .ci/run | xargs -0r shellcheck --shell=bash || status=1
exit $status
