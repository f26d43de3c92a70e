#!/usr/bin/env bash
# vfio-pci, on devices in several places: on the root bus, behind a root port, behind
# a switch, and two that share a group as they are behind a bridge to conventional PCI.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_vfio)
export INITRD MEM=${MEM:-1G}

disk=$OUT/vfio.disk
truncate -s 1M "$disk"
QEMU_EXTRA="-device edu,addr=04.0"
QEMU_EXTRA+=" -device pcie-root-port,id=rp1,chassis=1,slot=1,addr=05.0,x-speed=2_5"
QEMU_EXTRA+=" -device e1000e,bus=rp1,romfile="
QEMU_EXTRA+=" -device pcie-root-port,id=rp2,chassis=2,slot=2,addr=06.0"
QEMU_EXTRA+=" -device x3130-upstream,id=switch,bus=rp2"
QEMU_EXTRA+=" -device xio3130-downstream,id=down,bus=switch,chassis=3,slot=3"
QEMU_EXTRA+=" -drive if=none,id=disk,format=raw,snapshot=on,file=$disk -device nvme,bus=down,drive=disk,serial=1"
QEMU_EXTRA+=" -device pcie-root-port,id=rp3,chassis=4,slot=4,addr=08.0 -device nvme-subsys,id=nvm"
QEMU_EXTRA+=" -device nvme,bus=rp3,subsys=nvm,serial=2,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2"
QEMU_EXTRA+=" -device pcie-pci-bridge,id=bridge,addr=07.0 -device qemu-xhci,addr=09.0"
QEMU_EXTRA+=" -device edu,bus=bridge,addr=01.0 -device edu,bus=bridge,addr=02.0"
export QEMU_EXTRA

# What works without live update, and what of it needs no kexec.
APPEND="luo.mode=vfio vfio_pci.enable_sriov=1" vm_run vfio "luo: mode vfio stage : 0"
# A device that is not there is a test that did not run.
check "vfio: nothing was skipped" sh -c "! grep '# SKIP' '$LOGS/vfio.results'"

# console NAME TEXT: a run has said it.
console() { check "$1: it is told: $2" grep -qF "$2" "$LOGS/$1.console"; }

kexec="luo.mode=vfio-kexec luo.stage=0"
APPEND="$kexec luo.hops=3" vm_run vfio-kexec "luo: mode vfio-kexec stage 3: 0"

# What would number buses and assign windows anew must not (pitfall 21). There are
# gaps between the numbers, which it would not leave.
anew="pci=assign-busses;realloc;noats;pcie_bus_peer2peer"
APPEND="$kexec luo.hops=1 pci=assign-busses,hpbussize=4 luo.next=$anew" \
	vm_run vfio-assign-pitfall-21 "luo: mode vfio-kexec stage 1: 0"
console vfio-assign-pitfall-21 "pci=assign-busses is ignored here"

# A kernel that lacks the driver.
APPEND="$kexec luo.hops=1 luo.only=missing luo.next=initcall_blacklist=vfio_pci_init" \
	vm_run vfio-missing "luo: mode vfio-kexec stage 1: 0"
console vfio-missing "waiting for its driver vfio-pci"

# Devices that are gone, and records of them that make no sense.
APPEND="$kexec luo.hops=5 luo.only=device_is_gone" \
	vm_run vfio-gone "luo: mode vfio-kexec stage 5: 0"
console vfio-gone "this is another device"
console vfio-gone "was handed over, and is not there"
console vfio-gone "devices will be reset"
console vfio-gone "a device is described by nonsense"

# With its iommufd: the page table is the same one. And if it can't be. A device could
# do ATS, and the first kernel, unlike the next ones, is not to use it.
ats="-global intel-iommu.device-iotlb=on"
ats+=" -device pcie-root-port,id=rp4,chassis=5,slot=5,addr=0a.0"
ats+=" -device virtio-rng-pci,bus=rp4,iommu_platform=on,ats=on"
QEMU_EXTRA="$QEMU_EXTRA $ats" APPEND="$kexec luo.hops=2 luo.only=whole pci=noats" \
	vm_run vfio-whole "luo: mode vfio-kexec stage 2: 0"
# Off for a moment, and a device that goes on could send any interrupt.
check "vfio-whole: interrupts are remapped all the time" \
	sh -c "! grep 'remapping was enabled.*not in kdump mode' '$LOGS/vfio-whole.console'"
APPEND="$kexec luo.hops=12 luo.only=lost" vm_run vfio-lost "luo: mode vfio-kexec stage 12: 0"
APPEND="$kexec luo.hops=1 luo.only=torn" vm_run vfio-torn "luo: mode vfio-kexec stage 1: 0"
console vfio-torn "page table 3 can't be taken over: -74"
console vfio-torn "nobody has attached it: it is blocked"
