#!/usr/bin/env bash
# Devices that go on with DMA through the kexec: an e1000e that gets 500 frames a second
# from lab/frames.py, a sound card, an nvme whose disk does four commands a second, and
# six edu, two of them in one IOMMU group.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_vfio)
export INITRD MEM=${MEM:-1G} TIMEOUT=${TIMEOUT:-600}

disk=$OUT/running.disk
truncate -s 1M "$disk"
devices="-device edu,addr=04.0 -device edu,addr=0a.0 -device edu,addr=0b.0 -device edu,addr=0c.0"
devices+=" -device pcie-pci-bridge,id=bridge,addr=07.0"
devices+=" -device edu,bus=bridge,addr=01.0 -device edu,bus=bridge,addr=02.0"
devices+=" -device pcie-root-port,id=rp1,chassis=1,slot=1,addr=05.0"
devices+=" -device e1000e,bus=rp1,romfile=,netdev=net"
devices+=" -device pcie-root-port,id=rp2,chassis=2,slot=2,addr=06.0"
devices+=" -drive if=none,id=disk,format=raw,snapshot=on,file=$disk,throttling.iops-total=4"
devices+=" -device nvme,bus=rp2,drive=disk,serial=1"
devices+=" -audiodev none,id=sound -device ich9-intel-hda,id=hda,addr=08.0"
devices+=" -device hda-duplex,bus=hda.0,audiodev=sound"

# run NAME HOPS: with frames, all through it.
run() {
	APPEND="luo.mode=vfio-kexec luo.stage=0 luo.hops=$2 luo.only=running $APPEND" \
		QEMU_EXTRA="$devices $QEMU_EXTRA" \
		vm_run_frames "$1" "luo: mode vfio-kexec stage $2: 0"
}

APPEND="" QEMU_EXTRA="" run running 3

# The same in scalable mode. The two edu are functions of one device: for those below
# the bridge nothing would be translated.
scalable=${devices/-device edu,bus=bridge,addr=01.0 -device edu,bus=bridge,addr=02.0/}
scalable+=" -device edu,addr=0d.0,multifunction=on -device edu,addr=0d.1"
scalable+=" -global intel-iommu.x-scalable-mode=on"
APPEND="intel_iommu=sm_on" QEMU_EXTRA="" devices=$scalable run running-scalable 2

# They were to go on, and nobody wants them.
APPEND="luo.mode=vfio-kexec luo.stage=0 luo.hops=2 luo.only=unwanted intel_iommu=sm_on" \
	QEMU_EXTRA="${scalable/,netdev=net/}" \
	vm_run running-unwanted "luo: mode vfio-kexec stage 2: 0"

# Interrupts are not remapped, which vfio has to be told is fine, and entries are cached
# that are not there.
unsafe="intremap=off,iommufd.allow_unsafe_interrupts=1"
APPEND="luo.next=$unsafe ${unsafe/,/ }" \
	QEMU_EXTRA="-global intel-iommu.caching-mode=on" run running-intremap-off 1
