#!/usr/bin/env bash
# Take edits of existing kernel files in out/linux back into the series.
#
#	[SLUG=x] lab/refresh.sh
#
# An edit goes into the patch SLUG, or else into the last one that touches its
# file. Patches behind it that touch the file are carried along by three-way
# merges. Nothing is written before all of it is known to fit; then every
# hooks.patch is written as the commits say, and out/linux is laid out anew,
# which must give what the work tree has.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hooks.sh"

locked tree
# The series may be newer than out/linux. An edit that it collides with stops us here.
"$REPO/lab/tree.sh"

want=${SLUG:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mapfile -t order < <(slugs)
declare -A commit parent
before=$(git_linux rev-parse refs/lab/base)
for slug in "${order[@]}"; do
	parent[$slug]=$before
	commit[$slug]=$(slug_commit "$slug")
	before=${commit[$slug]}
done
head=$before
[ -z "$want" ] || [ -n "${commit[$want]:-}" ] || die "SLUG=$want is not in series/series"

# touched SLUG: the kernel files that a patch edits.
touched() {
	git_linux diff-tree -r --name-only --no-renames "${parent[$1]}" "${commit[$1]}" |
		grep -vxF -f <(slug_files "$1"; echo "//none") || true
}
for slug in "${order[@]}"; do touched "$slug" >"$work/touched-$slug"; done
touches() { grep -qxF -e "$2" "$work/touched-$1"; }

# new_blob[SLUG FILE]: what the patch shall leave FILE as.
declare -A new_blob=()

# merge FILE OURS BASE THEIRS: blob of the three-way merge of three blobs.
merge() {
	local file=$1 name
	local -a blob=("$2" "$3" "$4")

	# Mostly nothing is to be merged.
	if [ "$2" = "$3" ]; then echo "$4"; return; fi
	if [ "$4" = "$3" ]; then echo "$2"; return; fi
	for name in 0 1 2; do git_linux cat-file blob "${blob[name]}" >"$work/$name" || return 1; done
	git merge-file -q "$work/0" "$work/1" "$work/2" 2>/dev/null || return 1
	git_linux hash-object -w --no-filters "$work/0"
}

# fold FILE: its edit into its patch, and through the patches behind that one.
fold() {
	local file=$1 target=$want slug edit was now

	if [ -z "$target" ]; then
		for slug in "${order[@]}"; do
			if touches "$slug" "$file"; then target=$slug; fi
		done
	fi
	[ -n "$target" ] || die "$file: no patch touches it yet; say which: make refresh SLUG=..."
	[ "$file" != MAINTAINERS ] || die "MAINTAINERS: our entries are edited in the repository"
	[ -f "$LINUX/$file" ] || die "$file is gone; a patch that removes a file is made by hand"

	edit=$(git_linux hash-object -w --no-filters "$file")
	was=$(git_linux rev-parse -q --verify "${commit[$target]}:$file") ||
		die "$file does not exist in $target yet"
	now=$(merge "$file" "$was" "$(git_linux rev-parse "$head:$file")" "$edit") ||
		die "$file: the edit does not fit into $target, a later patch changes lines next to it"
	new_blob[$target $file]=$now
	local seen=""
	for slug in "${order[@]}"; do
		if [ -n "$seen" ] && touches "$slug" "$file"; then
			now=$(merge "$file" "$now" "$(git_linux rev-parse "${parent[$slug]}:$file")" \
				"$(git_linux rev-parse "${commit[$slug]}:$file")") ||
				die "$file: with the edit in $target, $slug does not apply any more"
			new_blob[$slug $file]=$now
		fi
		[ "$slug" != "$target" ] || seen=y
	done
	[ "$now" = "$edit" ] ||
		die "$file: with the edit in $target, the series would not give what out/linux has"
	say "$file -> $target"
}

# write_hooks: every hooks.patch, from trees with the folded files in them. A
# file has its new contents from its patch on, until a later patch changes it.
write_hooks() {
	local slug key file tree before
	declare -A latest=()

	before=$(git_linux rev-parse 'refs/lab/base^{tree}')
	for slug in "${order[@]}"; do
		for key in "${!new_blob[@]}"; do
			[ "${key%% *}" != "$slug" ] || latest[${key#* }]=${new_blob[$key]}
		done
		if [ ${#latest[@]} = 0 ]; then
			tree=$(git_linux rev-parse "${commit[$slug]}^{tree}")
		else
			tree=$(
				export GIT_INDEX_FILE=$work/index
				git_linux read-tree "${commit[$slug]}"
				for file in "${!latest[@]}"; do
					printf '%s %s\t%s\n' "$(git_linux ls-files -s -- "$file" | cut -d' ' -f1)" \
						"${latest[$file]}" "$file"
				done | git_linux update-index --index-info
				git_linux write-tree
			)
		fi
		hooks_between "$before" "$tree" "$slug" >"$work/$slug.patch"
		before=$tree
	done

	for slug in "${order[@]}"; do
		local patch=$REPO/series/$slug/hooks.patch
		if [ ! -s "$work/$slug.patch" ]; then
			[ ! -e "$patch" ] || { rm -f "$patch"; say "series/$slug/hooks.patch is empty: removed"; }
		elif ! cmp -s "$work/$slug.patch" "$patch"; then
			cp "$work/$slug.patch" "$patch"
			say "series/$slug/hooks.patch is written"
		fi
	done
}

mapfile -d '' -t edited < <(git_linux diff --name-only -z --no-renames refs/lab/head)
for file in "${edited[@]}"; do fold "$file"; done
git_linux ls-files -o --exclude-standard |
	sed 's,.*,lab: note: new file out/linux/&: it belongs into the repository and into series/SLUG/files,' >&2
write_hooks
"$REPO/lab/tree.sh"
git_linux diff --quiet refs/lab/head || die "out/linux still differs from the series: git -C out/linux diff refs/lab/head"
