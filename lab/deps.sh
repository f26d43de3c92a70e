#!/usr/bin/env bash
# Install what the lab needs, on Debian 12. Nothing is pinned.
. "$(dirname "$0")/lib.sh"

packages=(linux-source-6.12 qemu-system-x86 busybox-static build-essential
	  flex bison bc libelf-dev libssl-dev cpio kmod rsync lz4 xz-utils zstd
	  git patch perl python3 ccache sparse shellcheck gawk)
missing=()
for package in "${packages[@]}"; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || die "not installed: ${missing[*]}; run as root, or install them"
say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Where a package cannot be had, only the one that wants it is to fail.
apt-get update -q >&2 || say "apt-get update failed, going on with the old lists"
apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 </dev/null ||
	die "apt-get could not install ${missing[*]}"
