#!/usr/bin/env bash
# A virtual machine of KVM lives through two live updates of its host.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_minivmm)
export INITRD MEM=${MEM:-1G} QEMU_EXTRA="-device edu,addr=04.0"

check "minivmm: what a state has to be" "$OUT/minivmm/state_test"

# tsc=reliable: on a machine that is kept waiting the watchdog finds the TSC to be wrong,
# and KVM lets nobody have a TSC that the host does not trust.
APPEND="tsc=reliable luo.mode=minivmm luo.stage=0 luo.hops=2" vm_run minivmm "luo: mode minivmm stage 2: 0"

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
