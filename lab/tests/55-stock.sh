#!/usr/bin/env bash
# With the options of the series off, the kernel is byte for byte what the bare
# source gives.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

ours=$(vm_kernel "$REPO/lab/config.stock")
ours=${ours%/arch/*}
bare=$OUT/build-bare
locked bare

# The same options, but for those that the bare source does not know.
build() {
	worktree "$OUT/bare" refs/lab/base
	mkdir -p "$bare"
	LINUX=$OUT/bare
	KCONFIG_ALLCONFIG=$ours/requested kmake -s O="$bare" allnoconfig
	kmake -s O="$bare" vmlinux
}
check "stock: the bare source builds" build
check "stock: the options differ by what the series adds" \
	test "$(diff "$bare/.config" "$ours/.config" | grep '^[<>]' | grep -v ' is not set$')" = \
	"> CONFIG_ARCH_SUPPORTS_KEXEC_HANDOVER=y"
check "stock: vmlinux is byte for byte that of the bare source" cmp "$bare/vmlinux" "$ours/vmlinux"
