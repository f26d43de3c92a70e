#!/usr/bin/env bash
# A long chain of kexecs: see luo_chain.c.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

hops=${CHAIN_HOPS:-100}
INITRD=$(vm_selftest luo_chain)
export INITRD
TIMEOUT=${TIMEOUT:-1800} APPEND="quiet luo.mode=chain luo.stage=0 luo.hops=$hops" \
	vm_run chain "luo: mode chain stage $hops: 0"
