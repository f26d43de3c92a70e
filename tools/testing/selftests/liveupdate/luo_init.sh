#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# /init of the test machine. What it does is on the kernel's command line:
#
#	luo.mode=selftest		run the tests that need no kexec
#	luo.mode=kexec luo.hops=N	go through N kexecs with luo_kexec
#	luo.mode=demo			the demonstration of "make demo"
#	luo.next="option option"	options for the next kernel
#
# The machine is switched off at the end, after a line "luo: done".

/bin/busybox mkdir -p /proc /sys /dev /tmp /next
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
[ -e /dev/null ] || mount -t devtmpfs none /dev
mount -t debugfs none /sys/kernel/debug

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
	# shellcheck disable=SC2046 # several options are several words
	luo_kexec "$(option stage)" "$(option hops)" $(option next | tr , ' ')
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
