#!/bin/bash
#
# See where a real server's memory goes: install what is needed, build, start
# the bundled RAG server under `strandline run`, put load on it for a while,
# and read the summary.  The recording and the reports made of it stay in
# build/demo.
#
#   scripts/demo.sh [SECONDS]      of load, 20 by default
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

seconds=${1-20}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "'$seconds' is not a number of seconds"

scripts/setup.sh build server
build_preset release strandline preload load

strandline=$root/build/release/strandline
load=$root/build/release/tests/servers/load
folder=$root/build/demo
recording=$folder/rag_fastapi.strand
rm -rf "$folder"
mkdir -p "$folder"
port=$("$python" tests/servers/serve.py port)
server=("$python" tests/servers/rag_fastapi --port "$port")

# The run forwards the signal; the server ends as it does in production.
stop() {
	kill -TERM "$1" 2>/dev/null || true
	wait "$1" || true
}

if ! compgen -G "${XDG_CACHE_HOME:-$HOME/.cache}/strandline/rag/*.npy" \
	>/dev/null; then
	say "preparing the corpus (the first time only)"
	"${server[@]}" >"$folder/prepare.log" 2>&1 </dev/null &
	"$python" tests/servers/serve.py wait "$port" 120 ||
		die "the server does not start; see $folder/prepare.log"
	stop $!
fi

say "strandline run -- ${server[*]}"
"$strandline" run -o "$recording" -- "${server[@]}" \
	>"$folder/summary.txt" 2>"$folder/server.log" </dev/null &
run=$!
trap 'stop $run' EXIT
"$python" tests/servers/serve.py wait "$port" 60 ||
	die "the server does not start; see $folder/server.log"

say "load: 8 connections for $seconds s of search, chat, ingest and memory"
"$load" --connections 8 --duration "$seconds" \
	--mix search=12,vector=4,chat=2,ingest=1,memory=1 \
	"127.0.0.1:$port"
stop $run
trap - EXIT

say "summary"
cat "$folder/summary.txt"
grep -v '^strandline:' "$folder/server.log" || true

report() {
	"$strandline" report "$recording" -f "$1" -k "$2" -o "$folder/$3" ||
		die "no $1 report of $recording"
	printf '  %-12s %s\n' "$1" "$folder/$3"
}
say "reports"
report text live report.txt
report svg live live.svg
report svg peak peak.svg
report folded alloc alloc.folded
report json live report.json
report csv live ledger.csv
# Where there was no npm to build its page with it says so.
"$strandline" report "$recording" -f html -o "$folder/report.html" &&
	printf '  %-12s %s\n' html "$folder/report.html"
printf '  %-12s %s\n' recording "$recording"
say "now your own: $strandline run -- YOUR SERVER"
