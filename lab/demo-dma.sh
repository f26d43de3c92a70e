#!/usr/bin/env bash
# The demonstration with a network card: frames come in all through a live update, and
# the card puts them into memory while one kernel follows the other. The last line is
# the verdict.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

mkdir -p "$LOGS"
log=$LOGS/demo-dma.log
frames="" netdev=""
INITRD=$(vm_dma_demo)
export FRAMES_RATE=500
frames_start demo-dma
QEMU_EXTRA="$netdev -device pcie-root-port,id=rp1,chassis=1,slot=1 -device e1000e,bus=rp1,netdev=net,romfile="
export INITRD QEMU_EXTRA MEM=${MEM:-1G}

echo "demo: a host starts in QEMU; a process out here has 500 frames a second for its network card"
rc=0
APPEND="luo.mode=demo-dma luo.stage=0" "$REPO/lab/run.sh" 2>"$log.err" | tee "$log" |
	tr -d '\r' | grep --line-buffered -E '^demo: ' || rc=$?

ended=0
frames_end demo-dma >/dev/null || ended=$?
# Who sends has counted, too.
sent=$(sed -n 's/^frames: \([0-9]*\) sent .*/\1/p' "$LOGS/demo-dma.frames")
verdict=$(tr -d '\r' <"$log" | sed -n 's/^demo-verdict: //p')
if [ $rc = 0 ] && [ $ended = 0 ] && [ "${verdict%% *}" = "${sent:-none}" ]; then
	echo "live update worked: $verdict"
else
	{
		tail -n 30 "$log" "$log.err" | tr -d '\r'
		cat "$LOGS/demo-dma.frames"
	} >&2
	echo "live update FAILED: see out/log/demo-dma.log"
	exit 1
fi
