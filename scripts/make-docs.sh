#!/bin/bash
#
# Write the manual pages and the shell completions, as the tool itself prints
# them from its option tables.  Part of the build.
#
#   scripts/make-docs.sh STRANDLINE FOLDER
#
# FOLDER gets man1/*.1, bash/strandline, zsh/_strandline, fish/strandline.fish
set -euo pipefail

strandline=$1
folder=$2

mkdir -p "$folder"/{man1,bash,zsh,fish}
rm -f "$folder"/man1/*.1
"$strandline" man >"$folder/man1/strandline.1"
# The overview names every command that has a page of its own.
sed -n 's/^\.BR strandline\\-\([a-z]*\) (1).*/\1/p' \
	"$folder/man1/strandline.1" | sort -u |
	while read -r name; do
		"$strandline" man "$name" >"$folder/man1/strandline-$name.1"
	done
"$strandline" completion bash >"$folder/bash/strandline"
"$strandline" completion zsh >"$folder/zsh/_strandline"
"$strandline" completion fish >"$folder/fish/strandline.fish"
