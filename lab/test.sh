#!/usr/bin/env bash
# Everything that must pass. The last line is "N passed, N failed, N skipped".
. "$(dirname "$0")/lib.sh"

passed=0 failed=0 skipped=0
mkdir -p "$LOGS"

count() {
	passed=$((passed + $(grep -E '^ok ' "$1" | grep -vc '# SKIP' || true)))
	skipped=$((skipped + $(grep -E '^ok ' "$1" | grep -c '# SKIP' || true)))
	failed=$((failed + $(grep -c '^not ok ' "$1" || true)))
}

finish() {
	printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
	[ $failed = 0 ] || exit 1
	exit 0
}

# step NAME COMMAND...: one result; nothing behind a failed one can run.
step() {
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$LOGS/$name.log" 2>&1 </dev/null; then
		pass "$name ($((SECONDS - start)) s)"
		passed=$((passed + 1))
	else
		fail "$name"
		tail -n 60 "$LOGS/$name.log" | sed 's/^/# /'
		failed=$((failed + 1))
		finish
	fi
}

# suite NAME COMMAND...: a command that prints result lines of its own.
suite() {
	local name=$1 log=$LOGS/$1.out rc=0 before=$failed start=$SECONDS

	shift
	printf '# %s\n' "$name"
	"$@" >"$log" 2>"$LOGS/$name.err" </dev/null || rc=$?
	cat "$log"
	count "$log"
	if ! grep -qE '^(not )?ok ' "$log"; then
		fail "$name gave no result"
		failed=$((failed + 1))
		tail -n 40 "$LOGS/$name.err" | sed 's/^/# /'
	elif [ $rc != 0 ] && [ $failed = "$before" ]; then
		fail "$name exited with $rc"
		failed=$((failed + 1))
		tail -n 40 "$LOGS/$name.err" | sed 's/^/# /'
	fi
	printf '# %s took %d s\n' "$name" $((SECONDS - start))
}

step deps "$REPO/lab/deps.sh"
step tree "$REPO/lab/tree.sh"
step kernel "$REPO/lab/kernel.sh"
suite check "$REPO/lab/check.sh"
suite soundness "$REPO/lab/soundness.sh"
for test in "$REPO"/lab/tests/*.sh; do
	suite "$(basename "$test" .sh)" "$test"
done
finish
