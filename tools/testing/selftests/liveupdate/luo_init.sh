#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# /init of the test machine. What it does is on the kernel's command line:
#
#	luo.mode=selftest		run the tests that need no kexec
#	luo.mode=kexec luo.hops=N	go through N kexecs with luo_kexec
#	luo.mode=classic		kexec_load(2), with nothing to carry
#	luo.mode=demo			the demonstration of "make demo"
#	luo.next=option,option		options for the next kernel
#	luo.crash			a crash kernel is loaded, and a crash is the end
#
# The machine is switched off at the end, after a line "luo: done".

/bin/busybox mkdir -p /proc /sys /dev /tmp /next
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
[ -e /dev/null ] || mount -t devtmpfs none /dev
mount -t debugfs none /sys/kernel/debug

next="console=ttyS0 panic=-1 no_timer_check"
option() { sed -n "s/.*luo\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# The kernel and the initramfs for the kexec.
[ ! -b /dev/vda ] || tar -xf /dev/vda -C /next
# Warnings and worse have to be seen: a splat fails the run.
echo 5 >/proc/sys/kernel/printk

case $(option mode) in
selftest)
	bad=0
	for test in liveupdate_test memfd_test reboot_test stress_test; do
		"$test" || bad=1
	done
	(exit $bad)
	;;
kexec)
	if grep -qw luo.crash /proc/cmdline; then
		kexec -p -s /next/bzImage --initrd=/next/initrd \
			--append="$next luo.mode=kexec luo.stage=1 luo.hops=1 luo.gone" || exit
	fi
	# shellcheck disable=SC2046 # several options are several words
	luo_kexec "$(option stage)" "$(option hops)" $(option next | tr , ' ')
	;;
classic)
	if [ "$(option stage)" = 0 ]; then
		kexec -c -l /next/bzImage --initrd=/next/initrd \
			--append="$next luo.mode=classic luo.stage=1" && kexec -e
		echo "not ok 1 classic_kexec"
	elif dmesg | grep "KHO: kexec"; then
		echo "not ok 1 classic_kexec_has_no_handover"
	else
		echo "ok 1 classic_kexec_has_no_handover"
	fi
	;;
demo)
	luo_demo "$(option stage)"
	;;
bench)
	echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	# shellcheck disable=SC2046
	luo_bench $(option bench | tr , ' ')
	;;
esac
echo "luo: mode $(option mode) stage $(option stage): $?"
echo "luo: done"
poweroff -f
