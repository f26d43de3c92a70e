#!/usr/bin/env bash
# Lay out out/linux: Debian's kernel source with one commit per patch.
#
# Commits are made from git objects alone, then the work tree is moved to the
# last one, so files that do not change keep their time stamps and make does not
# build them again. New files are links into this repository.
. "$(dirname "$0")/lib.sh"

TARBALL=/usr/src/linux-source-6.12.tar.xz
LINUX_GIT=(git -C "$LINUX" -c core.compression=0 -c core.looseCompression=0 -c gc.auto=0)

base_version() { dpkg-query -W -f='${Version}' linux-source-6.12; }

unpack() {
	say "unpacking $TARBALL"
	rm -rf "$LINUX"
	mkdir -p "$LINUX"
	tar -C "$LINUX" --strip-components=1 -xf "$TARBALL"
	"${LINUX_GIT[@]}" init -q -b series
	"${LINUX_GIT[@]}" config core.compression 0
	"${LINUX_GIT[@]}" config core.looseCompression 0
	"${LINUX_GIT[@]}" config gc.auto 0
	# Debian's .gitignore hides everything.
	"${LINUX_GIT[@]}" add -A -f
	"${LINUX_GIT[@]}" commit -q -m "Linux 6.12, Debian $(base_version)"
	"${LINUX_GIT[@]}" update-ref refs/lab/base HEAD
	base_id >"$LINUX/.git/lab-base"
}

base_id() { printf '%s %s\n' "$(base_version)" "$(stat -c '%s %Y' "$TARBALL")"; }

# Our entries go before the first entry that sorts behind them.
merge_maintainers() {
	python3 - "$1" "$REPO/MAINTAINERS" <<'PY'
import re, sys
theirs = open(sys.argv[1], encoding="utf-8").read()
ours = open(sys.argv[2], encoding="utf-8").read().strip("\n")
for entry in re.split(r"\n\n+", ours):
    title = entry.split("\n", 1)[0]
    start = theirs.index("\n3C59X NETWORK DRIVER")
    pos = len(theirs)
    for match in re.finditer(r"\n\n(?=([^\s][^\n]*)\n[A-Z]:\t)", theirs[start:]):
        if match.group(1) > title:
            pos = start + match.start() + 2
            break
    theirs = theirs[:pos] + entry + "\n\n" + theirs[pos:]
sys.stdout.write(theirs)
PY
}

# commit SLUG: one commit from the index, on top of $head.
commit_slug() {
	local slug=$1 dir=$REPO/series/$1 file blob

	[ -f "$dir/message" ] || die "series/$slug: no message"
	if [ -s "$(slug_hooks "$slug")" ]; then
		if ! git_linux apply --cached "$(slug_hooks "$slug")" 2>"$OUT/apply.err"; then
			sed 's/^/lab: /' "$OUT/apply.err" >&2
			die "series/$slug/hooks.patch does not apply to $(sed -nE 's/^error: patch failed: ([^:]*):.*/\1/p' "$OUT/apply.err" | sort -u | tr '\n' ' ')"
		fi
	fi
	while read -r file; do
		[ -f "$REPO/$file" ] || die "series/$slug/files: $file is not there"
		if git_linux ls-files --error-unmatch "$file" >/dev/null 2>&1; then
			die "series/$slug/files: $file exists already"
		fi
		blob=$(git_linux hash-object -w "$REPO/$file")
		git_linux update-index --add --cacheinfo "$([ -x "$REPO/$file" ] && echo 100755 || echo 100644),$blob,$file"
	done < <(slug_files "$slug")
	if [ "$slug" = maintainers ]; then
		git_linux cat-file blob ":MAINTAINERS" >"$OUT/maintainers.old"
		merge_maintainers "$OUT/maintainers.old" >"$OUT/maintainers.new"
		blob=$(git_linux hash-object -w "$OUT/maintainers.new")
		git_linux update-index --cacheinfo "100644,$blob,MAINTAINERS"
	fi
	head=$(git_linux commit-tree -p "$head" -F "$dir/message" "$(git_linux write-tree)")
	git_linux update-ref "refs/lab/slug/$slug" "$head"
}

