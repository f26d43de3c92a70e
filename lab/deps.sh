#!/usr/bin/env bash
# Install what the lab needs and the machine lacks, on Debian 12. No version is
# pinned: a mirror may have dropped it.
. "$(dirname "$0")/lib.sh"

packages=(
	# the source, and what builds a kernel
	linux-source-6.12 build-essential bc bison flex libelf-dev libssl-dev
	cpio kmod rsync xz-utils lz4 gawk ccache
	# what it runs in
	qemu-system-x86 busybox-static kexec-tools
	# what luod and luqemu are linked with
	libsystemd-dev zlib1g-dev libjson-c-dev
	# the series and its checks; checkpatch wants the two of python
	git perl python3 python3-ply python3-git sparse shellcheck
	python3-sphinx python3-yaml
)
missing=()
for package in "${packages[@]}"; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || die "not installed: ${missing[*]}. Run as root, or install them"
say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2 || say "apt-get update failed, going on with what is known"
apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null >&2 ||
	die "apt-get could not install ${missing[*]}"
