# shellcheck shell=bash
# What the scripts of the lab share: names, messages, git, make. To be sourced.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
OUT=$REPO/out
LINUX=$OUT/linux
# A FLAVOUR of the kernel under test has logs of its own.
LOGS=$OUT/log${FLAVOUR:+-$FLAVOUR}
# Holds nothing that cannot be made again.
CACHE=${LU_CACHE:-${HOME:-/root}/.cache/liveupdate}
TARBALL=/usr/src/linux-source-6.12.tar.xz
# What stands here at its path in the kernel.
# shellcheck disable=SC2034 # for those who source this
KERNEL_DIRS=(kernel include mm drivers Documentation tools arch fs virt lib init security block net)
export REPO OUT LINUX LOGS CACHE TARBALL LC_ALL=C

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Only the repository that a command names may be meant.
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE

# identity any|must: whose commits they are. A bare machine has no git user, which
# is only good enough for what leaves the machine (must) where it is CI.
identity() {
	local name email

	name=$(git -C "$REPO" config user.name || true)
	email=$(git -C "$REPO" config user.email || true)
	if [ -z "$name" ] || [ -z "$email" ]; then
		[ "$1" != must ] || [ -n "${CI:-}" ] ||
			die "whose Signed-off-by? Set it: git config user.name NAME; git config user.email ADDRESS"
		name=CI email=ci@localhost
	fi
	export GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	# The same input is to give the same commit ids.
	export GIT_AUTHOR_DATE="2026-01-01T00:00:00Z" GIT_COMMITTER_DATE="2026-01-01T00:00:00Z"
}

git_linux() { git -C "$LINUX" "$@"; }

# worktree DIR COMMIT: a work tree beside out/linux, kept from one run to the next.
worktree() {
	git_linux worktree prune
	if [ ! -e "$1/.git" ]; then
		rm -rf "$1"
		git_linux worktree add -q --detach --no-checkout "$1" "$2"
	fi
	git -C "$1" checkout -q -f --detach "$2"
}

# locked NAME: one at a time. A script that is run by another one that holds
# the lock goes on.
locked() {
	local held=LAB_HOLDS_${1//[^a-zA-Z0-9]/_}

	[ -z "${!held:-}" ] || return 0
	mkdir -p "$OUT"
	exec {lock_fd}>"$OUT/.lock-$1"
	flock "$lock_fd"
	export "$held=1"
}

# The slugs of the series, in order.
slugs() {
	[ ! -f "$REPO/series/series" ] || sed -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$REPO/series/series"
}

# slug_files SLUG: the new files that a patch adds.
slug_files() {
	[ ! -f "$REPO/series/$1/files" ] ||
		sed -E 's/#.*//; s/[[:space:]]+$//; /^$/d' "$REPO/series/$1/files"
}

# slug_commit SLUG: its commit in out/linux.
slug_commit() { awk -v slug="$1" '$1 == slug { print $2 }' "$LINUX/.git/lab/commits"; }

# kmake ARGS...: make in the kernel tree; by ccache where there is one, and with
# nothing in the result that says when, where and by whom.
kmake() {
	local cc=gcc

	if command -v ccache >/dev/null && mkdir -p "$CACHE/ccache" 2>/dev/null && [ -w "$CACHE/ccache" ]; then
		cc="ccache gcc"
		export CCACHE_DIR=$CACHE/ccache
		# Another checkout of the same source shall hit as well.
		export CCACHE_BASEDIR=$OUT CCACHE_NOHASHDIR=1 CCACHE_COMPILERCHECK=content
	fi
	KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 2026" KBUILD_BUILD_VERSION=1 \
	KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab \
		make -C "$LINUX" CC="$cc" LOCALVERSION= -j"${JOBS:-$(nproc)}" "$@" </dev/null
}

# pass NAME, fail NAME, skip NAME REASON: one result line.
pass() { printf 'ok - %s\n' "$1"; }
fail() { printf 'not ok - %s\n' "$1"; }
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }

# check NAME COMMAND...: a result line for a command, and what it said if it failed.
check() {
	local name=$1 log rc=0

	shift
	log=$(mktemp)
	# Behind if, && or || bash would ignore errexit inside a function as well.
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if [ $rc = 0 ]; then
		pass "$name"
	else
		fail "$name"
		tail -n "${CHECK_TAIL:-60}" "$log" | sed 's/^/# /'
	fi
	rm -f "$log"
}
