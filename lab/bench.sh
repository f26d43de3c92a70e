#!/usr/bin/env bash
# The benchmark: what live update costs with our kernel and with the peer's (see
# lab/peer.sh), on the same machine, by the same program, through the uAPI.
#
#	[BENCH=quick] [RECORD=1] [FRESH=1] [WHO=ours] lab/bench.sh
#
# Figures are millions of instructions: the clock of the machine, its TSC, too, counts
# them (-icount shift=0,sleep=off -smp 1), and what a CPU waits for a timer, as one per
# nanosecond. Scratch is as each kernel has it by default. A run is kept in out/bench by
# what it depends on, the kernel, the initramfs, the machine, and is not run again
# (FRESH=1: it is). BENCH=quick is for minutes, no file above 512 MiB; BENCH=targets is
# what has a target.
#
# RECORD=1 adds the figures to lab/bench-history.tsv and draws lab/bench.svg. A figure of
# ours that is more than 2 % above the last one there is marked.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

history=$REPO/lab/bench-history.tsv
table=$LOGS/bench.table
figures=$LOGS/bench.tsv
runs=$OUT/bench
mkdir -p "$LOGS" "$runs"

whose=${WHO:-ours peer}
declare -A kernel=([ours]=$OUT/bzImage)
peer_version=mainline
if [[ $whose = *peer* ]]; then
	kernel[peer]=$("$REPO/lab/peer.sh")
	peer_version=$(cut -d' ' -f2 "$CACHE/peer/version")
fi
INITRD=$(vm_bench)
export INITRD ICOUNT=1

kinds=(4k thp hugetlb)
case ${BENCH:-full} in
quick) sizes=(64 512) files=(1 1000) sessions=(1 100) large="" ;;
targets) sizes=(2048) kinds=(4k thp) files=(4000) sessions=(1000) large="" ;;
*) sizes=(64 512 2048) files=(1 100 1000 4000 10000) sessions=(1 100 1000 2000) large=8192 ;;
esac

# run WHO BENCH MEM: the figures of one run, in the file that is printed; what fails says
# so there.
run() {
	local file

	file=$runs/$(sha256sum "${kernel[$1]}" "$INITRD" | cut -c1-64 | sha256sum | cut -c1-12)-$3-$2
	if [ ! -s "$file" ] || [ "${FRESH:-0}" = 1 ]; then
		say "$1: $2, $3"
		KERNEL=${kernel[$1]} MEM=$3 TIMEOUT=${TIMEOUT:-3600} \
			APPEND="quiet nokaslr kho=on liveupdate=on luo.mode=bench luo.bench=$2" \
			"$REPO/lab/run.sh" >"$file.console" 2>"$file.err" || tail -n 1 "$file.err" >&2
		tr -d '\r' <"$file.console" | sed -n 's/^bench: //p' >"$file.new"
		grep -qE '^(start|FAILED)' "$file.new" ||
			echo "FAILED: it did not come to its end, see ${file#"$REPO/"}.console" >>"$file.new"
		mv "$file.new" "$file"
	fi
	echo "$file"
}
# value FILE WHAT: a figure of a run, or what failed, or nothing.
value() {
	awk -v what="$2" '$1 == what { print $2; found = 1 }
		what == "pause" && $1 == "jump" { jump = $2 }
		what == "pause" && $1 == "start" { printf "%.2f\n", ($2 - jump) / 1e6; found = 1 }
		/^FAILED/ { failed = $0 }
		END { if (!found && failed) { gsub(/ /, "_", failed); print failed } }' "$1"
}
# put NAME VALUE...: into the figures, by name and whose they are.
put() { printf '%s\t%s\t%s\n' "$who" "$1" "$2" >>"$figures.new"; }
# difference A B [SIZE]: A - B, or what is wrong with A; for each GiB of SIZE MiB.
difference() { awk -v a="$1" -v b="$2" -v size="${3:-1024}" 'BEGIN {
	if ((a "" b) ~ /^[-0-9.]+$/ && a != "" && b != "") printf "%.2f", (a - b) * 1024 / size
	else print a ~ /^[-0-9.]+$/ ? b : a }'; }

memfds() { # MEM SIZE...
	local mem=$1 size kind file none pause free

	none=$(run "$who" memfd,0,0,0,0 "$mem")
	put "pause/none/$mem" "$(value "$none" pause)"
	for size in "${@:2}"; do
		for kind in "${!kinds[@]}"; do
			# Refused is refused: once is enough.
			[ "$kind" = 2 ] && [ "$who" = peer ] && [ "$size" != 64 ] && continue
			file=$(run "$who" "memfd,0,$size,$kind,0" "$mem")
			for what in preserve retrieve touch finish; do
				put "$what/$size/${kinds[kind]}" "$(value "$file" $what)"
			done
			pause=$(value "$file" pause)
			put "pause/$size/${kinds[kind]}" "$pause"
			put "growth/$size/${kinds[kind]}" "$(difference "$pause" "$(value "$none" pause)")"
			put "bookkeeping-old/$size/${kinds[kind]}" \
				"$(difference "$(value "$file" bookkeeping-kib)" 0 "$size")"
			free=$(difference "$(value "$none" free-kib)" "$(value "$file" free-kib)")
			put "bookkeeping-new/$size/${kinds[kind]}" \
				"$(difference "$free" $((size * 1024)) "$size")"
		done
	done
}

: >"$figures.new"
available=$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)
for who in $whose; do
	memfds 4G "${sizes[@]}"
	for n in "${files[@]}"; do
		file=$(run $who "empty,0,$n" 4G)
		for what in preserve retrieve finish pause; do put "files-$what/$n" "$(value "$file" $what)"; done
	done
	for n in "${sessions[@]}"; do
		file=$(run $who "sessions,0,$n" 4G)
		for what in create retrieve finish pause; do put "sessions-$what/$n" "$(value "$file" $what)"; done
		put "sessions-create+retrieve/$n" \
			"$(difference "$(value "$file" create)" "$(difference 0 "$(value "$file" retrieve)")")"
	done
	if [ "$large" ]; then
		if [ "$available" -ge 13 ]; then
			memfds 16G "$large"
		else
			say "no memfd of 8 GiB: $available GiB are available here, 13 are needed"
		fi
	fi
done
mv "$figures.new" "$figures"

awk -v version="$peer_version" -v history="$history" -f "$REPO/lab/bench-table.awk" "$figures" |
	tee "$table"
say "the console of each run is in ${runs#"$REPO/"}"
if [ "${RECORD:-0}" = 1 ]; then
	awk -v OFS='\t' -v date="$(date -u +%F)" -v commit="$(git -C "$REPO" rev-parse --short HEAD)" \
		-v peer="$peer_version" '{ print date, commit, $1 == "peer" ? peer : "ours", $2, $3 }' FS='\t' \
		"$figures" >>"$history"
	! [[ $whose = *peer* ]] || "$REPO/lab/bench-plot.sh" "$figures" "$peer_version" "$REPO/lab/bench.svg"
fi
# Where the pause goes.
if [ "${BENCH:-full}" = full ]; then
	PEER=$([[ $whose = *peer* ]] || echo none) "$REPO/lab/phases.sh"
fi
