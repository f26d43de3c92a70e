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

# lane SCRIPT: run it; what it says, and how it ends, is for replay.
lane() {
	local said rc=0 start=$SECONDS

	said=$LOGS/$(basename "$1" .sh).lane
	"$1" >"$said.out" 2>"$said.err" </dev/null || rc=$?
	printf '# it took %d s, beside others\n' $((SECONDS - start)) >>"$said.out"
	echo "$rc" >"$said.new"
	mv "$said.new" "$said.rc"
}

# replay SCRIPT: be that script, once it has run.
replay() {
	local said

	said=$LOGS/$(basename "$1" .sh).lane
	until [ -e "$said.rc" ]; do sleep 1; done
	cat "$said.out"
	cat "$said.err" >&2
	return "$(cat "$said.rc")"
}

# suites SCRIPT...: suite for each, in this order; they run two at a time.
suites() {
	local script running=0

	for script in "$@"; do rm -f "$LOGS/$(basename "$script" .sh).lane".*; done
	{
		for script in "$@"; do
			if [ $running = 2 ]; then
				wait -n || true
				running=1
			fi
			lane "$script" &
			running=$((running + 1))
		done
		wait
	} &
	for script in "$@"; do suite "$(basename "$script" .sh)" replay "$script"; done
	wait
}
