# shellcheck shell=bash
# hooks.patch in its normal form. To be sourced.

# hooks_between OLD NEW SLUG: the edits to existing files from one tree to the
# next. No index lines: they would differ with every version of the kernel.
hooks_between() {
	local -a except=()
	local file

	while IFS= read -r file; do except+=(":(exclude,top,literal)$file"); done < <(slug_files "$3")
	# Made from MAINTAINERS in the repository.
	[ "$3" != maintainers ] || except+=(":(exclude,top,literal)MAINTAINERS")
	git_linux diff-tree -p -r --no-renames --no-color --no-ext-diff "$1" "$2" -- . "${except[@]}" |
		sed -E '/^index [0-9a-f]+\.\.[0-9a-f]+( [0-7]+)?$/d'
}
