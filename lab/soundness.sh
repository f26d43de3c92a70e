#!/usr/bin/env bash
# Is the series sound? What is exported gives, on the bare source, the tree of
# make tree; every patch builds; what is imported is what is exported.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hooks.sh"

"$REPO/lab/series.sh"
locked soundness
work=$OUT/soundness
build=$OUT/build-soundness

# A work tree of the bare source, kept from one run to the next.
bare() {
	[ ! -e "$work/.git" ] || rm -rf "$(git -C "$work" rev-parse --git-path rebase-apply)"
	worktree "$work" refs/lab/base
	git -C "$work" clean -q -f -d -x
}

am() {
	local -a patches

	bare
	mapfile -t patches < <(printf '%s\n' "$OUT"/series/*.patch | grep -v -- '-cover-letter.patch$')
	# No three-way merge, no whitespace mended, whatever the user has set.
	git -C "$work" -c am.threeWay=false -c apply.whitespace=nowarn am -q --keep-cr "${patches[@]}"
	echo "made $(git -C "$work" rev-parse 'HEAD^{tree}'), wanted $(git_linux rev-parse 'refs/lab/head^{tree}')"
	git -C "$work" diff --stat refs/lab/head
	[ "$(git -C "$work" rev-parse 'HEAD^{tree}')" = "$(git_linux rev-parse 'refs/lab/head^{tree}')" ]
}

# For each commit: its message is the patch's message, its files the patch's
# files, its edits the patch's hooks.
inverse() {
	local slug before commit bad=0 tmp

	tmp=$(mktemp -d)
	before=$(git_linux rev-parse refs/lab/base)
	for slug in $(slugs); do
		commit=$(slug_commit "$slug")
		git_linux log -1 --format=%B "$commit" | git stripspace >"$tmp/out"
		git stripspace <"$REPO/series/$slug/message" | cmp -s - "$tmp/out" ||
			{ echo "series/$slug/message differs from the commit's"; bad=1; }
		git_linux diff-tree -r --no-renames --name-only --diff-filter=A "$before" "$commit" | sort >"$tmp/out"
		slug_files "$slug" | sort | cmp -s - "$tmp/out" ||
			{ echo "series/$slug/files differs from what the commit adds"; bad=1; }
		hooks_between "$before" "$commit" "$slug" >"$tmp/out"
		{ [ ! -e "$REPO/series/$slug/hooks.patch" ] || cat "$REPO/series/$slug/hooks.patch"; } |
			cmp -s - "$tmp/out" || { echo "series/$slug/hooks.patch is not in normal form: make refresh"; bad=1; }
		before=$commit
	done
	rm -rf "$tmp"
	return $bad
}

# targets COMMIT: the directories with C files of a patch. The decompressor is
# none that make would build on its own; the last patch builds all.
targets() {
	git_linux diff-tree -r --no-commit-id --no-renames --name-only --diff-filter=AM "$1" -- '*.c' '*.h' '*.S' |
		grep -vE '^(include|tools|Documentation|samples|scripts)/|/include/|^arch/x86/boot/' |
		xargs -r -n 1 dirname | sort -u |
		while IFS= read -r dir; do
			if git_linux cat-file -e "$1:$dir/Makefile" 2>/dev/null; then echo "$dir/"; fi
		done
}

# touches COMMIT PATTERN: is the name of a file like that among those of a patch?
touches() { git_linux diff-tree -r --no-commit-id --no-renames --name-only "$1" | grep -E "$2"; }

# One work tree and one build directory walk along the series, so that a step
# builds what it changes. A warning is a failure. A patch without a Kconfig is
# configured as that before it.
builds() {
	local slug=$1 commit dirs

	commit=$(slug_commit "$slug")
	git -C "$work" checkout -q -f --detach "$commit"
	mapfile -t dirs < <(targets "$commit")
	echo "$slug: ${dirs[*]:-nothing but what prepare builds}"
	mkdir -p "$build"
	# The first word of kmake's make -C is to be this work tree.
	LINUX=$work
	if [ ! -e "$build/configured" ] || touches "$commit" '/Kconfig[^/]*$'; then
		KCONFIG_ALLCONFIG=$OUT/build/requested kmake -s O="$build" allnoconfig
		touch "$build/configured"
	fi
	kmake -s O="$build" prepare "${dirs[@]}" 2>&1 | tee "$build/log"
	no_warning "$build/log"
}
# Has it anything of the kernel itself? Nothing else is built.
has_code() { touches "$(slug_commit "$1")" '^[a-z]' | grep -v '^tools/' >/dev/null; }
no_warning() { ! grep -E 'warning:' "$1"; }

rm -f "$build/configured"
check "import and export are inverse" inverse
check "git am on the bare source gives the tree of make tree" am
for slug in $(slugs); do
	if has_code "$slug"; then check "builds: $slug" builds "$slug"; fi
done
check "builds: the whole kernel" "$REPO/lab/kernel.sh"
