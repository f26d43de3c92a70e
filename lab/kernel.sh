#!/usr/bin/env bash
# Build the test kernel: out/bzImage, out/vmlinux, out/config.
# FRAGMENT=file is merged last, and gets a build directory of its own.
. "$(dirname "$0")/lib.sh"

selftests=$REPO/tools/testing/selftests/liveupdate
fragments=("$selftests/config" "$selftests/config.x86_64")
build=$OUT/build
if [ -n "${FRAGMENT:-}" ]; then
	[ -f "$FRAGMENT" ] || die "FRAGMENT=$FRAGMENT is not there"
	fragments+=("$(realpath "$FRAGMENT")")
	build=$OUT/build-$(basename "$FRAGMENT")
fi

# An option that did not get in is a test that cannot run: say so, loudly.
check_config() {
	local bad=0 line option

	while read -r line; do
		case $line in
		CONFIG_*=n) option=${line%%=*}; line="# $option is not set" ;;
		CONFIG_*) option=${line%%=*} ;;
		"# CONFIG_"*" is not set") option=${line#\# }; option=${option%% *} ;;
		*) continue ;;
		esac
		# A later fragment has the last word.
		[ "$(cat "${fragments[@]}" | grep -E "^(# )?$option(=| is not set)" | tail -n 1)" = "$line" ] || continue
		case $line in
		\#*) ! grep -q "^$option=" "$build/.config" || { say "$option is on"; bad=1; } ;;
		*) grep -qxF "$line" "$build/.config" || { say "$line did not get into the configuration"; bad=1; } ;;
		esac
	done < <(cat "${fragments[@]}")
	return $bad
}

mkdir -p "$build"
cat "${fragments[@]}" >"$build/fragment.new"
if ! cmp -s "$build/fragment.new" "$build/fragment" || [ ! -f "$build/.config" ]; then
	kmake -s O="$build" tinyconfig >/dev/null
	(cd "$LINUX" && scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" \
		"${fragments[@]}" >"$build/merge.log" 2>&1) || die "see $build/merge.log"
	kmake -s O="$build" olddefconfig
	mv "$build/fragment.new" "$build/fragment"
else
	kmake -s O="$build" olddefconfig
fi
check_config || die "the kernel would not be the one that was asked for"

kmake O="$build" bzImage
cp "$build/arch/x86/boot/bzImage" "$OUT/bzImage"
ln -sf "$build/vmlinux" "$OUT/vmlinux"
cp "$build/.config" "$OUT/config"
say "out/bzImage: $(kmake -s O="$build" kernelrelease 2>/dev/null)"
