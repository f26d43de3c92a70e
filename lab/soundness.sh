#!/usr/bin/env bash
# Is the exported series sound? It applies to the bare source and gives the same
# tree, each patch builds, and import and export are inverse.
. "$(dirname "$0")/lib.sh"

work=$OUT/soundness
build=$OUT/build-soundness

git_am() {
	git_linux worktree prune
	rm -rf "$work"
	git_linux worktree add -q --no-checkout --detach "$work" refs/lab/base
	# Only the files that a patch edits are needed to apply it.
	git -C "$work" read-tree HEAD
	git_linux diff --name-only --no-renames refs/lab/base refs/lab/export |
		while read -r file; do
			if git -C "$work" cat-file -e "HEAD:$file" 2>/dev/null; then
				git -C "$work" checkout-index -q -- "$file"
			fi
		done
	# What is not checked out is not deleted.
	git -C "$work" ls-files -z -d | git -C "$work" update-index -q -z --skip-worktree --stdin
	git -C "$work" am -q --keep-cr "$OUT"/series/0*.patch
}

same_tree() {
	[ "$(git -C "$work" rev-parse 'HEAD^{tree}')" = "$(git_linux rev-parse 'HEAD^{tree}')" ]
}

# The hunks of each exported patch are those of its hooks.patch.
inverse() {
	local slug bad=0

	for slug in $(slugs); do
		[ -s "$(slug_hooks "$slug")" ] || continue
		git_linux diff --no-renames "refs/lab/slug/$slug^" "refs/lab/slug/$slug" --diff-filter=M -- . ':!MAINTAINERS' |
			grep -E '^[-+ @]' | grep -vE '^(---|\+\+\+) ' >"$OUT/inverse.out" || true
		grep -E '^[-+ @]' "$(slug_hooks "$slug")" | grep -vE '^(---|\+\+\+) ' |
			diff -q - "$OUT/inverse.out" >/dev/null ||
			{ echo "series/$slug/hooks.patch is not what the export says; make refresh"; bad=1; }
	done
	return $bad
}

# Walk the series in one work tree with one build directory, so that each step
# builds what it changes: the directories it touches, and the whole kernel for
# the last patch, which is what out/build holds.
build_each() {
	local slug dirs dir

	rm -rf "$work"
	git_linux worktree prune
	git_linux worktree add -q --detach "$work" refs/lab/base
	mkdir -p "$build"
	cp "$OUT/config" "$build/.config"
	for slug in $(slugs); do
		git -C "$work" checkout -q --detach "refs/lab/slug/$slug"
		dirs=()
		while read -r dir; do
			[ -f "$work/$dir/Makefile" ] && dirs+=("$dir/")
		done < <(git -C "$work" diff-tree --no-commit-id -r --name-only HEAD |
			grep -E '^(kernel|mm|drivers|arch/x86|fs|lib|init)/.*\.[ch]$' |
			grep -v '/boot/' | xargs -r -n1 dirname | sort -u)
		echo "== $slug: ${dirs[*]:-nothing to build}"
		[ ${#dirs[@]} -gt 0 ] || continue
		LINUX=$work kmake -s O="$build" olddefconfig
		LINUX=$work kmake -s O="$build" KCFLAGS=-Werror prepare "${dirs[@]}" || return 1
	done
}

check "git am on the bare source" git_am
check "git am gives the tree of make tree" same_tree
check "import and export are inverse" inverse
check "every patch builds" build_each
git_linux worktree remove --force "$work" 2>/dev/null || rm -rf "$work"
