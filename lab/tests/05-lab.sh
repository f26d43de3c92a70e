#!/usr/bin/env bash
# The lab's own promises: make tree and make refresh keep edits, fold them into
# the right patch and build no more than they have to. They are tried on a small
# kernel of three files in a directory of their own.
. "$(dirname "$0")/../lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
repo=$work/repo
linux=$repo/out/linux

# A repository with the lab, a base of two files and three patches.
lay_out() {
	mkdir -p "$work/src/linux/mm" "$work/src/linux/init" "$repo/series" "$repo/mm" "$repo/lab"
	seq -f 'line %g' 1 60 >"$work/src/linux/mm/core.c"
	seq -f 'option %g' 1 60 >"$work/src/linux/init/Kconfig"
	printf 'Maintainers List\n----------------\n\nAAA\nM:\ta\n\nMMM\nM:\tm\n\nTHE REST\nM:\tl\n' >"$work/src/linux/MAINTAINERS"
	tar -C "$work/src" -cJf "$work/base.tar.xz" linux
	cp "$REPO"/lab/*.sh "$REPO"/lab/*.awk "$repo/lab/"
	sed -i "s,^TARBALL=.*,TARBALL=$work/base.tar.xz," "$repo/lab/lib.sh"
	git -C "$repo" init -q
	printf 'out/\n' >"$repo/.gitignore"
	patch one
	patch two
	patch maintainers
	printf 'one\ntwo # the second\n\nmaintainers\n' >"$repo/series/series"
	printf 'FFF\nM:\tus\nF:\tmm/new.c\n\nZZZ\nM:\tus\n' >"$repo/MAINTAINERS"
	printf 'new\n' >"$repo/mm/new.c"
	printf 'mm/new.c\n' >"$repo/series/two/files"
	"$repo/lab/tree.sh"
}

patch() { mkdir -p "$repo/series/$1"; printf 'mm: %s\n\nBody of %s.\n' "$1" "$1" >"$repo/series/$1/message"; }
tree() { "$repo/lab/tree.sh"; }
refresh() { SLUG=${1:-} "$repo/lab/refresh.sh"; }
edit() { sed -i "$2" "$linux/$1"; }
# Not !, which errexit does not see.
no() { ! "$@"; }
refused() { ! "$@" >"$work/said" 2>&1 && cat "$work/said"; }
clean() { [ -z "$(git -C "$linux" status --porcelain)" ] || { git -C "$linux" status --short; false; }; }
at() { git -C "$linux" show "$(awk -v s="$1" '$1 == s { print $2 }' "$linux/.git/lab/commits"):$2"; }

maintainers_merged() {
	[ "$(grep -E '^[A-Z ]+$' "$linux/MAINTAINERS" | paste -sd' ')" = "AAA FFF MMM THE REST" ] ||
		[ "$(grep -E '^(AAA|FFF|MMM|THE REST|ZZZ)$' "$linux/MAINTAINERS" | paste -sd' ')" = "AAA FFF MMM ZZZ THE REST" ]
}
linked() { [ -L "$linux/mm/new.c" ] && cmp "$linux/mm/new.c" "$repo/mm/new.c" && at two mm/new.c | cmp - "$repo/mm/new.c"; }
needs_slug() { edit mm/core.c '5s/$/ first/'; refused refresh | grep 'no patch touches'; }
into_slug() { refresh one; clean; at one mm/core.c | grep first; }
into_last() {
	edit mm/core.c '50s/$/ second/'
	refresh two
	edit mm/core.c '51s/$/ more/'
	refresh
	clean
	at two mm/core.c | grep more
	no grep -E 'second|more' <(at one mm/core.c)
}
into_middle() {
	edit mm/core.c '7s/$/ early/'
	refresh one
	clean
	at one mm/core.c | grep early
	at two mm/core.c | grep second
	no grep early "$repo/series/two/hooks.patch"
}
no_fit() {
	local before
	before=$(cat "$repo"/series/*/hooks.patch | sha256sum)
	edit mm/core.c '50s/second/2nd/'
	refused refresh one | grep 'does not fit'
	[ "$(cat "$repo"/series/*/hooks.patch | sha256sum)" = "$before" ]
	grep 2nd "$linux/mm/core.c"
	refresh two
	clean
}
edit_is_kept() {
	edit mm/core.c '30s/$/ mine/'
	patch three
	echo three >>"$repo/series/series"
	tree
	grep mine "$linux/mm/core.c"
	# Somebody else's patch changes the same file meanwhile.
	printf -- '--- a/mm/core.c\n+++ b/mm/core.c\n@@ -58,3 +58,3 @@\n line 58\n-line 59\n+line 59 theirs\n line 60\n' >"$repo/series/three/hooks.patch"
	refused tree | grep 'out/linux/mm/core.c has an edit'
	grep mine "$linux/mm/core.c"
	rm "$repo/series/three/hooks.patch"
	refresh three
	clean
	grep mine "$repo/series/three/hooks.patch"
}
undone() {
	edit mm/core.c 's/ mine//'
	refresh
	clean
	[ ! -e "$repo/series/three/hooks.patch" ]
}
user_commits() {
	edit init/Kconfig '9s/$/ committed/'
	git -C "$linux" -c user.name=a -c user.email=b commit -qam mine
	refresh two
	clean
	at two init/Kconfig | grep committed
	[ "$(git -C "$linux" log --oneline | wc -l)" = 5 ]
}
untouched() {
	local before
	sleep 0.1
	before=$(stat -c '%n %y' "$linux"/mm/core.c "$linux"/init/Kconfig "$linux"/MAINTAINERS)
	sed -i 's/Body/A body/' "$repo/series/one/message"
	printf 'newer\n' >"$repo/mm/new.c"
	tree
	clean
	linked
	[ "$(stat -c '%n %y' "$linux"/mm/core.c "$linux"/init/Kconfig "$linux"/MAINTAINERS)" = "$before" ]
	git -C "$linux" log --format=%b | grep 'A body'
}
link_replaced() {
	rm "$linux/mm/new.c"
	echo edited >"$linux/mm/new.c"
	refused tree | grep 'no link any more'
	[ "$(cat "$linux/mm/new.c")" = edited ]
	rm "$linux/mm/new.c"
	tree
	linked
}
fuzz() {
	cp "$repo/series/two/hooks.patch" "$work/saved"
	sed -i 's/^ line 48/ line forty-eight/' "$repo/series/two/hooks.patch"
	refused tree >"$work/why"
	grep 'series/two/hooks.patch does not apply: mm/core.c' "$work/why"
	cp "$work/saved" "$repo/series/two/hooks.patch"
	tree
	clean
}
same_ids() {
	local before
	before=$(git -C "$linux" rev-parse HEAD)
	rm -rf "$repo/out"
	tree
	[ "$(git -C "$linux" rev-parse HEAD)" = "$before" ]
}
git_reset() { git -C "$linux" reset -q HEAD~2; tree; clean; linked; at three mm/core.c | cmp - "$linux/mm/core.c"; }
removed() {
	sed -i '/^two/d' "$repo/series/series"
	tree
	clean
	[ ! -e "$linux/mm/new.c" ]
	no grep 2nd "$linux/mm/core.c"
}
claimed_twice() { echo mm/new.c >"$repo/series/one/files"; echo two >>"$repo/series/series"; refused tree | grep 'claimed twice'; }

