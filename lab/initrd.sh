#!/usr/bin/env bash
# lab/initrd.sh OUT INIT [FILE...]: an initramfs of busybox, INIT as /init and
# the FILEs in /bin.
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || die "usage: lab/initrd.sh OUT INIT [FILE...]"
out=$(realpath "$1")
init=$2
shift 2

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,tmp,next}
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$init" "$root/init"
for file in "$@"; do install -m 755 "$file" "$root/bin/"; done
(cd "$root" && find . -print0 | sort -z | cpio -o -0 -H newc --quiet --reproducible | gzip -1 -n) >"$out"
