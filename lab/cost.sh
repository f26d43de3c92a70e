#!/usr/bin/env bash
# What live update costs, in millions of instructions, and how much it may: the
# guest's clock counts them. For lab/tests/50-cost.sh; lab/bench.sh measures more,
# and mainline beside it.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

mkdir -p "$LOGS"
INITRD=$(vm_bench)
APPEND=
export INITRD APPEND ICOUNT=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure NAME BENCH [MEM]: run luo_bench, keep its figures.
measure() {
	MEM=${3:-4G} TIMEOUT=900 APPEND="quiet nokaslr $APPEND luo.mode=bench luo.bench=$2" \
		"$REPO/lab/run.sh" 2>&1 | tr -d '\r' | tee "$LOGS/cost-$1.log" |
		sed -n 's/^bench: //p' >"$work/$1"
	grep -q . "$work/$1" || die "no figures: $LOGS/cost-$1.log"
}
figure() { awk -v what="$2" '$1 == what { print $2 }' "$work/$1"; }
ratio() { awk -v a="$(figure "$1" "$3")" -v b="$(figure "$2" "$3")" 'BEGIN { printf "%.3f", a / b }'; }
row() { printf '%-52s %10s %10s\n' "$@"; }

measure none memfd,0,0,0,0
measure small memfd,0,512,0,0
measure huge memfd,0,512,1,0
measure large memfd,0,2048,0,0
measure files files
measure sessions sessions,0,1000
measure full memfd,0,5120,0,0 6G
# With nothing preserved, and in a kernel that has never heard of it.
# How often the APIC timer is calibrated, 100 million each, is a matter of luck.
APPEND=nolapic_timer
measure idle idle
APPEND="nolapic_timer kho=off liveupdate=off"
measure off idle
KERNEL=$(vm_kernel "$REPO/lab/config.stock")
export KERNEL
measure stock idle

row "millions of instructions" ours target
row "preserve 512 MiB of 4 KiB pages" "$(figure small preserve)" 60
row "preserve 2 GiB of 4 KiB pages, of 4 GiB" "$(figure large preserve)" 200
row "preserve 512 MiB of 2 MiB folios" "$(figure huge preserve)" 6
row "retrieve 512 MiB of 4 KiB pages" "$(figure small retrieve)" 75
row "retrieve 512 MiB of 2 MiB folios" "$(figure huge retrieve)" -
row "pause: reboot(2) to init, nothing preserved" \
	"$(awk '$1 == "jump" { jump = $2 } $1 == "start" { printf "%.0f", ($2 - jump) / 1e6 }' "$work/none")" 330
row "preserve 5 GiB of 6 GiB" "$(figure full preserve)" works
row "retrieve 5 GiB of 6 GiB" "$(figure full retrieve)" works
row "boot, for each of 524,288 preserved pages" \
	"$(awk -v a="$(figure large load-and-boot)" -v b="$(figure none load-and-boot)" \
		'BEGIN { if (a && b) printf "%.0f", (a - b) * 1e6 / 524288; else print "unknown" }')" 200
row "create and retrieve a session (instructions)" \
	"$(awk '$1 ~ /^(create|retrieve)$/ { sum += $2 } END { printf "%.0f", sum * 1e6 / 1000 }' "$work/sessions")" 18000
row "a file in a session of 100" "$(figure files file-at-100)" -
row "a file in a session of 10,000" "$(figure files file-at-10000)" -
row "  ratio of a file at 10,000 to one at 100" "$(figure files file-ratio)" 1.3
row "nothing preserved: memfds in use, ratio to 6.12" "$(ratio idle stock unused-memfd)" 1.01
# The stock kernel's other options make more of a difference than ours.
row "nothing preserved: boot, ratio to one with all off" "$(ratio idle off unused-boot)" 1.01
