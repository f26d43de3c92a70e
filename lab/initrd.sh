#!/usr/bin/env bash
# Build an initramfs: busybox with all its applets, INIT as /init, and files.
#
#	lab/initrd.sh OUT INIT [FILE[:DEST]]...
#
# A FILE goes to /bin unless DEST says where, and keeps its mode; the libraries
# it needs come along. The result depends on the contents only.
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || die "usage: lab/initrd.sh OUT INIT [FILE[:DEST]]..."
out=$1
init=$2
shift 2
busybox=$(command -v busybox) || die "busybox is not installed: lab/deps.sh"
[ -f "$init" ] || die "$init is not there"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,etc,next,proc,run,sys,tmp}
install -m 755 "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s bin "$root/sbin"
install -m 755 "$init" "$root/init"
for item in "$@"; do
	file=${item%%:*}
	dest=/bin/${file##*/}
	[ "$item" = "$file" ] || dest=${item#*:}
	[ -f "$file" ] || die "$file is not there"
	mkdir -p "$root/$(dirname "$dest")"
	# Not through the link of an applet of that name.
	rm -f "$root/$dest"
	cp --preserve=mode "$file" "$root/$dest"
	while read -r library; do
		install -D "$library" "$root/$library"
	done < <(ldd "$file" 2>/dev/null | grep -o '/[^ ]*')
done

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 -print0 | sort -z |
	cpio -o -0 -H newc -R +0:+0 --reproducible --quiet | gzip -1 -n) >"$out.$$"
mv "$out.$$" "$out"
