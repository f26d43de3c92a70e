#!/usr/bin/env bash
# Take edits of existing kernel files in out/linux back into the series.
#
#	lab/refresh.sh [SLUG]
#
# An edit goes to SLUG, or else to the last patch that touches its file. Patches
# behind that one are carried along, file by file, as a three-way merge.
. "$(dirname "$0")/lib.sh"

want=${1:-${SLUG:-}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

parent_of() { git_linux rev-parse "refs/lab/slug/$1^"; }
touches() { ! git_linux diff --quiet "refs/lab/slug/$1^" "refs/lab/slug/$1" -- "$2"; }

# blob_at REV FILE: its contents.
blob_at() { git_linux cat-file blob "$1:$2"; }

mapfile -t order < <(slugs)
mapfile -t edited < <(git_linux diff --name-only HEAD)
[ ${#edited[@]} -gt 0 ] || { say "nothing is edited in out/linux"; exit 0; }

declare -A dirty
for file in "${edited[@]}"; do
	target=$want
	for slug in "${order[@]}"; do
		if [ -z "$want" ] && touches "$slug" "$file"; then target=$slug; fi
	done
	[ -n "$target" ] || die "$file: no patch touches it yet, say SLUG=..."
	git_linux rev-parse -q --verify "refs/lab/slug/$target" >/dev/null ||
		die "there is no applied patch $target"

	# The edit, which was made to the last state, on top of the target's.
	blob_at HEAD "$file" >"$work/base"
	blob_at "refs/lab/slug/$target" "$file" >"$work/now"
	git merge-file -q "$work/now" "$work/base" "$LINUX/$file" ||
		die "$file: the edit does not fit $target; a later patch changes the same lines"
	seen=0
	for slug in "${order[@]}"; do
		if [ "$slug" = "$target" ]; then
			seen=1
			before=$(parent_of "$slug")
			blob_at "$before" "$file" >"$work/before"
		elif [ $seen = 1 ] && touches "$slug" "$file"; then
			cp "$work/now" "$work/before"
			blob_at "refs/lab/slug/$slug^" "$file" >"$work/base"
			blob_at "refs/lab/slug/$slug" "$file" >"$work/theirs"
			git merge-file -q "$work/now" "$work/base" "$work/theirs" ||
				die "$file: $slug does not fit any more, mend it by hand"
		else
			continue
		fi
		mkdir -p "$work/$slug/a/$(dirname "$file")" "$work/$slug/b/$(dirname "$file")"
		cp "$work/before" "$work/$slug/a/$file"
		cp "$work/now" "$work/$slug/b/$file"
		dirty[$slug]=1
	done
done

for slug in "${!dirty[@]}"; do
	# The slug's other files are as they were.
	while read -r file; do
		[ -e "$work/$slug/b/$file" ] && continue
		mkdir -p "$work/$slug/a/$(dirname "$file")" "$work/$slug/b/$(dirname "$file")"
		blob_at "$(parent_of "$slug")" "$file" >"$work/$slug/a/$file"
		blob_at "refs/lab/slug/$slug" "$file" >"$work/$slug/b/$file"
	done < <(sed -nE 's|^\+\+\+ b/([^\t]*).*|\1|p' "$(slug_hooks "$slug")" 2>/dev/null)
	(cd "$work/$slug" && git diff --no-index --no-color --no-prefix a b || true) |
		sed -E '/^(index |diff --git )/d' >"$REPO/series/$slug/hooks.patch"
	say "series/$slug/hooks.patch is refreshed"
done
for file in "${edited[@]}"; do git_linux checkout -q HEAD -- "$file"; done
exec "$REPO/lab/tree.sh"
