#!/usr/bin/env bash
# Static checks; one result line each.
. "$(dirname "$0")/lib.sh"

build=$OUT/build
mapfile -t files < <(for slug in $(slugs); do slug_files "$slug"; done)
sources=()
for file in "${files[@]}"; do
	case $file in
	tools/*) ;;
	*.c | *.h) sources+=("$file") ;;
	esac
done

# FILE_PATH_CHANGES asks for MAINTAINERS in each patch; ours is one patch.
# EMBEDDED_FILENAME, GIT_COMMIT_ID: no git history in Debian's tree.
checkpatch() {
	(cd "$LINUX" && perl scripts/checkpatch.pl --strict --no-tree --quiet \
		--ignore FILE_PATH_CHANGES,GIT_COMMIT_ID --show-types "$1")
}

claimed_once() {
	local twice unclaimed

	twice=$(printf '%s\n' "${files[@]}" | sort | uniq -d)
	unclaimed=$(git -C "$REPO" ls-files -co --exclude-standard kernel include mm drivers \
		Documentation tools arch fs virt lib | sort |
		comm -23 - <(printf '%s\n' "${files[@]}" | sort))
	[ -z "$twice" ] || echo "claimed twice: $twice"
	[ -z "$unclaimed" ] || echo "claimed by no patch: $unclaimed"
	[ -z "$twice$unclaimed" ]
}

kernel_doc() {
	local file bad=0

	for file in "${sources[@]}"; do
		# The exit status of -Werror counts warnings of 6.12's script.
		perl "$LINUX/scripts/kernel-doc" -none -Werror "$REPO/$file" || bad=1
	done
	return $bad
}

sparse_check() {
	local objects=() file

	for file in "${sources[@]}"; do
		case $file in *.c) [ -f "$build/${file%.c}.o" ] && objects+=("${file%.c}.o") ;; esac
	done
	[ ${#objects[@]} -gt 0 ] || { echo "nothing is built"; return 1; }
	for file in "${objects[@]}"; do rm -f "$build/$file"; done
	kmake O="$build" C=1 CF="-Wsparse-error" "${objects[@]}" >"$OUT/sparse.log" 2>&1 ||
		{ tail -n 40 "$OUT/sparse.log"; return 1; }
	# A warning in our files, or from the compiler.
	! grep -E "(kernel/liveupdate|memfd_luo|liveupdate\.h|kexec_handover\.h).*(warning|error):" "$OUT/sparse.log"
}

# Every function() and %NAME in our comments is somewhere in the tree.
names_resolve() { python3 "$REPO/lab/names.py" "$LINUX" "$REPO" "${sources[@]}"; }

uapi_header() {
	local dir

	dir=$(mktemp -d)
	printf '#include "%s"\n' "$REPO/include/uapi/linux/liveupdate.h" >"$dir/t.c"
	gcc -std=c90 -Wall -Wextra -Werror -fsyntax-only "$dir/t.c"
	g++ -x c++ -Wall -Werror -fsyntax-only "$dir/t.c"
	rm -rf "$dir"
}

shell_check() {
	local scripts

	mapfile -t scripts < <(git -C "$REPO" ls-files -co --exclude-standard | grep -E '(\.sh|^\.ci/run)$')
	(cd "$REPO" && shellcheck -x -e SC1091 "${scripts[@]}")
}

"$REPO/lab/series.sh"
for patch in "$OUT"/series/0*.patch; do
	case $patch in */0000-*) continue ;; esac
	check "checkpatch --strict: $(basename "$patch")" checkpatch "$patch"
done
check "each new file is claimed by one patch" claimed_once
check "kernel-doc" kernel_doc
check "sparse" sparse_check
check "names in comments resolve (pitfall 37)" names_resolve
check "uapi header stands alone" uapi_header
check "shellcheck" shell_check
