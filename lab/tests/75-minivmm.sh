#!/usr/bin/env bash
# Virtual machines of KVM live through two live updates of their host. One of them has a
# network card, which gets 300 frames a second from lab/frames.py, whatever runs.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_minivmm)
devices="-device edu,addr=04.0 -device pcie-root-port,id=rp1,chassis=1,slot=1,addr=05.0"
devices+=" -device e1000e,bus=rp1,romfile=,netdev=net"
export INITRD MEM=${MEM:-1G} QEMU_EXTRA=$devices

check "minivmm: what a state has to be" "$OUT/minivmm/state_test"

# tsc=reliable: on a machine that is kept waiting the watchdog finds the TSC to be wrong,
# and KVM lets nobody have a TSC that the host does not trust.
APPEND="tsc=reliable luo.mode=minivmm luo.stage=0 luo.hops=2" FRAMES_RATE=300 \
	vm_run_frames minivmm "luo: mode minivmm stage 2: 0"

# goes_on: in each kernel, and not before the last turn that was seen in the one before. The
# guest itself counts, and sees what is not of one moment.
goes_on() {
	tr -d '\r' <"$LOGS/minivmm.console" | awk '
	/^minivmm: leaves after turn / { last = $5 + 0; print }
	/^minivmm: goes on after turn / { print; if ($6 + 0 >= last && last > 0) hops++; last = 0 }
	END { exit hops != 2 }'
}
check "minivmm: the guest goes on where it stopped, twice" goes_on
tr -d '\r' <"$LOGS/minivmm.console" | sed -n 's/^minivmm: goes on/# the guest goes on/p'

# all_have_come: who sends has counted, and so has the guest.
all_have_come() {
	local came sent

	came=$(tr -d '\r' <"$LOGS/minivmm.console" | sed -n 's/^minivmm: receives \([0-9]*\) .*/\1/p')
	sent=$(sed -n 's/^frames: \([0-9]*\) sent .*/\1/p' "$LOGS/minivmm.frames")
	echo "${sent:-no} frames were sent, ${came:-none} have come"
	[ "${sent:-0}" -gt 0 ] && [ "$came" = "$sent" ]
}
check "minivmm: its network card has received all that was sent" all_have_come
tr -d '\r' <"$LOGS/minivmm.console" | grep '^# receives: .* frames' || true
