# shellcheck shell=bash
# What a kernel prints when something is badly wrong. To be sourced.

SPLATS='WARNING: |BUG: |BUG at |Oops: |Kernel panic|general protection fault'
SPLATS+='|KASAN: |KCSAN: |KMSAN: |KFENCE: |UBSAN: |kmemleak: .*new suspected'
SPLATS+='|refcount_t: |Bad page|bad page|list_(add|del) corruption'
SPLATS+='|possible (recursive|circular) locking|possible irq lock inversion|inconsistent lock state|suspicious RCU usage|INFO: possible'
SPLATS+='|INFO: task .* blocked|soft lockup|hard LOCKUP|rcu: INFO|self-detected stall|sleeping function called'
SPLATS+='|Call Trace:|Stack:$|end Kernel panic|DMAR: .*fault|unable to handle'

# splats LOG: show them with what follows; false if there are none.
splats() {
	local found

	found=$(tr -d '\r' <"$1" | grep -E -A25 -- "$SPLATS" | head -n 60)
	[ -n "$found" ] || return 1
	printf '%s\n' "$found"
}
