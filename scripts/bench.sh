#!/bin/bash
#
# Measure what Strandline costs, beside the profilers of the distribution, and
# print markdown tables.  About 20 minutes; --quick takes three.
#
#   scripts/bench.sh [--quick] [--only NAME,...] [--profilers NAME,...]
#                    [--rounds N] [--json FILE]
#
# Wants an otherwise idle machine.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

scripts/setup.sh build test bench >&2
build_preset release >&2
exec "$python" -B tests/bench/bench.py "$@" </dev/null
