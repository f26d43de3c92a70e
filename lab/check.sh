#!/usr/bin/env bash
# Static checks: one result line each. They want the kernel of make kernel.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

"$REPO/lab/series.sh"

# What the series adds, tools apart.
sources=()
while IFS= read -r file; do
	case $file in
	tools/*) ;;
	*.c | *.h) sources+=("$file") ;;
	esac
done < <(for slug in $(slugs); do slug_files "$slug"; done)

# What checkpatch may say and we don't mend:
#   FILE_PATH_CHANGES: MAINTAINERS comes in a patch of its own.
#   UNDOCUMENTED_DT_STRING: our .compatible are no device tree's.
#   CAMELCASE: as in __ClearPageReserved(), the names of page flags are.
#   GIT_COMMIT_ID, UNKNOWN_COMMIT_ID: out/linux has no history to find commits in.
checkpatch() {
	cd "$LINUX"
	# spdxcheck.py is for the python that has ply, Debian's.
	PATH=/usr/bin:$PATH perl scripts/checkpatch.pl --strict --quiet --show-types \
		--ignore FILE_PATH_CHANGES,CAMELCASE,UNDOCUMENTED_DT_STRING,GIT_COMMIT_ID,UNKNOWN_COMMIT_ID "$1"
}

all_claimed() {
	local unclaimed

	unclaimed=$(git -C "$REPO" ls-files -co --exclude-standard -- "${KERNEL_DIRS[@]}" | sort -u |
		comm -23 - <(for slug in $(slugs); do slug_files "$slug"; done | sort))
	[ -z "$unclaimed" ] || { printf 'in no series/*/files:\n%s\n' "$unclaimed"; return 1; }
}

kernel_doc() {
	cd "$REPO"
	# Its exit status alone tells nothing: some complaints are no warnings to it.
	perl "$LINUX/scripts/kernel-doc" -none -Werror "${sources[@]}" 2>&1 | tee "$OUT/log/kernel-doc.log"
	[ ! -s "$OUT/log/kernel-doc.log" ]
}

# As user space gets it, with nothing included before it.
uapi_alone() {
	local file headers=$OUT/headers
	local -a found=()

	headers_build
	for file in "${sources[@]}"; do
		case $file in include/uapi/*) found+=("${file#include/uapi/}") ;; esac
	done
	for file in "${found[@]}"; do
		echo "$file"
		gcc -std=c90 -Wall -Wextra -Werror -fsyntax-only -I"$headers/include" -x c "$headers/include/$file"
		g++ -Wall -Werror -fsyntax-only -I"$headers/include" -x c++ "$headers/include/$file"
	done
	[ ${#found[@]} -gt 0 ] || { echo "there is no uapi header"; return 1; }
}

shell_check() {
	local -a scripts

	cd "$REPO"
	mapfile -t scripts < <(git ls-files -co --exclude-standard |
		while IFS= read -r file; do
			if [ -f "$file" ] && head -n 1 "$file" | grep -qE '^#!.*\b(ba|da)?sh\b|^# shellcheck shell='; then
				echo "$file"
			fi
		done)
	shellcheck "${scripts[@]}"
}

mkdir -p "$OUT/log"
for patch in "$OUT"/series/*.patch; do
	case $patch in */0000-*) continue ;; esac
	check "checkpatch --strict: ${patch##*/}" checkpatch "$patch"
done
check "every new file is claimed by a patch" all_claimed
check "kernel-doc" kernel_doc
check "htmldocs: the pages give no warning" "$REPO/lab/docs.sh"
check "sparse" "$REPO/lab/sparse.sh"
check "names in comments and documents resolve (pitfall 37)" "$REPO/lab/names.py" "$LINUX" "$REPO"
check "uapi headers stand alone" uapi_alone
check "shellcheck" shell_check
