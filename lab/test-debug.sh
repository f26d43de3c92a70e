#!/usr/bin/env bash
# The tests on kernels that look closely, and are slow: those that need no other
# kernel, fewer hops, and a fuzzer that runs long.
#
#	[FLAVOURS="debug kcsan"] [FUZZ_SECONDS=600] [CHAIN_HOPS=6] [FRAMES_RATE=50]
#		[HOSTILE_OF=8] lab/test-debug.sh
#
# The last line is "N passed, N failed, N skipped". Logs are in out/log-FLAVOUR.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/suite.sh"
. "$(dirname "$0")/vm.sh"

export FUZZ_SECONDS=${FUZZ_SECONDS:-600} CHAIN_HOPS=${CHAIN_HOPS:-6}
export MEM=${MEM:-4G} TIMEOUT=${TIMEOUT:-3600} HOSTILE_OF=${HOSTILE_OF:-8}

# vm_kernel says where the kernel is; a step may only say what went wrong.
build() { vm_kernel "$REPO/lab/config.$1"; }

# vm NAME MODE: a machine of its own, which must come to stage STAGE, if any.
vm() {
	INITRD=$(vm_selftests)
	export INITRD
	APPEND="luo.mode=$2" vm_run "$1" "luo: mode ${2%% *} stage ${3:-}: 0"
}

# Each flavour has its logs, so it is a process of its own for lib.sh.
if [ -z "${FLAVOUR:-}" ]; then
	step deps "$REPO/lab/deps.sh"
	for flavour in ${FLAVOURS:-debug kcsan}; do
		mkdir -p "$OUT/log-$flavour"
		suite "$flavour" env FLAVOUR="$flavour" "$0"
	done
	finish
fi

step "kernel-$FLAVOUR" build "$FLAVOUR"
export KERNEL=$OUT/build-$FLAVOUR/arch/x86/boot/bzImage
export MODULE=$OUT/build-$FLAVOUR/kernel/liveupdate/luo_test_handler.ko
# Frames that have to wait for so long would be too many.
export FRAMES_RATE=${FRAMES_RATE:-50}
# What one CPU does alone can't race.
alone=(10-kunit 45-hostile)
[ "$FLAVOUR" != kcsan ] || alone=()
for test in "${alone[@]}" 20-kselftest 25-iommufd 35-vfio 36-iommu 37-running; do
	suite "$test" "$REPO/lab/tests/$test.sh"
done
suite module vm module "module luo.stage=0" 1
suite kexec vm kexec-chain "kexec luo.stage=0 luo.hops=2" 2
for test in 60-chain 65-fuzz; do suite "$test" "$REPO/lab/tests/$test.sh"; done
[ "$failed" = 0 ]
