#!/usr/bin/env bash
# luod and luctl: what needs no live update under ASan here, all else in a machine that
# goes through two updates, see tools/liveupdate/tests/luod_test.sh.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

check "luod: unit tests and mutated input, under ASan" \
	tools_make tools-asan SANITIZE=address,undefined CFLAGS=-O1 check

INITRD=$(vm_tools)
export INITRD MEM=${MEM:-1G}
APPEND="luo.mode=luod luo.stage=0" vm_run luod "luo: mode luod stage 2: 0"
