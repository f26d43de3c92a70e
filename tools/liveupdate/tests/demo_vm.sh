#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The host of "make demo-vm": an unmodified QEMU and its Linux guest, which has a device of
# the host, go through a live update. What begins with "demo: " is the story.
#
#	demo_vm.sh STAGE
stage=$1
run=/run/vm
luqemu=$$
device=0000:00:04.0
# Of KVM, see lab/demo-vm.sh.
tolerance=$(grep -o "kvm.tsc_tolerance_ppm=[0-9]*" /proc/cmdline)
PATH=$PATH:/usr/bin

tell() { echo "demo: $*"; }
fail() {
	echo "demo-failed: $*"
	tail -n 40 $run.log /tmp/luqemu.log /tmp/luod.log
	exit 1
}

# soon COMMAND...: within ten minutes, on a machine that has other work, too.
soon() {
	i=0
	until "$@"; do
		i=$((i + 1))
		kill -0 $luqemu 2>/dev/null || fail "luqemu has ended"
		[ $i -lt 3000 ] || fail "not seen: $*"
		sleep 0.2
	done
}
luqemu_said() { grep -q "$1" /tmp/luqemu.log; }
said() { grep -q "$1" $run.log; }

# What the guest's shell answers, on one line.
ask() {
	# Not to be found in the echo of the question.
	asked=$(wc -c <$run.log)
	echo "echo A''NSWER $asked \$($1)" >$run.in
	soon said "^ANSWER $asked "
	tr -d '\r' <$run.log | sed -n "s/^ANSWER $asked //p"
}
show() { tell "    guest# $1" && tell "    $(ask "$1")"; }

# The device is for virtual machines.
lend() {
	echo vfio-pci >/sys/bus/pci/devices/$device/driver_override
	echo $device >/sys/bus/pci/drivers_probe
}

start() {
	lend
	luod-keeper luod 2>/tmp/luod.log &
	mkfifo $run.in $run.out
	cat $run.out >$run.log &
	soon luctl status >/dev/null 2>&1
	tell "luqemu --name vm-7 --memory 256M --unplug qemu-system-x86_64 -machine q35,accel=kvm"
	tell "    -device vfio-pci,host=$device,bus=slot1 ..."
	luqemu --name vm-7 --memory 256M --unplug qemu-system-x86_64 -machine q35,accel=kvm \
		-cpu host -device pcie-root-port,id=slot1,chassis=1 \
		-device vfio-pci,host=$device,bus=slot1 \
		-nodefaults -display none -serial pipe:$run -kernel /next/bzImage \
		-initrd /guest.initrd -append "console=ttyS0 no_timer_check tsc=reliable quiet" \
		>/tmp/luqemu.log 2>&1 &
	luqemu=$!
}

update() {
	luctl update --kernel /next/bzImage --initrd /next/initrd --timeout 120 \
		--append "console=ttyS0 panic=-1 no_timer_check $tolerance \
luo.mode=demo-vm luo.stage=1" >/tmp/out 2>&1
}

# An update that does not take place: the device comes back.
give_up() {
	luod_test mute >/tmp/mute &
	mute=$!
	soon grep -q "subscribe: Success" /tmp/mute
	update &
	soon luqemu_said "is stopped and saved"
	kill "$(pidof luctl)"
	soon luqemu_said "has its devices"
	kill $mute
}

echo "allow any vm-*" >/etc/luod.conf
chmod 644 /etc/luod.conf
updates=$(cat /sys/kernel/liveupdate/number)
tell "the host: Linux $(uname -r), up for $(cut -d' ' -f1 /proc/uptime) s, $updates live updates"
start
case $stage in
0)
	soon said "guest: ready"
	tell "its guest has booted; it has a shell, a job that counts, and 16 MiB of random bytes"
	show "cut -d' ' -f1 /proc/uptime"
	show "cat /proc/sys/kernel/random/boot_id"
	show "sha256sum </tmp/random"
	show "edu 10"
	tell "an update is given up when the guest has been stopped, and its device unplugged"
	give_up
	show "edu 5"
	tell "how often the guest has got the device so far:"
	show "dmesg | grep -c 1234:11e8"
	show "cat /tmp/job"
	tell "luctl update --kernel /next/bzImage --initrd /next/initrd"
	update
	fail "luctl update: $(cat /tmp/out)"
	;;
1)
	soon luqemu_said "goes on in a new kernel"
	show "cut -d' ' -f1 /proc/uptime"
	show "cat /proc/sys/kernel/random/boot_id"
	show "sha256sum </tmp/random"
	first=$(ask "cat /tmp/job")
	tell "    guest# cat /tmp/job"
	tell "    $first"
	sleep 1
	[ "$(ask "cat /tmp/job")" -gt "$first" ] || fail "the job does not go on"
	soon luqemu_said "has its devices"
	show "edu 10"
	show "dmesg | grep -c 1234:11e8"
	tell "luctl report"
	luctl report | sed 's/^/demo:     /'
	kill $luqemu
	echo "demo-ended: yes"
	;;
esac
