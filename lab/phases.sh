#!/usr/bin/env bash
# Where the pause goes: instructions from reboot(2) to the first of init, by phase, for
# our kernel and the peer's, with nothing and with 2 GiB of 4 KiB pages preserved.
#
#	[PEER=none] [CPUS=2] [MEM=4G] [SIZES="0 2048"] lab/phases.sh
#
# A plugin of QEMU (lab/phases.c) counts them. Places are functions, found in System.map:
# a phase lasts from the first time that one is entered to the first time that another
# one is. What has no symbol, from the jump to the next kernel, is told apart by the pages
# that it runs in. The last line is by the TSC, which counts what a CPU waits, too.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

work=$OUT/phases
mkdir -p "$work"
gcc -O2 -Wall -shared -fPIC -o "$work/phases.so" "$REPO/lab/phases.c"
INITRD=$(vm_bench)
export INITRD ICOUNT=1 MEM=${MEM:-4G} TIMEOUT=${TIMEOUT:-1800}
# places SYSTEM-MAP: what the plugin looks for. Each initcall is one.
places() {
	awk '
	$3 == "__x64_sys_reboot" { print $1, "s", $3 }
	$3 ~ /^(kernel_kexec|device_shutdown|native_machine_shutdown|machine_kexec)$/ ||
	$3 ~ /^(x86_64_start_kernel|start_kernel|setup_arch|init_mem_mapping|paging_init)$/ ||
	$3 ~ /^(free_area_init|setup_per_cpu_areas|mm_core_init|memblock_free_all|sched_init)$/ ||
	$3 ~ /^(time_init|x86_late_time_init|calibrate_delay|arch_cpu_finalize_init)$/ ||
	$3 ~ /^(vfs_caches_init|rest_init|kernel_init|smp_init|sched_init_smp|driver_init)$/ ||
	$3 ~ /^(page_alloc_init_late|free_initmem|run_init_process)$/ ||
	$3 ~ /^kho_(populate|memory_open|memory_init|mem_deserialize|scratch_reserve)$/ {
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

# phases OUT: "PHASE<tab>MILLIONS" from what the plugin says.
phases() {
	sort -s -k1,1 -k3,3n "$1" | awk '
	function add(phase, count) {
		if (!(phase in sum)) order[++n] = phase
		sum[phase] += count
	}
	# What begins at a place.
	function phase(place, next_place) {
		if (place == "__x64_sys_reboot" || place ~ /^(kernel_kexec|device_shutdown|native_machine_shutdown)$/)
			return "reboot(2) to jump"
		if (place ~ /^kho_/) return "KHO: read, check, reserve"
		if (place == "free_area_init") return "struct pages of zones"
		if (place ~ /^(mm_core_init|memblock_free_all|page_alloc_init_late)$/)
			return "free pages to the buddy allocator"
		if (place ~ /^(kernel_init|smp_init|sched_init_smp)$/) return "APIC, CPUs"
		if (next_place == "free_initmem") return "initramfs"
		if (place ~ /^initcall:(kho|luo|.*liveupdate)/) return "initcalls of KHO and LUO"
		if (place ~ /^initcall:.*(pci|acpi|vga_arb|nvme|iommu)/) return "initcalls of PCI, ACPI, IOMMU"
		if (place ~ /^initcall:.*(con|console)_init$/) return "scheduler, clocks, caches"
		if (place == "initcall:static_call_init") return "early boot"
		if (place ~ /^(initcall:|driver_init)/) return "other initcalls"
		if (place ~ /^(free_initmem|run_init_process)$/) return "init"
		if (place ~ /^(sched_init|time_init|x86_late|calibrate|arch_cpu|vfs_caches|rest_init)/)
			return "scheduler, clocks, caches"
		return "early boot"
	}
	$1 == "at" { place[++places] = $2; at[places] = $3 }
	# Pages side by side are one program. The first one is what copies the segments.
	$1 == "page" {
		page = sprintf("%d", strtonum("0x" $2) / 4096)
		if (!program || page - last > 64 || last - page > 64) { program++; first[program] = $3 }
		last = page
	}
	$1 == "tsc" { tsc = $2 }
	END {
		add("reboot(2) to jump", at[1])
		for (i = 1; i <= places; i++) {
			if (place[i] == "init") { total = at[i]; break }
			if (place[i] == "machine_kexec") {
				split("segments copied,purgatory,decompression", name, ",")
				add(name[1], first[2] - at[i])
				add(name[2], first[3] - first[2])
				add(name[3], at[i + 1] - first[3])
				continue
			}
			add(phase(place[i], place[i + 1]), at[i + 1] - at[i])
		}
		for (i = 1; i <= n; i++) printf "%s\t%.2f\n", order[i], sum[order[i]] / 1e6
		printf "all of it, executed\t%.2f\nall of it, by the TSC\t%.2f\n", total / 1e6, tsc / 1e6
	}'
}

# profile WHO BZIMAGE SYSTEM-MAP MIB: the phases of a run, in a file that is printed.
profile() {
	local file=$work/$1-$4${CPUS:+-cpus$CPUS}

	places "$3" >"$file.places"
	say "phases: $1, $4 MiB"
	KERNEL=$2 APPEND="quiet nokaslr kho=on liveupdate=on luo.mode=bench luo.bench=memfd,0,$4,0,0" \
		QEMU_EXTRA="${CPUS:+-smp $CPUS} -plugin $work/phases.so,places=$file.places,out=$file.out" \
		"$REPO/lab/run.sh" >"$file.console" 2>"$file.err" || die "$(tail -n 1 "$file.err")"
	tr -d '\r' <"$file.console" | awk '$1 == "bench:" && $2 == "jump" { jump = $3 }
		$1 == "bench:" && $2 == "start" { print "tsc", $3 - jump }' >>"$file.out"
	phases "$file.out" >"$file.phases"
	echo "$file.phases"
}
columns=()
for size in ${SIZES:-0 2048}; do
	columns+=("$(profile ours "$OUT/bzImage" "$OUT/build/System.map" "$size")")
done
if [ "${PEER:-}" != none ]; then
	peer=$("$REPO/lab/peer.sh")
	for size in ${SIZES:-0 2048}; do
		columns+=("$(profile peer "$peer" "$CACHE/peer/System.map" "$size")")
	done
fi
awk -F'\t' '
	FNR == 1 {
		name = FILENAME
		sub(/.*\//, "", name)
		sub(/\.phases$/, "", name)
		column[++columns] = name
	}
	{ if (!($1 in known)) { known[$1] = 1; row[++rows] = $1 } value[$1, columns] = $2 }
	END {
		printf "%-36s", "millions of instructions"
		for (c = 1; c <= columns; c++) printf " %12s", column[c]
		printf "\n"
		for (r = 1; r <= rows; r++) {
			if (row[r] ~ /^all of it/ && !late[r]) { late[++nr_late] = r; continue }
			printf "%-36s", row[r]
			for (c = 1; c <= columns; c++) printf " %12s", value[row[r], c]
			printf "\n"
		}
		for (l = 1; l <= nr_late; l++) {
			printf "%-36s", row[late[l]]
			for (c = 1; c <= columns; c++) printf " %12s", value[row[late[l]], c]
			printf "\n"
		}
	}' "${columns[@]}" | tee "$LOGS/phases.table"
