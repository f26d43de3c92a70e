#!/usr/bin/env bash
# The demonstration: one live update in QEMU, told step by step. The last line
# is the verdict.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

mkdir -p "$LOGS"
log=$LOGS/demo.log
echo "demo: a host with $(cat "$OUT/build/include/config/kernel.release") starts in QEMU"
INITRD=$(vm_selftests)
export INITRD
rc=0
# What the kernels say is in out/log/demo.log.
APPEND="luo.mode=demo luo.stage=0" "$REPO/lab/run.sh" 2>"$log.err" | tee "$log" |
	tr -d '\r' | grep --line-buffered -E '^demo: ' || rc=$?

verdict=$(tr -d '\r' <"$log" | sed -n 's/^demo-verdict: //p')
pause=$(tr -d '\r' <"$log" | awk '/^demo-ticks:/ { if (!n++) from = $2; else { to = $2; rate = $3 } }
	END { if (rate) printf "%.2f", (to - from) / rate }')
if [ $rc = 0 ] && [ -n "$verdict" ] && [ -n "$pause" ]; then
	echo "live update worked: $verdict, pause $pause s"
else
	tail -n 30 "$log" "$log.err" | tr -d '\r' >&2
	echo "live update FAILED: see out/log/demo.log"
	exit 1
fi
