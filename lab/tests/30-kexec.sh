#!/usr/bin/env bash
# Live update across kexecs, on machines of several kinds.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_selftests)
export INITRD
kexec="luo.mode=kexec luo.stage=0"

# Three hops in a row; KASLR is on.
APPEND="$kexec luo.hops=3" vm_run kexec-chain "luo: mode kexec stage 3: 0"
MEM=1G SMP=1 APPEND="$kexec luo.hops=1 nokaslr luo.next=nokaslr" \
	vm_run kexec-1G-nokaslr "luo: mode kexec stage 1: 0"
MEM=8G SMP=4 APPEND="$kexec luo.hops=1" vm_run kexec-8G "luo: mode kexec stage 1: 0"
MEM=2G SMP=2,sockets=2 APPEND="$kexec luo.hops=1" \
	QEMU_EXTRA="-object memory-backend-ram,id=m0,size=1G -object memory-backend-ram,id=m1,size=1G -numa node,memdev=m0,cpus=0 -numa node,memdev=m1,cpus=1" \
	vm_run kexec-numa "luo: mode kexec stage 1: 0"
MEM=2G APPEND="$kexec luo.hops=1 kho_scratch=16M,128M,32M" \
	vm_run kexec-scratch-bytes "luo: mode kexec stage 1: 0"

# Pitfall 25: the next kernel does not want it. It says so, and boots.
log=$LOGS/vm-kexec-kho-off.log
APPEND="$kexec luo.hops=1 luo.next=kho=off" "$REPO/lab/run.sh" >"$log" 2>&1 || true
if grep -q "KHO: off: what the previous kernel preserved is lost" "$log" &&
	grep -q "luo: done" "$log"; then
	pass "kexec-kho-off: the next kernel says what it ignores (pitfall 25)"
else
	fail "kexec-kho-off: the next kernel says what it ignores (pitfall 25)"
	tail -n 40 "$log" | sed 's/^/# /'
fi
