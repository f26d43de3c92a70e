#!/usr/bin/env bash
# Live update across kexecs, on machines of several kinds.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_selftests)
export INITRD
kexec="luo.mode=kexec luo.stage=0"

# Three hops in a row; KASLR is on.
APPEND="$kexec luo.hops=3" vm_run kexec-chain "luo: mode kexec stage 3: 0"
MEM=1280M SMP=1 APPEND="$kexec luo.hops=1 nokaslr luo.next=nokaslr,trace_event=liveupdate:*" \
	vm_run kexec-1280M-nokaslr "luo: mode kexec stage 1: 0"
MEM=8G SMP=4 APPEND="$kexec luo.hops=1" vm_run kexec-8G "luo: mode kexec stage 1: 0"
MEM=2G SMP=2,sockets=2 APPEND="$kexec luo.hops=1" \
	QEMU_EXTRA="-object memory-backend-ram,id=m0,size=1G -object memory-backend-ram,id=m1,size=1G -numa node,memdev=m0,cpus=0 -numa node,memdev=m1,cpus=1" \
	vm_run kexec-numa "luo: mode kexec stage 1: 0"
# All of node 1 was added since boot: firmware does not list it.
MEM=1G,slots=1,maxmem=4G APPEND="$kexec luo.hops=1 luo.only=hotplug memhp_default_state=online_kernel" \
	QEMU_EXTRA="-object memory-backend-ram,id=m0,size=1G -object memory-backend-ram,id=m1,size=256M -numa node,memdev=m0,cpus=0-1 -numa node -device pc-dimm,memdev=m1,node=1" \
	vm_run kexec-hotplug "luo: mode kexec stage 1: 0"
MEM=2G APPEND="$kexec luo.hops=1 kho_scratch=16M,128M,32M" \
	vm_run kexec-scratch-bytes "luo: mode kexec stage 1: 0"
# Nothing waits for the kexec: sessions, CPUs and memory come and go until then.
MEM=1G APPEND="$kexec luo.hops=3 luo.only=reboot_race" vm_run kexec-race "luo: mode kexec stage 3: 0"

# The daemon and the VMM of the documentation.
APPEND="luo.mode=example luo.stage=0 luo.hops=2" vm_run example "luo: mode example stage 2: 0"

# Pools of huge pages. hugepages= is in neither kernel in the chain above; here it
# is in the next one only, in both, for each node, and for pages of 1 GiB, which
# the next kernel may not have.
nodes="-object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M -numa node,memdev=m0,cpus=0 -numa node,memdev=m1,cpus=1"
huge="$kexec luo.hops=1 luo.only=hugetlb"
MEM=1G SMP=2,sockets=2 QEMU_EXTRA=$nodes APPEND="$huge luo.next=hugepages=17" \
	vm_run hugetlb-next "luo: mode kexec stage 1: 0"
hvo="hugetlb_free_vmemmap=on"
MEM=1G APPEND="$huge luo.hops=2 hugepages=20 $hvo luo.next=hugepages=20,$hvo" \
	vm_run hugetlb-both "luo: mode kexec stage 2: 0"
MEM=1G SMP=2,sockets=2 QEMU_EXTRA=$nodes APPEND="$huge hugepages=0:2,1:9 luo.next=hugepages=0:5;1:9" \
	vm_run hugetlb-nodes "luo: mode kexec stage 1: 0"
gigantic="$kexec luo.hops=1 luo.only=gigantic hugepagesz=1G hugepages=2"
MEM=6G APPEND="$gigantic luo.next=hugepagesz=1G,hugepages=2" \
	vm_run hugetlb-1G "luo: mode kexec stage 1: 0"
MEM=6G APPEND="$gigantic luo.next=clearcpuid=pdpe1gb" \
	vm_run hugetlb-1G-unknown "luo: mode kexec stage 1: 0"

# Whatever can fail when they are retrieved, finished and given up does.
MEM=1G APPEND="$kexec luo.hops=1 luo.only=pool_without_memory" \
	vm_run hugetlb-no-memory "luo: mode kexec stage 1: 0"

# What reserve_mem= has reserved is there again, as often as one likes; unless
# the next kernel wants another size.
reserve="reserve_mem=2M:4096:oops reserve_mem=5000:1:odd ramoops.mem_name=oops ramoops.pmsg_size=65536 luo.mode=reserve luo.stage=0"
APPEND="$reserve luo.hops=3 luo.size=2M" vm_run reserve-mem "luo: mode reserve stage 3: 0"
APPEND="$reserve luo.hops=2 luo.size=4M" vm_run reserve-mem-resized "luo: mode reserve stage 2: 0"
big="reserve_mem=1G:1G:big"
MEM=6G APPEND="$reserve luo.hops=1 luo.size=2M $big luo.more=$big" vm_run reserve-mem-1G "luo: mode reserve stage 1: 0"
check "reserve-mem-1G: 1 GiB in one block is carried (pitfall 14)" \
	grep -q "reserve_mem: big: 0x0*40000000 bytes at .* are those of the previous kernel" "$LOGS/reserve-mem-1G.console"
