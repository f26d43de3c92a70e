#!/usr/bin/env bash
# Lay out out/linux: Debian's kernel source, one commit per patch of the series.
#
#	lab/tree.sh		bring out/linux up to date
#	lab/tree.sh --record	note the base in use as the one last tested
#
# A commit is a function of its parent and of the patch, made in an index of its
# own and remembered; so a patch that did not change costs nothing. The work
# tree then moves from the old last commit to the new one, and only files whose
# contents differ are written: make builds no more than it has to.
#
# The commits hold the new files themselves. In the work tree these are links
# into this repository, and git is told to look away (skip-worktree).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/base.sh"

STATE=$LINUX/.git/lab

# new_files SLUG: "mode blob<TAB>path" of what it adds, as update-index reads it.
new_files() {
	local slug=$1 file mode
	local -a files=() blobs=()

	mapfile -t files < <(slug_files "$slug")
	[ ${#files[@]} -gt 0 ] || return 0
	for file in "${files[@]}"; do
		[ -f "$REPO/$file" ] || die "series/$slug/files: $file is not there"
	done
	mapfile -t blobs < <(printf "$REPO/%s\n" "${files[@]}" | git_linux hash-object -w --no-filters --stdin-paths)
	[ ${#blobs[@]} = ${#files[@]} ] || die "series/$slug: cannot store its files"
	for file in "${!files[@]}"; do
		mode=100644
		[ ! -x "$REPO/${files[file]}" ] || mode=100755
		printf '%s %s\t%s\n' "$mode" "${blobs[file]}" "${files[file]}"
	done
}

# apply_hooks SLUG: its edits to existing files, into the index.
apply_hooks() {
	local slug=$1 patch=$REPO/series/$1/hooks.patch

	[ -s "$patch" ] || return 0
	! grep -q '^new file mode' "$patch" ||
		die "series/$slug/hooks.patch adds a file: it belongs into series/$slug/files"
	git_linux apply --cached --whitespace=nowarn "$patch" 2>"$STATE/apply.err" || {
		sed 's/^/lab:   /' "$STATE/apply.err" >&2
		die "series/$slug/hooks.patch does not apply:" \
			"$(sed -nE 's/^error: ([^:]+): .*/\1/p; s/^error: patch failed: ([^:]+):.*/\1/p' "$STATE/apply.err" |
				grep -v '^patch failed$' | sort -u | paste -sd ' ')"
	}
}

# Our entries, at their places in the kernel's file.
apply_maintainers() {
	local blob

	[ -f "$REPO/MAINTAINERS" ] || die "the slug maintainers wants a MAINTAINERS"
	git_linux cat-file blob :MAINTAINERS >"$STATE/maintainers"
	awk -f "$REPO/lab/maintainers.awk" "$REPO/MAINTAINERS" "$STATE/maintainers" >"$STATE/maintainers.new" ||
		die "MAINTAINERS: cannot merge our entries"
	blob=$(git_linux hash-object -w --no-filters "$STATE/maintainers.new")
	git_linux update-index --cacheinfo "100644,$blob,MAINTAINERS"
}

# commit_patch SLUG: set $head to the commit for it on top of $head.
commit_patch() {
	local slug=$1 dir=$REPO/series/$1 new key path

	[ -s "$dir/message" ] || die "series/$slug/message is not there"
	new=$(new_files "$slug")
	key=$({
		printf '%s\n' "$head" "$GIT_AUTHOR_NAME" "$GIT_AUTHOR_EMAIL" "$new"
		cat "$dir/message"
		[ ! -f "$dir/hooks.patch" ] || cat "$dir/hooks.patch"
		[ "$slug" != maintainers ] || cat "$REPO/MAINTAINERS" "$REPO/lab/maintainers.awk"
	} | sha256sum | cut -c1-64)
	if [ -s "$STATE/memo/$key" ]; then
		head=$(cat "$STATE/memo/$key")
		return
	fi

	if [ "$in_index" != "$head" ]; then git_linux read-tree "$head"; fi
	apply_hooks "$slug"
	if [ -n "$new" ]; then
		path=$(cut -f2 <<<"$new" | tr '\n' '\0' | xargs -0 git -C "$LINUX" ls-files -- | head -n 1)
		[ -z "$path" ] || die "series/$slug/files: $path is in the tree already"
		git_linux update-index --add --index-info <<<"$new"
	fi
	[ "$slug" != maintainers ] || apply_maintainers
	head=$(git_linux commit-tree -p "$head" -F "$dir/message" "$(git_linux write-tree)")
	in_index=$head
	printf '%s\n' "$head" >"$STATE/memo/$key.$$"
	mv "$STATE/memo/$key.$$" "$STATE/memo/$key"
	say "patch $slug"
}

# commit_series: set $head to the last commit, list all in $STATE/commits.new.
commit_series() {
	local slug twice

	twice=$(for slug in $(slugs); do slug_files "$slug"; done | sort | uniq -d | head -n 1)
	[ -z "$twice" ] || die "claimed twice in series/*/files: $twice"
	twice=$(slugs | sort | uniq -d | head -n 1)
	[ -z "$twice" ] || die "twice in series/series: $twice"

	mkdir -p "$STATE/memo"
	: >"$STATE/commits.new"
	head=$(git_linux rev-parse refs/lab/base)
	in_index=
	export GIT_INDEX_FILE=$STATE/index
	for slug in $(slugs); do
		commit_patch "$slug"
		printf '%s %s\n' "$slug" "$head" >>"$STATE/commits.new"
	done
	unset GIT_INDEX_FILE
}

# A file that no patch adds yet is not in out/linux: its builder would wonder.
tell_unclaimed() {
	git -C "$REPO" ls-files -co --exclude-standard -- "${KERNEL_DIRS[@]}" | sort -u |
		comm -23 - <(sort "$STATE/links.new") | sed 's/^/lab: note: in no patch: /' >&2
}

is_new() { grep -qxF -e "$1" "$STATE/links" "$STATE/links.new"; }
# blob_is FILE BLOB: the work tree has FILE with these contents.
blob_is() { [ -f "$LINUX/$1" ] && [ "$(git_linux hash-object --no-filters "$1")" = "$2" ]; }
blob_in() { git_linux rev-parse -q --verify "$1:$2" || true; }

# keep_edits OLD NEW: stop if moving the work tree would lose an edit.
keep_edits() {
	local old=$1 new=$2 file was will lost=0

	while IFS= read -r -d '' file; do
		! is_new "$file" || continue
		was=$(blob_in "$old" "$file")
		will=$(blob_in "$new" "$file")
		if [ "$was" = "$will" ] || blob_is "$file" "$will"; then continue; fi
		say "out/linux/$file has an edit that is not in the series, and the series changes the file"
		lost=1
	done < <(git_linux diff --name-only -z --no-renames "$old")

	# An editor may have put a file in the place of a link.
	while IFS= read -r file; do
		if [ -L "$LINUX/$file" ] || [ ! -f "$LINUX/$file" ] || cmp -s "$LINUX/$file" "$REPO/$file" ||
			blob_is "$file" "$(blob_in "$old" "$file")"; then
			continue
		fi
		say "out/linux/$file is no link any more and differs from $file, where it is to be edited"
		lost=1
	done < <(sort -u "$STATE/links" "$STATE/links.new")

	[ $lost = 0 ] || die "nothing done. Keep an edit with 'make refresh [SLUG=x]', drop it with 'git -C out/linux checkout refs/lab/head -- FILE'"
}

# drop FILE: out of the work tree, with the directories that it leaves empty.
drop() {
	rm -f "$LINUX/$1"
	(cd "$LINUX" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$1")" 2>/dev/null) || true
}

# move_worktree OLD NEW: the kernel's files, those that differ.
move_worktree() {
	local meta file mode blob
	local -a write=()

	while IFS= read -r -d '' meta && IFS= read -r -d '' file; do
		read -r _ mode _ blob _ <<<"$meta"
		if [ "$mode" = 000000 ]; then
			drop "$file"
		elif ! is_new "$file" && ! blob_is "$file" "$blob"; then
			write+=("$file")
		fi
	done < <(git_linux diff-tree -r -z --no-renames "$1" "$2")
	[ ${#write[@]} = 0 ] || printf '%s\0' "${write[@]}" | git_linux checkout-index -q -f -z --stdin
}

# move_index NEW: whatever somebody did to it with git in out/linux.
move_index() {
	local meta file mode blob

	while IFS= read -r -d '' meta && IFS= read -r -d '' file; do
		read -r mode _ blob _ <<<"${meta#:}"
		printf '%s %s\t%s\0' "$mode" "$blob" "$file"
	done < <(git_linux diff-index --cached -z --no-renames "$1") >"$STATE/index-info"
	git_linux update-index -z --index-info <"$STATE/index-info"
}

# The new files: links into the repository.
link_new_files() {
	local file target dir

	while IFS= read -r file; do
		dir=$(dirname "$file")
		# From the directory of the file up to out/linux, then up to the repository.
		target=$(sed -E 's,[^/]+,..,g' <<<"$dir")/../../$file
		[ "$(readlink "$LINUX/$file" || true)" != "$target" ] || continue
		mkdir -p "$LINUX/$dir"
		ln -sfn "$target" "$LINUX/$file"
	done <"$STATE/links.new"
	git_linux update-index -z --skip-worktree --stdin < <(tr '\n' '\0' <"$STATE/links.new")
}

if [ "${1:-}" = --record ]; then
	record_base
	exit 0
fi

locked tree
identity any
compare_base
unpack_base
touch "$STATE/links"
commit_series
: >"$STATE/links.new"
for slug in $(slugs); do slug_files "$slug"; done >"$STATE/links.new"

old=$(git_linux rev-parse refs/lab/head)
keep_edits "$old" "$head"
move_index "$head"
move_worktree "$old" "$head"
link_new_files
git_linux update-index -q --refresh >/dev/null || true
if [ "$(git_linux rev-parse HEAD)" != "$head" ]; then
	git_linux update-ref refs/heads/series "$head"
	git_linux symbolic-ref HEAD refs/heads/series
fi
tell_unclaimed
mv "$STATE/links.new" "$STATE/links"
mv "$STATE/commits.new" "$STATE/commits"
git_linux update-ref refs/lab/head "$head"
say "out/linux: $(wc -l <"$STATE/commits") patches on linux-source-6.12 $(base_version)"
