#!/usr/bin/env bash
# What live update costs, in instructions, is no more than it should be: see
# lab/cost.sh. Pitfalls 19, 20, 26 and 27.
. "$(dirname "$0")/../lib.sh"

mkdir -p "$LOGS"
"$REPO/lab/cost.sh" | tee "$LOGS/cost.table" | sed 's/^/# /'

# A row ends with: ours, the target.
awk 'NR > 1 && $NF != "-" {
	ours = $(NF - 1)
	target = $NF
	pitfall = /^preserve/ ? " (pitfall 26)" : /^boot/ ? " (pitfalls 20 and 27)" : /ratio of a file/ ? " (pitfall 19)" : ""
	good = ours ~ /^-?[0-9.]+$/ && ours != 0 && (target == "works" || ours <= target + 0)
	name = $0
	sub(/ +[^ ]+ +[^ ]+$/, "", name)
	sub(/^ +/, "", name)
	printf "%s - cost: %s: %s, target %s%s\n", good ? "ok" : "not ok", name, ours, target, pitfall
}' "$LOGS/cost.table"
