#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# /init of the test machine. What it does is on the kernel's command line:
#
#	luo.mode=selftest		run the tests that need no kexec, or luo.tests=A,B
#	luo.mode=vfio			run the tests of vfio-pci that need no kexec, or
#					of luo.tests=A,B
#	luo.mode=vfio-kexec luo.hops=N	go through N kexecs with vfio_kexec
#	luo.mode=iommu-kexec luo.hops=N	go through N kexecs with iommu_kexec
#	luo.mode=kexec luo.hops=N	go through N kexecs with luo_kexec
#	luo.mode=chain luo.hops=N	a long chain of kexecs with luo_chain
#	luo.mode=fuzz luo.fuzz=N,SEED	anything, for N seconds, with luo_fuzz
#	luo.mode=module			a handler in a module
#	luo.mode=classic		kexec_load(2), with nothing to carry
#	luo.mode=reserve luo.hops=N	what ramoops keeps in a region of reserve_mem=;
#					luo.size=S is for the last kernel, luo.more
#					is one more region for all but the first
#	luo.mode=example luo.hops=N	the example of the documentation
#	luo.mode=luod			luod and luctl
#	luo.mode=demo-vm		the demonstration of "make demo-vm"
#	luo.mode=hostile luo.part=N luo.of=M
#					damaged handovers, one in M, with luo_hostile
#	luo.mode=interop luo.order=A,B	kernels of different origin, with luo_interop
#	luo.mode=bench luo.bench=...	what it costs, with luo_bench
#	luo.mode=minivmm luo.hops=N	a virtual machine that lives through N kexecs
#	luo.mode=demo-dma		the demonstration of "make demo-dma"
#	luo.mode=demo			the demonstration of "make demo"
#	luo.next=option,option		options for the next kernel; a ; becomes a comma
#	luo.crash			a crash kernel is loaded, and a crash is the end
#
# The machine is switched off at the end, after a line "luo: done". "/init leaks" is
# what a program says before it leaves for the next kernel.

# What kmemleak finds fails the run. It waits until an object is some seconds old.
leaks() {
	kmemleak=/sys/kernel/debug/kmemleak
	[ -e $kmemleak ] || return
	if grep -q '\[[ic]' /sys/kernel/security/lockdown 2>/dev/null; then
		echo "# kmemleak: it can't be asked, the kernel is locked down"
		return
	fi
	for i in 1 2; do
		echo scan >$kmemleak || echo "kmemleak: it is off, new suspected leaks or not"
		[ "$i" = 2 ] || sleep 6
	done
	found=$(grep -c '^unreferenced object' $kmemleak)
	[ "$found" = 0 ] || echo "kmemleak: $found new suspected memory leaks"
	head -n 200 $kmemleak
	echo clear >$kmemleak
}
[ "$1" != leaks ] || { leaks; exit; }

/bin/busybox mkdir -p /proc /sys /dev /tmp /next
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
[ -e /dev/null ] || mount -t devtmpfs none /dev
mount -t debugfs none /sys/kernel/debug
mount -t securityfs none /sys/kernel/security 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup

next="console=ttyS0 panic=-1 no_timer_check"
option() { sed -n "s/.*luo\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# The kernel and the initramfs for the kexec.
[ ! -b /dev/vda ] || tar -xf /dev/vda -C /next
# Where the test device is a module, it is there from the start but for one test.
[ -e /dev/liveupdate_test ] || [ "$(option mode)" = module ] ||
	insmod /bin/luo_test_handler.ko 2>/dev/null
# Warnings and worse have to be seen: a splat fails the run.
echo 5 >/proc/sys/kernel/printk

case $(option mode) in
selftest)
	bad=0
	tests=$(option tests | tr , " ")
	for test in ${tests:-liveupdate_test memfd_test hugetlb_test observe_test reboot_test \
			     security_test shared_test stress_test fault_test race_test}; do
		"$test" || bad=1
	done
	(exit $bad)
	;;
vfio)
	bad=0
	tests=$(option tests | tr , " ")
	for test in ${tests:-vfio_pci_test vfio_liveupdate_test}; do
		"$test" || bad=1
	done
	(exit $bad)
	;;
