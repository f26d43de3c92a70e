#!/usr/bin/env bash
# Boot a kernel in QEMU; the serial console is stdout.
#
#	INITRD=file [APPEND="..."] [NEXT=bzImage] [NEXT_INITRD=file] lab/run.sh
#
# KERNEL=out/bzImage MEM=2G SMP=2 TIMEOUT=300 QEMU_EXTRA="..." have these
# defaults. ICOUNT=1 makes a run deterministic: the guest's clock then counts
# instructions. The exit status is 0 if the guest powered off, within TIMEOUT
# seconds, and its console shows no splat (ALLOW_SPLAT=1: or does).
#
# All CPUs of the guest share one thread: with a thread each (TCG_THREAD=multi)
# a guest now and then dies of an int3 that another CPU has just patched away.
#
# What the next kernel needs is in the tar /dev/vda: bzImage and initrd. With
# ICOUNT it is in /next from the start, and there is no disk: a guest that waits
# for one has its clock run on, by as much as the host is busy.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/splat.sh"

kernel=${KERNEL:-$OUT/bzImage}
[ -f "$kernel" ] || die "$kernel is not there: make kernel"
[ -f "${INITRD:-}" ] || die "INITRD=file is wanted"
next=${NEXT:-$kernel}
[ -f "$next" ] || die "NEXT=$next is not there"

work=$(mktemp -d)
qemu="" alarm=""
finish() {
	[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
	[ -z "$alarm" ] || kill "$alarm" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$work/next"
ln -s "$(realpath "$next")" "$work/next/bzImage"
ln -s "$(realpath "${NEXT_INITRD:-$INITRD}")" "$work/next/initrd"

if [ "${ICOUNT:-0}" = 1 ]; then
	machine=(-smp 1 -icount "shift=0,sleep=off")
	# An archive behind another one begins at a multiple of four bytes.
	cat "$INITRD" >"$work/initrd"
	truncate -s %4 "$work/initrd"
	(cd "$work" && printf '%s\n' next next/bzImage next/initrd | cpio -oL -H newc --quiet) >>"$work/initrd"
	initrd=$work/initrd
else
	machine=(-smp "${SMP:-2}" -drive "file=$work/next.tar,format=raw,if=virtio,readonly=on")
	tar -C "$work/next" --mtime=@0 --owner=0 --group=0 --numeric-owner -chf "$work/next.tar" bzImage initrd
	initrd=$INITRD
fi
# shellcheck disable=SC2206 # several words are what QEMU_EXTRA is for
extra=(${QEMU_EXTRA:-})

# panic=-1 and -no-reboot: a guest that panics ends at once. no_timer_check: the
# kernel counts ticks against a delay loop, which a busy host makes it lose.
mkfifo "$work/console"
tee "$work/log" <"$work/console" &
tee=$!
qemu-system-x86_64 -M "q35,kernel-irqchip=split" -accel "tcg,thread=${TCG_THREAD:-single}" -cpu max \
	-m "${MEM:-2G}" "${machine[@]}" -device "intel-iommu,intremap=on" \
	-display none -serial stdio -monitor none -no-reboot -nodefaults \
	-kernel "$kernel" -initrd "$initrd" \
	-append "console=ttyS0 panic=-1 no_timer_check ${APPEND:-}" "${extra[@]}" \
	</dev/null >"$work/console" &
qemu=$!

# Only its own QEMU is ended, by its process id. The sleep has no hold on
# stdout: whoever reads that would wait for it.
sleep "${TIMEOUT:-300}" >/dev/null 2>&1 &
alarm=$!
status=0
wait -n -p ended "$qemu" "$alarm" || status=$?
if [ "$ended" = "$alarm" ]; then
	kill -KILL "$qemu"
	wait "$qemu" 2>/dev/null || true
	status=timeout
else
	kill "$alarm" 2>/dev/null || true
fi
qemu="" alarm=""
wait "$tee"

[ "$status" != timeout ] || die "no end within ${TIMEOUT:-300} s"
[ "$status" = 0 ] || die "QEMU exited with $status"
# A reset, by which a panic and a plain reboot end, is no power-off.
grep -qE 'reboot: Power down|ACPI: PM: Preparing to enter system sleep state S5' "$work/log" ||
	die "the guest ended without powering off"
[ "${ALLOW_SPLAT:-0}" = 1 ] || ! splats "$work/log" >&2 || die "the console shows a splat"
