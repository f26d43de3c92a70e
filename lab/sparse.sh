#!/usr/bin/env bash
# sparse on the files that the series adds or edits. Fails on a warning for a
# line that is ours; the kernel has warnings of its own.
. "$(dirname "$0")/lib.sh"

build=$OUT/build
objects=()
while IFS= read -r file; do
	object=${file%.c}.o
	# The decompressor is no part of the kernel's tree of directories.
	case $file in
	tools/* | arch/x86/boot/*) ;;
	*) [ ! -f "$build/$object" ] || objects+=("$object") ;;
	esac
done < <(git_linux diff --name-only --no-renames refs/lab/base refs/lab/head -- '*.c')
[ ${#objects[@]} -gt 0 ] || die "nothing of the series is built"

# Whoever builds there waits.
locked build
log=$OUT/log/sparse.log
mkdir -p "${log%/*}"
kmake -s O="$build" C=2 CHECK=sparse "${objects[@]}" >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
# The links are read where they lead.
ours=$(git_linux diff -U0 --no-renames refs/lab/base refs/lab/head | awk '
	/^\+\+\+ b\// { file = substr($0, 7) }
	/^@@/ { split($3, at, ","); from = substr(at[1], 2); n = (at[2] == "" ? 1 : at[2])
		for (i = 0; i < n; i++) print file ":" from + i ":" }')
if sed "s,^$LINUX/,,; s,^$REPO/,," "$log" | grep -E ': (warning|error): ' | grep -F -f <(printf '%s\n' "$ours") |
	awk -F: 'NR == FNR { ours[$0]; next } ($1 ":" $2 ":") in ours' <(printf '%s\n' "$ours") -; then
	exit 1
fi
echo "${#objects[@]} objects"
