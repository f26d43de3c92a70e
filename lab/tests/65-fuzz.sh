#!/usr/bin/env bash
# Anything, in any order, by many: see luo_fuzz.c. FUZZ_SEED=N for one that was
# told before.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_selftest luo_fuzz)
export INITRD
seconds=${FUZZ_SECONDS:-25}
APPEND="luo.mode=fuzz luo.stage=0 luo.fuzz=$seconds,${FUZZ_SEED:-$(date +%s)}" \
	vm_run fuzz "luo: mode fuzz stage 1: 0"
