#!/usr/bin/env bash
# A virtual machine of KVM lives through two live updates of its host.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_minivmm)
export INITRD MEM=${MEM:-1G}

check "minivmm: what a state has to be" "$OUT/minivmm/state_test"

# On a machine that is kept waiting the watchdog would find the TSC to be wrong.
APPEND="tsc=reliable luo.mode=minivmm luo.stage=0 luo.hops=2" vm_run minivmm "luo: mode minivmm stage 2: 0"

# goes_on: in each kernel after the turn that was the last one in the kernel before.
goes_on() {
	tr -d '\r' <"$LOGS/minivmm.console" | awk '
	/^minivmm: stopped after turn / { last = $5; print }
	/^minivmm: goes on after turn / { print; if ($6 + 0 == last + 0 && last > 0) hops++ }
	END { exit hops != 2 }'
}
check "minivmm: the guest goes on where it stopped, twice" goes_on
tr -d '\r' <"$LOGS/minivmm.console" | sed -n 's/^minivmm: goes on/# the guest goes on/p'
