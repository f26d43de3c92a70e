# shellcheck shell=bash
# The kernel source that the series stands on. To be sourced.

base_version() { dpkg-query -W -f='${Version}' linux-source-6.12 2>/dev/null || echo unknown; }
base_sum() { sha256sum "$TARBALL" | cut -d' ' -f1; }

base_id() { printf 'package linux-source-6.12\nversion %s\nsha256 %s\n' "$(base_version)" "$(base_sum)"; }

record_base() {
	base_id >"$REPO/series/BASE"
	say "series/BASE: $(base_version)"
}

# Say so where the series was last tested on another source.
compare_base() {
	[ -f "$TARBALL" ] || "$REPO/lab/deps.sh"
	[ -f "$TARBALL" ] || die "$TARBALL is not there"
	base_in_use=$(base_id)
	if [ ! -f "$REPO/series/BASE" ]; then
		say "series/BASE is not there; lab/tree.sh --record writes it"
	elif [ "$(cat "$REPO/series/BASE")" != "$base_in_use" ]; then
		say "note: last tested with $(sed -n 's/^version //p' "$REPO/series/BASE"), this is $(base_version)"
	fi
}

# unpack_base: out/linux with one commit, unless this very source is there.
unpack_base() {
	local new=$OUT/linux.new
	local -a git=(git -C "$new" -c core.bigFileThreshold=1)

	if [ "$(cat "$LINUX/.git/lab/base" 2>/dev/null || true)" = "$base_in_use" ]; then
		return 0
	fi
	if [ -d "$LINUX/.git/lab" ] && ! git_linux diff --quiet refs/lab/head; then
		die "the kernel source changed, and out/linux has edits that are not in the series: 'make refresh' in the old one first, or remove out/linux"
	fi
	say "unpacking linux-source-6.12 $(base_version)"
	rm -rf "$new"
	mkdir -p "$new"
	tar -C "$new" --strip-components=1 -xf "$TARBALL"
	git -C "$new" init -q -b series
	# It never leaves this machine: time is worth more than space.
	git -C "$new" config core.compression 0
	git -C "$new" config core.looseCompression 0
	git -C "$new" config feature.manyFiles true
	git -C "$new" config gc.auto 0
	# What a user's settings may say elsewhere.
	git -C "$new" config core.autocrlf false
	git -C "$new" config core.excludesFile /dev/null
	git -C "$new" config advice.detachedHead false
	mkdir -p "$new/.git/lab"
	# With everything a big file, git writes one pack and not 86,000 objects.
	# -f: what .gitignore names is source here too.
	"${git[@]}" add -A -f
	"${git[@]}" commit -q -m "linux-source-6.12 $(base_version)" -m "$base_in_use"
	git -C "$new" update-ref refs/lab/base HEAD
	git -C "$new" update-ref refs/lab/head HEAD
	printf '%s\n' "$base_in_use" >"$new/.git/lab/base"
	rm -rf "$LINUX"
	mv "$new" "$LINUX"
}
