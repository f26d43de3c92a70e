#!/usr/bin/env bash
# With the options of the series off, the kernel is byte for byte what the bare
# source gives, but for its build ID: that is of names of symbols, too, and those
# of initcalls hold line numbers.
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
# What is loaded of FILE of either kernel; vmlinux, compressed, is looked at for itself.
same() {
	local work remove=(-R .notes -R .comment -R .rodata..compressed)

	work=$(mktemp -d)
	objcopy -S "${remove[@]}" "$bare/$1" "$work/bare"
	objcopy -S "${remove[@]}" "$ours/$1" "$work/ours"
	cmp "$work/bare" "$work/ours" && rm -r "$work"
}
check "stock: the bare source builds" build
check "stock: the options differ by what the series adds" \
	test "$(diff "$bare/.config" "$ours/.config" | grep '^[<>] [^#]')" = \
	"> CONFIG_ARCH_SUPPORTS_KEXEC_HANDOVER=y"
check "stock: vmlinux is byte for byte that of the bare source" same vmlinux
check "stock: so is what unpacks it" same arch/x86/boot/compressed/vmlinux
check "stock: so is what loads that" same arch/x86/boot/setup.elf
