#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The host of "make demo-vm": an unmodified QEMU and its Linux guest go through a live
# update. What begins with "demo: " is the story.
#
#	demo_vm.sh STAGE
stage=$1
run=/run/vm
luqemu=$$
# Of KVM, see lab/demo-vm.sh.
tolerance=$(grep -o "kvm.tsc_tolerance_ppm=[0-9]*" /proc/cmdline)
PATH=$PATH:/usr/bin

tell() { echo "demo: $*"; }
fail() {
	echo "demo-failed: $*"
	tail -n 40 $run.log /tmp/luqemu.log /tmp/luod.log
	exit 1
}

# soon COMMAND...: within 120 s.
soon() {
	i=0
	until "$@"; do
		i=$((i + 1))
		kill -0 $luqemu 2>/dev/null || fail "luqemu has ended"
		[ $i -lt 600 ] || fail "not seen: $*"
		sleep 0.2
	done
}
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

start() {
	luod-keeper luod 2>/tmp/luod.log &
	mkfifo $run.in $run.out
	cat $run.out >$run.log &
	soon luctl status >/dev/null 2>&1
	tell "luqemu --name vm-7 --memory 256M qemu-system-x86_64 -machine q35,accel=kvm ..."
	luqemu --name vm-7 --memory 256M qemu-system-x86_64 -machine q35,accel=kvm -cpu host \
		-nodefaults -display none -serial pipe:$run -kernel /next/bzImage \
		-initrd /guest.initrd -append "console=ttyS0 no_timer_check tsc=reliable quiet" \
		>/tmp/luqemu.log 2>&1 &
	luqemu=$!
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
	show "cat /tmp/job"
	tell "luctl update --kernel /next/bzImage --initrd /next/initrd"
	luctl update --kernel /next/bzImage --initrd /next/initrd \
		--append "console=ttyS0 panic=-1 no_timer_check $tolerance \
luo.mode=demo-vm luo.stage=1" >/tmp/out 2>&1
	fail "luctl update: $(cat /tmp/out)"
	;;
1)
	soon grep -q "goes on in a new kernel" /tmp/luqemu.log
	show "cut -d' ' -f1 /proc/uptime"
	show "cat /proc/sys/kernel/random/boot_id"
	show "sha256sum </tmp/random"
	first=$(ask "cat /tmp/job")
	tell "    guest# cat /tmp/job"
	tell "    $first"
	sleep 1
	[ "$(ask "cat /tmp/job")" -gt "$first" ] || fail "the job does not go on"
	tell "luctl report"
	luctl report | sed 's/^/demo:     /'
	kill $luqemu
	echo "demo-ended: yes"
	;;
esac
