#!/usr/bin/env bash
# Live update as far as it goes without a kexec.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_selftests)
export INITRD
APPEND="luo.mode=selftest" vm_run selftest "luo: mode selftest stage : 0"
# A machine that only runs kernels that somebody vouches for.
APPEND="lockdown=integrity luo.mode=selftest luo.tests=lockdown_test" \
	vm_run lockdown "luo: mode selftest stage : 0"