check "lab: a tree is laid out" lay_out
check "lab: new files are links, and in the commits" linked
check "lab: MAINTAINERS entries are merged in order" maintainers_merged
check "lab: an edit that belongs to no patch wants a SLUG" needs_slug
check "lab: an edit goes into SLUG" into_slug
check "lab: an edit goes into the last patch of its file" into_last
check "lab: an edit goes into a middle patch" into_middle
check "lab: an edit that does not fit changes nothing" no_fit
check "lab: make tree keeps edits, or refuses" edit_is_kept
check "lab: a hook taken out again is gone" undone
check "lab: a commit made in out/linux is an edit" user_commits
check "lab: files that do not change keep their time" untouched
check "lab: a link replaced by an edited file is noticed" link_replaced
check "lab: no patch applies with fuzz" fuzz
check "lab: the same input gives the same commits" same_ids
check "lab: git reset in out/linux is healed" git_reset
check "lab: a patch taken out of the series is gone" removed
check "lab: a file claimed twice is refused" claimed_twice

# What a test says counts only if all of it was said, and nothing went wrong
# behind it (pitfall 38).
says() { printf '%b\n' "$1" >"$work/console"; awk -v test=t -v marker=done -f "$REPO/lab/ktap.awk" "$work/console"; }
ktap_counts() { [ "$(says 'KTAP version 1\n1..2\nok 1 a\nok 2 b\ndone' | grep -c '^ok')" = 2 ]; }
ktap_short() { says 'KTAP version 1\n1..3\nok 1 a\nok 2 b\ndone' | grep '^not ok.*1 of 3 results'; }
ktap_skip() { says 'KTAP version 1\n1..1\nok 1 a # SKIP no device\ndone' | grep '^ok.*# SKIP'; }
ktap_marker() { says 'KTAP version 1\n1..1\nok 1 a' | grep '^not ok.*did not say'; }
ktap_nothing() { says 'all tests passed\ndone' | grep '^not ok.*no result'; }
splat_seen() {
	local line

	. "$REPO/lab/splat.sh"
	for line in "WARNING: CPU: 0 PID: 1 at mm/x.c:7" "BUG: sleeping function called" \
		"refcount_t: underflow" "list_del corruption" "DMAR: [DMA Read] fault"; do
		printf '[    1.0] luo: fine\n[    1.1] %s\n' "$line" >"$work/console"
		splats "$work/console" | grep -F "$line"
	done
	printf '[    1.0] luo: fine\n' >"$work/console"
	no splats "$work/console"
}
# race KIND FUNCTION KIND FUNCTION: how KCSAN tells of one.
race() {
	local rule="[    1.2] =================================================================="

	printf '[    1.1] luo: fine\n%s\n[    1.3] BUG: KCSAN: data-race in a / b\n[    1.3] \n' "$rule"
	printf '[    1.3] %s 0xffffea0004079b00 of 8 bytes by task %d on cpu 1:\n[    1.3]  %s+0x1/0x2\n[    1.3] \n' \
		"$1" 1 "$2" "$3" 2 "$4"
	printf '%s\n' "$rule"
}
seen() { race "$@" >"$work/console" && splats "$work/console" | grep -F KCSAN; }
race_seen() {
	. "$REPO/lab/splat.sh"
	seen "write to" luo_file_free "read to" vfs_x
	seen "read to" vfs_x "write (marked) to" kho_map_add.part.0
	seen "read-write (marked) to" kho_map_add.part.0 "read to" luo_file_free
	seen "read-write (marked) to" kho_map_add.part.0 "write to" vfs_x
	seen "read-write (marked) to" vfs_x "read to" kho_map_add.part.0
	no seen "write to" vfs_x "read to" vfs_x
	no seen "read-write (marked) to" kho_map_add.part.0 "read to" vfs_x
	no seen "read to" vfs_x "read-write (marked) to" kho_map_add.part.0
}
check "lab: results of a guest are counted" ktap_counts
check "lab: results that do not come are failures (pitfall 38)" ktap_short
check "lab: what is skipped is no success (pitfall 38)" ktap_skip
check "lab: a guest that ends early has failed (pitfall 38)" ktap_marker
check "lab: no result is a failure (pitfall 38)" ktap_nothing
check "lab: a splat is seen (pitfall 38)" splat_seen
check "lab: a data race is seen if it is ours (pitfall 38)" race_seen
