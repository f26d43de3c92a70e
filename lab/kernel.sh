#!/usr/bin/env bash
# Build the test kernel: out/bzImage, out/vmlinux, out/config.
#
#	[FRAGMENT=file] [ASIDE=1] lab/kernel.sh
#
# FRAGMENT is merged last and has a build directory of its own, out/build-NAME.
# ASIDE leaves it there: what is in out/ stays as it is.
. "$(dirname "$0")/lib.sh"

selftests=$REPO/tools/testing/selftests
fragments=("$selftests/liveupdate/config" "$selftests/liveupdate/config.x86_64" "$selftests/vfio/config")
fragments+=("$REPO/tools/liveupdate/config")
build=$OUT/build
if [ -n "${FRAGMENT:-}" ]; then
	[ -f "$FRAGMENT" ] || die "FRAGMENT=$FRAGMENT is not there"
	fragments+=("$(realpath "$FRAGMENT")")
	name=$(basename "$FRAGMENT")
	build=$OUT/build-${name#config.}
fi

# The fragments, the last word on each option only.
requested() {
	awk 'match($0, /CONFIG_[A-Za-z0-9_]+/) && /^(# )?CONFIG_/ {
		option = substr($0, RSTART, RLENGTH)
		if ($0 ~ /=n$/) $0 = "# " option " is not set"
		if (!(option in last)) order[++n] = option
		last[option] = $0
	}
	END { for (i = 1; i <= n; i++) print last[order[i]] }' "${fragments[@]}"
}

# Everything that nobody asked for is off. make would rebuild for a new time
# stamp, so a configuration is only put in place where it differs.
configure() {
	requested >"$build/requested"
	KCONFIG_CONFIG=$build/.config.new KCONFIG_ALLCONFIG=$build/requested \
		kmake -s O="$build" allnoconfig >"$build/configure.log" 2>&1 || {
		cat "$build/configure.log" >&2
		die "the configuration cannot be made"
	}
	cmp -s "$build/.config.new" "$build/.config" || cp "$build/.config.new" "$build/.config"
	rm -f "$build/.config.new" "$build/.config.new.old"
}

# An option that did not get in is a test that cannot run: never a skip.
check_config() {
	local line option bad=0

	while IFS= read -r line; do
		option=${line#\# }
		option=${option%%[ =]*}
		case $line in
		\#*) ! grep -q "^$option=" "$build/.config" || { say "$option is on"; bad=1; } ;;
		*) grep -qxF -- "$line" "$build/.config" || {
			say "$line was asked for, the kernel would have: $(grep -E "^(# )?${option}[ =]" "$build/.config" || echo nothing)"
			bad=1
		} ;;
		esac
	done <"$build/requested"
	[ $bad = 0 ] || die "the kernel would not be the one that was asked for (${fragments[*]#"$REPO"/})"
}

# install_new FROM TO: a copy that keeps its time stamp if nothing changed.
install_new() { cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv "$2.new" "$2"; }; }

"$REPO/lab/tree.sh"
locked "${build##*/}"
mkdir -p "$build"
configure
check_config
start=$SECONDS
say "building in ${build#"$REPO"/}"
kmake -s O="$build" bzImage
! grep -qx CONFIG_MODULES=y "$build/.config" || kmake -s O="$build" modules
if [ -n "${ASIDE:-}" ]; then
	say "${build#"$REPO"/}: $((SECONDS - start)) s"
	exit
fi
install_new "$build/arch/x86/boot/bzImage" "$OUT/bzImage"
install_new "$build/vmlinux" "$OUT/vmlinux"
install_new "$build/.config" "$OUT/config"
say "out/bzImage: $(cat "$build/include/config/kernel.release"), $((SECONDS - start)) s"
