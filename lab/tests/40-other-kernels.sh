#!/usr/bin/env bash
# Kernels of other kinds on either side of the kexec, and kexecs of other kinds.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

deferred=$(vm_kernel "$REPO/lab/config.deferred")
stock=$(vm_kernel "$REPO/lab/config.stock")
INITRD=$(MODULE=$OUT/build-deferred/kernel/liveupdate/luo_test_handler.ko vm_selftests)
export INITRD
kexec="luo.mode=kexec luo.stage=0 luo.hops=1"

# console NAME PATTERN WHAT: a run has said it.
console() { check "$1: $3" grep -qE "$2" "$LOGS/$1.console"; }

# The memory map is set up late, behind what was preserved (pitfall 13).
KERNEL=$deferred MEM=8G SMP=4 APPEND="kho=on luo.mode=kexec luo.stage=0 luo.hops=2 luo.next=kho=on" \
	vm_run deferred-chain-pitfall-13 "luo: mode kexec stage 2: 0"
MEM=6G NEXT=$deferred APPEND="$kexec luo.next=kho=on" \
	vm_run deferred-next "luo: mode kexec stage 1: 0"
KERNEL=$deferred NEXT=$OUT/bzImage MEM=4G SMP=4,sockets=2 APPEND="kho=on $kexec" \
	QEMU_EXTRA="-object memory-backend-ram,id=m0,size=2G -object memory-backend-ram,id=m1,size=2G -numa node,memdev=m0,cpus=0-1 -numa node,memdev=m1,cpus=2-3" \
	vm_run deferred-numa "luo: mode kexec stage 1: 0"

# The handler is in a module (pitfall 9).
KERNEL=$deferred NEXT=$deferred APPEND="kho=on luo.mode=module luo.stage=0" \
	vm_run module "luo: mode module stage 1: 0"

# So are vfio-pci and iommufd, as distributions have them.
modules=$(vm_vfio_modules)
INITRD=$modules NEXT=$deferred QEMU_EXTRA="-device edu,addr=04.0" \
	APPEND="luo.mode=vfio-kexec luo.stage=0 luo.hops=1 luo.only=driver_is_a_module luo.next=kho=on" \
	vm_run vfio-modules "luo: mode vfio-kexec stage 1: 0"

# A type of files that the next kernel does not know costs its own session.
APPEND="$kexec luo.next=initcall_blacklist=luo_test_init" \
	vm_run unknown-type "luo: mode kexec stage 1: 0"

# With nothing to carry a kexec is what it always was. And whatever the previous kernel
# calls itself, a terminal sees no control characters.
APPEND="$kexec luo.only=none luo.damage=kexec-metadata:6.12:6"$'\e'"12" \
	vm_run nothing "luo: mode kexec stage 1: 0"
console nothing 'KHO: kexec 1 since the last cold boot, from 6\\e12' "the release of the previous kernel is escaped"
APPEND="$kexec luo.only=none luo.next=kho=off,luo.gone" vm_run kho-off "luo: mode kexec stage 1: 0"
console kho-off "KHO: the kernel that is loaded has kho=off" "told when it is loaded (pitfall 25)"
APPEND="luo.mode=classic luo.stage=0" vm_run classic "luo: mode classic stage 1: 0"

# What can't be known before: the next kernel does not want it, or has no idea.
NEXT=$deferred APPEND="$kexec luo.next=luo.gone" vm_run default-off "luo: mode kexec stage 1: 0"
console default-off "KHO: off: what the previous kernel preserved is lost" "told in the next kernel (pitfall 25)"
NEXT=$stock APPEND="$kexec luo.next=luo.gone" vm_run stock-next "luo: mode kexec stage 1: 0"
KERNEL=$stock NEXT=$OUT/bzImage APPEND="luo.mode=classic luo.stage=0" \
	vm_run stock-before "luo: mode classic stage 1: 0"

# A crash with files preserved: the crash kernel leaves them alone.
APPEND="crashkernel=192M luo.crash $kexec" ALLOW_SPLAT=1 vm_run crash "luo: mode kexec stage 1: 0"
console crash "sysrq: Trigger a crash" "it was a crash"

# What is handed over is not what this kernel speaks: it is refused, by name, and
# the machine boots (pitfall 36).
damage="luo.mode=kexec luo.stage=0 luo.hops=1 luo.only=memfd"
APPEND="$damage luo.damage=LUO:luo-v5:luo-v6 luo.next=luo.refused=95" \
	vm_run luo-version "luo: mode kexec stage 1: 0"
console luo-version "the handover has version 'luo-v6', not 'luo-v5'" "it is told (pitfall 36)"
APPEND="$damage luo.damage=fdt:kho-v4:kho-v5 luo.next=luo.refused=2" \
	vm_run kho-version "luo: mode kexec stage 1: 0"
console kho-version "the previous kernel does not speak kho-v4" "it is told (pitfall 36)"
APPEND="$damage luo.damage=fdt:preserved-memory-map:preserved-memory-mop luo.next=luo.refused=2" \
	vm_run kho-no-map "luo: mode kexec stage 1: 0"
# Its command line hides the scratch that it was to use.
APPEND="luo.mode=kexec luo.stage=0 luo.hops=1 luo.only=memfd luo.next=mem=700M,luo.refused=2" \
	vm_run scratch-hidden "luo: mode kexec stage 1: 0"
console scratch-hidden "KHO: refused: scratch is not memory of this machine" "it is told"
