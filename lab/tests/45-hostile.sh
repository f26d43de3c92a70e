#!/usr/bin/env bash
# Hostile handovers, each one a kexec: see luo_hostile.c. Two machines share them,
# at the same time; with HOSTILE_OF=8 they take two in 8. HOSTILE=all takes those, too,
# that are much like another one.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

of=${HOSTILE_OF:-2}
vm_selftests >/dev/null
# Small: each hop has its checksum taken, and unpacks it.
INITRD=$OUT/hostile.initrd
export INITRD TIMEOUT=${TIMEOUT:-1800} MEM=${MEM:-1G} SMP=1
"$REPO/lab/initrd.sh" "$INITRD" "$LINUX/tools/testing/selftests/liveupdate/luo_init.sh" \
	"$OUT/selftests/luo_hostile"

# As luo_hostile has it for the kernels that follow.
region="reserve_mem=128K:4096:oops ramoops.mem_name=oops ramoops.pmsg_size=65536"
run() {
	APPEND="$region luo.mode=hostile luo.stage=0 luo.of=$of luo.part=$1 ${HOSTILE:+luo.$HOSTILE}" \
		vm_run "hostile-$1" "luo: mode hostile stage"
}
run 0 >"$LOGS/hostile-0.out" 2>&1 &
run 1
wait
cat "$LOGS/hostile-0.out"

# A machine that ends early has not seen all of them.
hops=$(cat "$LOGS"/hostile-[01].results | grep ': hostile_' | grep -vc hostile_prepared)
check "hostile: at least $((200 / of)) kexecs, there were $hops" test "$hops" -ge $((200 / of))
