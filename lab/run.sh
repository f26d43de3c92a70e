#!/usr/bin/env bash
# Boot a kernel in QEMU, the serial console on stdout.
#
#	INITRD=file APPEND="..." [NEXT=bzImage] [KERNEL=bzImage] [MEM=2G] [SMP=2]
#	[TIMEOUT=300] [ICOUNT=1] [QEMU_EXTRA="..."] lab/run.sh
#
# The kernel and the initramfs for the kexec are on /dev/vda, which is a tar of
# "bzImage" and "initrd". ICOUNT=1 makes the guest's clock count instructions.
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-$OUT/bzImage}
[ -f "$kernel" ] || die "$kernel is not there: make kernel"
[ -f "${INITRD:-}" ] || die "INITRD=file is wanted"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "${NEXT:-$kernel}" "$work/bzImage"
cp "$INITRD" "$work/initrd"
tar -C "$work" -cf "$work/next.tar" bzImage initrd

smp=${SMP:-2}
qemu=(qemu-system-x86_64 -M "q35,kernel-irqchip=split" -accel tcg -cpu max
      -m "${MEM:-2G}" -device "intel-iommu,intremap=on" -display none
      -serial stdio -monitor none -no-reboot
      -drive "file=$work/next.tar,format=raw,if=virtio,readonly=on"
      -kernel "$kernel" -initrd "$INITRD"
      -append "console=ttyS0 panic=-1 ${APPEND:-}")
if [ "${ICOUNT:-0}" = 1 ]; then
	qemu+=(-icount "shift=0,sleep=off")
	smp=1
fi
qemu+=(-smp "$smp")
# shellcheck disable=SC2206 # several words are what QEMU_EXTRA is for
qemu+=(${QEMU_EXTRA:-})

timeout --foreground "${TIMEOUT:-300}" "${qemu[@]}" </dev/null
