#!/usr/bin/env bash
# Export the series to out/series, as git format-patch writes it, signed off by
# the person who exports. series/cover is the cover letter: subject, blank, body.
. "$(dirname "$0")/lib.sh"

identity must
"$REPO/lab/tree.sh"
locked series

# The person's own git settings must not change what is mailed.
rm -rf "$OUT/series.new"
[ "$(git_linux rev-parse refs/lab/base)" != "$(git_linux rev-parse refs/lab/head)" ] ||
	die "the series is empty"
git_linux config branch.series.description "$(cat "$REPO/series/cover")"
git_linux -c format.attach=false -c format.thread=false -c diff.noprefix=false \
	-c diff.mnemonicPrefix=false -c core.abbrev=12 \
	format-patch -q --numbered --cover-letter --cover-from-description=subject \
	--subject-prefix="PATCH 6.12" --signoff --no-renames --no-base --no-to --no-cc \
	-o "$OUT/series.new" refs/lab/base..series
# Somebody may be reading what is there.
if diff -rq "$OUT/series.new" "$OUT/series" >/dev/null 2>&1; then
	rm -rf "$OUT/series.new"
else
	rm -rf "$OUT/series"
	mv "$OUT/series.new" "$OUT/series"
fi
say "out/series: a cover letter and $(slugs | wc -l) patches of $GIT_AUTHOR_NAME <$GIT_AUTHOR_EMAIL>"