vfio-kexec)
	# shellcheck disable=SC2046
	vfio_kexec "$(option stage)" "$(option hops)" $(option next | tr ',;' ' ,')
	;;
iommu-kexec)
	# shellcheck disable=SC2046
	iommu_kexec "$(option stage)" "$(option hops)" $(option next | tr ',;' ' ,')
	;;
kexec)
	if grep -qw luo.crash /proc/cmdline; then
		kexec -p -s /next/bzImage --initrd=/next/initrd \
			--append="$next luo.mode=kexec luo.stage=1 luo.hops=1 luo.gone" || exit
	fi
	# shellcheck disable=SC2046 # several options are several words
	luo_kexec "$(option stage)" "$(option hops)" $(option next | tr ',;' ' ,')
	;;
chain)
	luo_chain "$(option stage)" "$(option hops)"
	;;
fuzz)
	# shellcheck disable=SC2046
	luo_fuzz "$(option stage)" $(option fuzz | tr , ' ')
	;;
module)
	luo_module "$(option stage)"
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
reserve)
	stage=$(option stage)
	hops=$(option hops)
	mount -t pstore none /sys/fs/pstore
	old=$(cat /sys/fs/pstore/pmsg-ramoops-0)
	if [ "$stage" = 0 ] || [ "$old" = "written by stage $((stage - 1))" ]; then
		echo "ok $stage reserve_mem_stage_$stage"
	elif [ "$stage" = "$hops" ] && [ "$(option size)" != 2M ] && [ -z "$old" ]; then
		echo "ok $stage reserve_mem_of_another_size"
	else
		echo "not ok $stage reserve_mem_stage_$stage ($old)"
	fi
	if [ "$stage" != "$hops" ]; then
		printf 'written by stage %s' "$stage" >/dev/pmsg0
		size=2M
		# With another one before it, it is not at its place by chance.
		[ $((stage + 1)) != "$hops" ] || size=$(option size)
		kexec -s -l /next/bzImage --initrd=/next/initrd --append="$next \
reserve_mem=3M:64K:first reserve_mem=$size:4096:oops reserve_mem=5000:1:odd ramoops.mem_name=oops \
ramoops.pmsg_size=65536 luo.mode=reserve luo.stage=$((stage + 1)) luo.hops=$hops \
luo.size=$(option size) $(option more) luo.more=$(option more)" && kexec -e
	fi
	;;
example)
	stage=$(option stage)
	echo "nobody:x:65534:65534::/:/bin/sh" >/etc/passwd
	luo_example luod /run/luod &
	until [ -S /run/luod ]; do sleep 0.1; done
	su -s /bin/sh nobody -c "exec luo_example vmm /run/luod vm-7" >/tmp/vm-7 &
	until grep -q . /tmp/vm-7 || ! kill -0 $!; do sleep 0.1; done
	if grep -qx "vm-7: the guest was taken along $stage times" /tmp/vm-7; then
		echo "ok $stage example_stage_$stage"
	else
		echo "not ok $stage example_stage_$stage ($(cat /tmp/vm-7))"
	fi
	if [ "$stage" != "$(option hops)" ]; then
		kexec -s -l /next/bzImage --initrd=/next/initrd --append="$next \
luo.mode=example luo.stage=$((stage + 1)) luo.hops=$(option hops)" && kexec -e
	fi
	;;
luod)
	luod_test.sh "$(option stage)"
	;;
demo-vm)
	demo_vm.sh "$(option stage)"
	;;
hostile)
	luo_hostile "$(option stage)" "$(option part)" "$(option of)"
	;;
interop)
	luo_interop "$(option stage)" "$(option order)"
	;;
minivmm)
	minivmm_test.sh "$(option stage)" "$(option hops)"
	;;
demo-dma)
	dma_demo "$(option stage)"
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
result=$?
leaks
# How much of a look KCSAN has had.
[ ! -e /sys/kernel/debug/kcsan ] || sed 's/^/# kcsan: /' /sys/kernel/debug/kcsan
echo "luo: mode $(option mode) stage $(option stage): $result"
echo "luo: done"
poweroff -f
