# shellcheck shell=bash
# What make test and make test-debug share: steps, suites of tests, the sum. To
# be sourced, after lib.sh. What each step said is in out/log.

passed=0 failed=0 skipped=0
mkdir -p "$LOGS"

# add LOG: count its result lines.
add() {
	local p f s
	read -r p f s < <(awk '/^not ok / { f++ } /^ok / { if (/# SKIP/) s++; else p++ }
		END { print p + 0, f + 0, s + 0 }' "$1")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

finish() {
	printf '# the whole took %d s\n' "$SECONDS"
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" = 0 ]
	exit
}

tell() { tail -n "${2:-40}" "$1" | sed 's/^/# /'; }

# step NAME COMMAND: one result. Nothing behind a failed one could run.
step() {
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$LOGS/$name.log" 2>&1 </dev/null; then
		pass "$name"
		passed=$((passed + 1))
		printf '# %s took %d s\n' "$name" $((SECONDS - start))
	else
		fail "$name"
		failed=$((failed + 1))
		tell "$LOGS/$name.log"
		finish
	fi
}

# suite NAME COMMAND: a command that prints result lines of its own.
suite() {
	local name=$1 log=$LOGS/$1.log rc=0 before=$failed start=$SECONDS

	shift
	printf '# %s\n' "$name"
	"$@" 2>"$LOGS/$name.err" </dev/null | tee "$log" || rc=$?
	add "$log"
	if ! grep -qE '^(not )?ok ' "$log"; then
		fail "$name: it gives a result"
		failed=$((failed + 1))
		tell "$LOGS/$name.err"
	elif [ $rc != 0 ] && [ "$failed" = "$before" ]; then
		fail "$name: it comes to its end (exit status $rc)"
		failed=$((failed + 1))
		tell "$LOGS/$name.err"
	fi
	printf '# %s took %d s\n' "$name" $((SECONDS - start))
}