all_files() { local slug; for slug in $(slugs); do slug_files "$slug"; done; }

link_files() {
	local file

	while read -r file; do
		mkdir -p "$LINUX/$(dirname "$file")"
		[ "$(readlink "$LINUX/$file" 2>/dev/null)" = "$REPO/$file" ] ||
			ln -sfn "$REPO/$file" "$LINUX/$file"
		git_linux update-index --skip-worktree "$file"
	done < <(all_files)
	all_files | sort >"$LINUX/.git/lab-files"
}

series_id() {
	{
		base_id
		cat "$REPO/series/series" "$REPO/MAINTAINERS" 2>/dev/null || true
		find "$REPO/series" -type f -name hooks.patch -o -name message -o -name files |
			sort | xargs -r cat
		all_files | while read -r file; do cat "$REPO/$file"; done
	} | sha256sum
}

apply_series() {
	local slug file old

	old=$(git_linux rev-parse HEAD)
	head=$(git_linux rev-parse refs/lab/base)
	export GIT_INDEX_FILE=$LINUX/.git/lab-index
	git_linux read-tree refs/lab/base
	git_linux for-each-ref --format='delete %(refname)' refs/lab/slug | git_linux update-ref --stdin
	for slug in $(slugs); do commit_slug "$slug"; done
	unset GIT_INDEX_FILE

	# Links are not the files that the commits have.
	if [ -f "$LINUX/.git/lab-files" ]; then
		while read -r file; do
			git_linux update-index --no-skip-worktree "$file" 2>/dev/null || true
			rm -f "$LINUX/$file"
		done <"$LINUX/.git/lab-files"
	fi
	# Only what differs is written.
	git_linux diff --name-only --no-renames "$old" "$head" >"$OUT/changed"
	git_linux update-ref HEAD "$head"
	git_linux read-tree HEAD
	git_linux update-index -q --refresh >/dev/null || true
	git_linux ls-files -z -m -d | while IFS= read -r -d '' file; do
		if grep -qxF "$file" "$OUT/changed" || [ ! -e "$LINUX/$file" ]; then
			git_linux checkout-index -f -q -- "$file"
		fi
	done
	# What a patch no longer adds.
	while read -r file; do
		git_linux ls-files --error-unmatch "$file" >/dev/null 2>&1 || rm -f "$LINUX/$file"
	done <"$OUT/changed"
	link_files
}

record_base() {
	printf 'package linux-source-6.12\nversion %s\nsha256 %s\n' "$(base_version)" \
		"$(sha256sum "$TARBALL" | cut -d' ' -f1)" >"$REPO/series/BASE"
}

[ -f "$TARBALL" ] || "$REPO/lab/deps.sh"
mkdir -p "$OUT"
if [ "${1:-}" = --record ]; then
	record_base
	exit 0
fi
say "base: linux-source-6.12 $(base_version)"
tested=$(sed -n 's/^version //p' "$REPO/series/BASE" 2>/dev/null || true)
[ "$tested" = "$(base_version)" ] || say "last tested with ${tested:-nothing}"

if [ "$(cat "$LINUX/.git/lab-base" 2>/dev/null)" != "$(base_id)" ]; then
	unpack
elif [ "$(cat "$LINUX/.git/lab-series" 2>/dev/null)" = "$(series_id)" ]; then
	say "out/linux is up to date"
	exit 0
elif [ -n "$(git_linux diff --name-only HEAD)" ]; then
	git_linux diff --name-only HEAD | sed 's/^/lab: edited in out\/linux: /' >&2
	die "run make refresh first, or git -C out/linux checkout FILE to drop the edit"
fi
apply_series
series_id >"$LINUX/.git/lab-series"
say "out/linux: $(slugs | wc -l) patches applied"
