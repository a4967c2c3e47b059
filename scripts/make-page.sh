#!/bin/bash
#
# Bundle the page of the HTML report, page.js and page.css, into a folder of
# the build.  Its packages are installed there, as reports/web's lock file
# pins them, and kept from one build to the next.
#
# Without npm, or where its registry cannot be reached, both files are made
# empty and a line says so: the rest of strandline does not need them.
#
#   scripts/make-page.sh FOLDER
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

[[ $# -eq 1 ]] || die "expected the folder to write to"
web=$root/reports/web
mkdir -p "$1"
cd "$1"

without() {
	: >page.js
	: >page.css
	say "left out is the HTML report: $1"
	exit 0
}

install_packages() {
	cp "$web/package.json" "$web/package-lock.json" .
	# Nothing of theirs is run: esbuild's own binary is a package, too.
	npm ci --ignore-scripts --prefer-offline --no-audit --no-fund \
		--fetch-retries=1 --fetch-timeout=60000 >npm.log 2>&1
}

for need in node npm; do
	command -v $need >/dev/null || without "no $need here (nodejs, npm)"
done

sum=$(cat "$web/package.json" "$web/package-lock.json" | sha256sum)
if [[ ! -d node_modules || $(cat installed 2>/dev/null) != "$sum" ]]; then
	install_packages ||
		without "npm ci failed, see $PWD/npm.log"
	echo "$sum" >installed
fi

# Sources stay where they are; their packages are found through NODE_PATH.
NODE_PATH=$PWD/node_modules node_modules/.bin/esbuild "$web/main.js" \
	--bundle --minify --format=iife --target=es2020 --charset=utf8 \
	--legal-comments=eof --log-level=warning --outfile=bundle.js
mv bundle.js page.js
mv bundle.css page.css
