#!/usr/bin/env bash
# Export the series to out/series, as git format-patch writes it, signed off by
# the person who exports.
. "$(dirname "$0")/lib.sh"

name=$(git -C "$REPO" config user.name || true)
email=$(git -C "$REPO" config user.email || true)
if [ -z "$name" ] || [ -z "$email" ]; then
	[ "${CI:-}" = true ] ||
		die "a mailable series has a sign-off: git config user.name and user.email"
	name=CI
	email=ci@localhost
fi
export GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email
export GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email

rm -rf "$OUT/series"
mkdir -p "$OUT/series"

# The same trees, with the person's name on them.
head=$(git_linux rev-parse refs/lab/base)
for slug in $(slugs); do
	message=$(git interpret-trailers --trailer "Signed-off-by: $name <$email>" \
		<"$REPO/series/$slug/message")
	head=$(git_linux commit-tree -p "$head" -m "$message" "refs/lab/slug/$slug^{tree}")
done
git_linux update-ref refs/lab/export "$head"

# --src-prefix and the like could be anything in the person's configuration.
git_linux -c diff.noprefix=false -c diff.mnemonicPrefix=false format-patch -q \
	--cover-letter --no-renames --subject-prefix="PATCH 6.12" \
	-o "$OUT/series" refs/lab/base..refs/lab/export

cover=$(echo "$OUT"/series/0000-*.patch)
python3 - "$cover" "$REPO/series/cover" <<'PY'
import sys
letter = open(sys.argv[1], encoding="utf-8").read()
subject, _, body = open(sys.argv[2], encoding="utf-8").read().partition("\n")
letter = letter.replace("*** SUBJECT HERE ***", subject.strip())
letter = letter.replace("*** BLURB HERE ***", body.strip())
open(sys.argv[1], "w", encoding="utf-8").write(letter)
PY
say "$(find "$OUT/series" -name '*.patch' | wc -l) files in out/series"
