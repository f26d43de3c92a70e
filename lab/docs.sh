#!/usr/bin/env bash
# The pages of the series as `make htmldocs` would make them, without a warning:
# out/docs/html. All other pages of the kernel are left out, which takes seconds
# instead of half an hour.
. "$(dirname "$0")/lib.sh"

docs=$OUT/docs
pages=()
for slug in $(slugs); do
	while IFS= read -r file; do
		case $file in Documentation/*.rst) pages+=("$file") ;; esac
	done < <(slug_files "$slug")
done

rm -rf "$docs"
mkdir -p "$docs/Documentation"
# What pages include by a relative path.
ln -s "$LINUX/tools" "$docs/tools"
{
	printf 'Live update\n===========\n\n.. toctree::\n\n'
	for page in "${pages[@]}"; do
		install -D -m 644 "$REPO/$page" "$docs/$page"
		printf '   %s\n' "$(sed 's|^Documentation/||; s|\.rst$||' <<<"$page")"
	done
} >"$docs/Documentation/index.rst"

srctree=$LINUX BUILDDIR=$docs SPHINX_CONF=$LINUX/Documentation/conf.py \
	sphinx-build -q -b html -c "$LINUX/Documentation" -d "$docs/doctrees" \
	-D version=6.12 -D release=6.12 -D "kerneldoc_srctree=$LINUX" -D "kerneldoc_bin=$LINUX/scripts/kernel-doc" \
	"$docs/Documentation" "$docs/html" 2>"$docs/warnings" </dev/null || { cat "$docs/warnings" >&2; die "no pages"; }
for page in "${pages[@]}"; do
	page=${page#Documentation/}
	[ -s "$docs/html/${page%.rst}.html" ] || die "$page was not made"
done
# That a tool for figures is missing matters to who has figures.
if grep -vE '^Using .* theme$|^WARNING: .*\(1\) not found' "$docs/warnings" >&2; then
	die "the pages give warnings"
fi
