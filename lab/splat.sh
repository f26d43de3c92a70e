# shellcheck shell=bash
# What a kernel prints when something is badly wrong. To be sourced.

SPLATS='WARNING: |BUG: |BUG at |Oops: |Kernel panic|general protection fault'
SPLATS+='|KASAN: |KCSAN: |KMSAN: |KFENCE: |UBSAN: |kmemleak: .*new suspected|kmemleak: .*[Dd]isabled'
SPLATS+='|refcount_t: |Bad page|bad page|list_(add|del) corruption'
SPLATS+='|possible (recursive|circular) locking|possible irq lock inversion|inconsistent lock state|suspicious RCU usage|INFO: possible'
SPLATS+='|INFO: task .* blocked|soft lockup|hard LOCKUP|rcu: INFO|self-detected stall|sleeping function called'
SPLATS+='|Call Trace:|Stack:$|end Kernel panic|DMAR: .*fault|unable to handle'

# The functions that the series adds to the kernel, static ones, too.
our_functions() {
	sed 's/#.*//' "$REPO"/series/*/files | grep -E '^(arch|drivers|kernel|mm)/.*\.c$' |
		(cd "$REPO" && xargs sed -nE 's/^[a-z][a-z0-9_ *]*[ *]([a-z0-9_]+)\(.*/\1/p') | sort -u
}

# Data races are everywhere in a kernel, and most of them are known. KCSAN draws
# a line above and below each report; one without a function of ours among the
# four innermost ones of either trace is left out. Nothing else is. Ours may call
# a list or an xarray; further in it is memory management or the VFS, at work for
# us as for everybody. So it is where a bit of page flags that we set, by an inline
# function like folio_lock(), is in the way of somebody who reads another one: ours is
# the atomic read-modify-write, and the plain read is none of ours.
without_foreign_races() {
	awk -v functions="$(our_functions)" '
	BEGIN {
		split(functions, list)
		for (i in list) is_ours[list[i]] = 1
	}
	# "[   12.345678]  name.part.0+0x12/0x34", and of a trace "?  name" is a guess.
	function by_us(line) {
		sub(/\+0x.*/, "", line)
		sub(/.*[] ]/, "", line)
		sub(/\..*/, "", line)
		return line in is_ours
	}
	function ours(trace, other) {
		return mine[trace] && !(kind[trace] == "rmw" && kind[other] == "read" && !mine[other])
	}
	function flush() {
		if (!race || cut || ours(1, 2) || ours(2, 1)) printf "%s", held
		held = ""; race = cut = trace = 0
		delete mine; delete kind
	}
	/\] =====*$/ || /^=====*$/ {
		held = held $0 "\n"
		if (race) flush()
		else { held = $0 "\n"; line = NR }
		next
	}
	held != "" {
		if (NR == line + 1) race = /BUG: KCSAN: /
		if (!race) { flush(); print; next }
		held = held $0 "\n"
		# A report that does not end is one of its own.
		if (NR - line > 120) { cut = 1; flush() }
		if (/ of [0-9]+ bytes by /) {
			frames = 0
			kind[++trace] = /read-write \(marked\) to/ ? "rmw" : /[] ]read to/ ? "read" : "other"
		}
		if (/\+0x/ && frames++ < 4 && by_us($0)) mine[trace] = 1
		next
	}
	{ print }
	END { cut = 1; flush() }' <(tr -d '\r' <"$1")
}

# splats LOG: show them with what follows; false if there are none.
splats() {
	local found

	found=$(without_foreign_races "$1" | grep -E -A25 -- "$SPLATS" | head -n 60)
	[ -n "$found" ] || return 1
	printf '%s\n' "$found"
}
