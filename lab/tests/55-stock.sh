#!/usr/bin/env bash
# With the options of the series off, the kernel is byte for byte what the bare
# source gives.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

ours=$(vm_kernel "$REPO/lab/config.stock")
ours=${ours%/arch/*}
# Some of what is compiled holds its path, from the build directory.
bare=$OUT/bare/build
locked bare

# The same options, but for those that the bare source does not know.
build() {
	mkdir -p "$bare"
	worktree "$OUT/bare/linux" refs/lab/base
	LINUX=$OUT/bare/linux
	KCONFIG_ALLCONFIG=$ours/requested kmake -s O="$bare" allnoconfig
	kmake -s O="$bare" bzImage
}
same() { cmp "$bare/arch/x86/boot/$1" "$ours/arch/x86/boot/$1"; }

check "stock: the bare source builds" build
check "stock: the options differ by what the series adds" \
	test "$(diff "$bare/.config" "$ours/.config" | grep '^[<>] [^#]')" = \
	"> CONFIG_ARCH_SUPPORTS_KEXEC_HANDOVER=y"
check "stock: bzImage is byte for byte that of the bare source" same bzImage
