# shellcheck shell=bash
# What the scripts of the lab share. To be sourced.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=$REPO/out
LINUX=$OUT/linux
LOGS=$OUT/log
CACHE=${LU_CACHE:-$HOME/.cache/liveupdate}
export REPO OUT LINUX LOGS CACHE

# Whatever the caller's environment says, the tree is ours.
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE
# The machine may have no git identity, and commits are to be the same twice.
export GIT_AUTHOR_NAME="liveupdate lab" GIT_AUTHOR_EMAIL="lab@localhost"
export GIT_COMMITTER_NAME="liveupdate lab" GIT_COMMITTER_EMAIL="lab@localhost"
export GIT_AUTHOR_DATE="2026-01-01T00:00:00Z" GIT_COMMITTER_DATE="2026-01-01T00:00:00Z"

say() { printf '%s\n' "lab: $*" >&2; }
die() { say "$*"; exit 1; }

# The slugs of the series, in order.
slugs() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$REPO/series/series"; }

# The new files of one slug.
slug_files() {
	local list=$REPO/series/$1/files

	if [ -f "$list" ]; then sed -e 's/#.*//' -e '/^$/d' "$list"; fi
}

# The edits to existing files of one slug, MAINTAINERS apart.
slug_hooks() { printf '%s' "$REPO/series/$1/hooks.patch"; }

git_linux() { git -C "$LINUX" "$@"; }

# kmake [arguments]: make in the kernel tree, with ccache and a fixed identity.
kmake() {
	local cc=gcc

	if command -v ccache >/dev/null && mkdir -p "$CACHE/ccache" 2>/dev/null; then
		cc="ccache gcc"
		export CCACHE_DIR=$CACHE/ccache CCACHE_BASEDIR=$REPO
		# Otherwise each checkout has objects of its own.
		export CCACHE_NOHASHDIR=1
	fi
	KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 2026" KBUILD_BUILD_USER=lab \
	KBUILD_BUILD_HOST=lab make -C "$LINUX" CC="$cc" -j"$(nproc)" "$@"
}

# pass NAME, fail NAME, skip NAME REASON: one result line.
pass() { printf 'ok - %s\n' "$1"; }
fail() { printf 'not ok - %s\n' "$1"; }
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }

# check NAME COMMAND...: a result line for a command; its output on failure.
check() {
	local name=$1 log

	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		pass "$name"
	else
		fail "$name"
		sed 's/^/# /' "$log" | tail -n 60
	fi
	rm -f "$log"
}

# Whatever the kernel says when something is badly wrong. A test run in which
# one of these appears has failed, whatever else it says.
SPLATS='WARNING: |BUG: |BUG at|Oops|Kernel panic|general protection|KASAN: |KCSAN: |UBSAN: |KFENCE: |kmemleak: |refcount_t: |Bad page|possible (recursive|circular) locking|inconsistent lock state|Call Trace:|INFO: task .* blocked|soft lockup|rcu: INFO|self-detected stall'
export SPLATS

# vm_results LOG MARKER: result lines from a guest's console. The guest has to
# say MARKER at the end, and its console must be free of splats.
vm_results() {
	local log=$1 marker=$2

	tr -d '\r' <"$log" | sed -E 's/^\[ *[0-9]+\.[0-9]+\] *//' |
		sed -nE 's/^[[:space:]]*((not )?ok [0-9]+ .*)$/\1/p' |
		sed -E 's/^(not ok|ok) [0-9]+ (- )?/\1 - /'
	if ! tr -d '\r' <"$log" | grep -qF "$marker"; then
		fail "the guest came to its end"
		tail -n 40 "$log" | sed 's/^/# /'
	fi
	if tr -d '\r' <"$log" | grep -qE "$SPLATS"; then
		fail "no splat on the console"
		tr -d '\r' <"$log" | grep -E -A25 "$SPLATS" | head -n 80 | sed 's/^/# /'
	fi
}
