#!/usr/bin/env bash
# An IOMMU that goes on translating through kexecs, as the kernel's own test device
# has it: an edu on the root bus does DMA while one kernel follows the other.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_vfio)
export INITRD MEM=${MEM:-1G}

export QEMU_EXTRA="-device edu,addr=04.0"
kexec="luo.mode=iommu-kexec luo.stage=0"

APPEND="$kexec luo.hops=3" vm_run iommu-kexec "luo: mode iommu-kexec stage 3: 0"
APPEND="$kexec luo.hops=1 luo.only=unclaimed" \
	vm_run iommu-unclaimed "luo: mode iommu-kexec stage 1: 0"
APPEND="$kexec luo.hops=12 luo.only=damaged" \
	vm_run iommu-damaged "luo: mode iommu-kexec stage 12: 0"

# Nobody knows what the devices may reach: they stop.
APPEND="$kexec luo.hops=1 luo.only=lost" vm_run iommu-lost "luo: mode iommu-kexec stage 1: 0"
check "iommu-lost: it is told" \
	grep -q "0000:00:04.0: bus mastering is turned off" "$LOGS/iommu-lost.console"
APPEND="$kexec luo.hops=1 luo.only=astray" vm_run iommu-astray "luo: mode iommu-kexec stage 1: 0"

# It could not go on: no device does.
APPEND="$kexec luo.hops=1 luo.only=off luo.next=intel_iommu=off" \
	vm_run iommu-off "luo: mode iommu-kexec stage 1: 0"

# A unit stays in the mode that it is in, whatever the next kernel is told.
QEMU_EXTRA="-device edu,addr=04.0 -global intel-iommu.x-scalable-mode=on"
APPEND="$kexec luo.hops=1 luo.next=intel_iommu=sm_on" \
	vm_run iommu-legacy "luo: mode iommu-kexec stage 1: 0"
check "iommu-legacy: it is told" \
	grep -q "scalable mode stays off" "$LOGS/iommu-legacy.console"
APPEND="$kexec luo.hops=2 intel_iommu=sm_on" \
	vm_run iommu-scalable "luo: mode iommu-kexec stage 2: 0"
check "iommu-scalable: it is told" \
	test "$(grep -c "scalable mode stays on" "$LOGS/iommu-scalable.console")" = 2
APPEND="$kexec luo.hops=3 luo.only=misled intel_iommu=sm_on" \
	vm_run iommu-misled "luo: mode iommu-kexec stage 3: 0"

# Entries are cached that are not there, and interrupts are not remapped. Two devices
# do DMA as the bridge above them, and one of them is handed over.
QEMU_EXTRA="-global intel-iommu.caching-mode=on -device pcie-pci-bridge,id=bridge,addr=07.0"
QEMU_EXTRA+=" -device edu,bus=bridge,addr=01.0 -device edu,bus=bridge,addr=02.0"
APPEND="$kexec luo.hops=1 luo.next=intremap=off intremap=off" vm_run iommu-alias "luo: mode iommu-kexec stage 1: 0"
