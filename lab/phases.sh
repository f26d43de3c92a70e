#!/usr/bin/env bash
# Where the pause goes: instructions from reboot(2) to the first of init, by phase, for
# our kernel and the peer's, counted by a plugin of QEMU (lab/phases.c).
#
#	[BENCHMARK=memfd,0,0,0,0] [MEM=4G] lab/phases.sh
#
# Places are functions, found in System.map: a phase lasts from the first time that one
# is entered to the first time that another one is. What the CPU only waits for is in
# the time (the TSC), not in the instructions; the last line has both.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

work=$OUT/phases
mkdir -p "$work"
gcc -O2 -Wall -shared -fPIC -o "$work/phases.so" "$REPO/lab/phases.c"
peer=$("$REPO/lab/peer.sh")
INITRD=$(vm_selftest luo_bench)
export INITRD ICOUNT=1 MEM=${MEM:-4G} TIMEOUT=${TIMEOUT:-1800}
bench=${BENCHMARK:-memfd,0,0,0,0}

# places SYSTEM-MAP: what the plugin looks for. Each initcall is one.
places() {
	awk '
	$3 == "__x64_sys_reboot" { print $1, "s", $3 }
	$3 ~ /^(kernel_kexec|machine_kexec|x86_64_start_kernel|start_kernel|setup_arch|kho_populate)$/ ||
	$3 ~ /^(mm_core_init|kho_memory_init|kho_memory_open|sched_init|time_init|x86_late_time_init)$/ ||
	$3 ~ /^(paging_init|init_mem_mapping|setup_per_cpu_areas|rest_init|kernel_init|smp_init)$/ ||
	$3 ~ /^(sched_init_smp|driver_init|vfs_caches_init|free_initmem|run_init_process|arch_cpu_finalize_init)$/ ||
	$3 ~ /^(memblock_free_all|page_alloc_init_late|free_area_init|calibrate_delay|native_machine_shutdown|device_shutdown)$/ {
		print $1, "k", $3
	}
	$3 ~ /^__initcall__kmod_/ {
		name = $3
		level = name
		sub(/.*[^0-9a-z]/, "", level)
		sub(/^__initcall__kmod_.*__[0-9]+_[0-9]+_/, "", name)
		sub(/(early|[0-9]s?|rootfs|con|security)$/, "", name)
		initcall[name] = 1
	}
	{ address[$3] = $1 }
	END { for (name in initcall) if (name in address) print address[name], "k", "initcall:" name }' "$1"
	nm "$OUT/selftests/luo_bench" | awk '$3 == "_start" { print $1, "u", "init" }'
}

profile() { # WHO BZIMAGE SYSTEM-MAP
	places "$3" >"$work/$1.places"
	KERNEL=$2 APPEND="quiet nokaslr kho=on liveupdate=on luo.mode=bench luo.bench=$bench" \
		QEMU_EXTRA="-plugin $work/phases.so,places=$work/$1.places,out=$work/$1.out" \
		"$REPO/lab/run.sh" >"$work/$1.console" 2>"$work/$1.err" || die "$work/$1.err: $(tail -n 1 "$work/$1.err")"
	tr -d '\r' <"$work/$1.console" |
		awk '$1 == "bench:" && $2 == "jump" { jump = $3 } $2 == "start" { print "tsc", $3 - jump }' >>"$work/$1.out"
}
profile ours "$OUT/bzImage" "$OUT/build/System.map"
profile peer "$peer" "$CACHE/peer/System.map"
