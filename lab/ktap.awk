# Result lines from the console of a guest that printed KTAP (or TAP).
#
#	awk -v test=NAME -v marker=TEXT -f lab/ktap.awk console
#
# Only leaves are counted: the line that sums up a subtest counts only if it
# says more than its leaves did. Whatever is announced and does not come is a
# failure: results missing from a plan, a subtest without its sum, the marker.

function result(verdict, what) {
	print verdict " - " test ": " what
	if (verdict == "not ok") bad++
	results++
}

# The name of what is at depth d, with the suites that it is in.
function path(d, leaf,   i, s) {
	for (i = 1; i <= d; i++)
		if (suite[i] != "") s = s suite[i] "."
	return s leaf
}

# What is at depth d has ended: is all there that was planned?
function close_level(d, where) {
	if (d in plan && count[d] + 0 < plan[d])
		result("not ok", where ": " plan[d] - count[d] " of " plan[d] " results did not come")
	delete plan[d]
	count[d] = 0
	suite[d] = ""
	active[d] = 0
}

{
	sub(/\r+$/, "")
	# printk may get in the middle of what a program writes, never the other way round.
	sub(/^(\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? )+/, "")
	if (index($0, marker)) ended = 1
	match($0, /^ */)
	depth = int(RLENGTH / 4)
	line = substr($0, RLENGTH + 1)
}

line ~ /^K?TAP version / {
	if (active[depth] && depth == 0) close_level(0, "the run before")
	delete plan[depth]
	count[depth] = 0
	active[depth] = 1
	next
}

line ~ /^# Subtest: / { suite[depth] = substr(line, 12); next }

line ~ /^1\.\.[0-9]+/ {
	plan[depth] = substr(line, 4) + 0
	if (line ~ /# *(SKIP|skip)/) {
		sub(/.*# *(SKIP|skip) */, "", line)
		print "ok - " test ": " path(depth, "all") " # SKIP " line
		results++
	}
	next
}

line ~ /^Bail out!/ { result("not ok", line); next }

line ~ /^(not )?ok [0-9]+/ {
	verdict = line ~ /^not/ ? "not ok" : "ok"
	sub(/^(not )?ok [0-9]+ *(- )?/, "", line)
	skip = ""
	if (match(line, /# *(SKIP|skip)/)) {
		skip = substr(line, RSTART + RLENGTH)
		sub(/^[: ]+/, "", skip)
		line = substr(line, 1, RSTART - 1)
		sub(/ +$/, "", line)
	}
	count[depth]++
	if (active[depth + 1]) {
		for (d = maximum; d > depth; d--)
			if (active[d]) close_level(d, path(d - 1, line))
		if (verdict == "not ok" && bad == bad_before[depth]) result("not ok", path(depth, line))
	} else if (skip != "" || line == "" && verdict == "ok") {
		print "ok - " test ": " path(depth, line) " # SKIP " (skip == "" ? "no reason given" : skip)
		results++
	} else {
		result(verdict, path(depth, line))
	}
	bad_before[depth] = bad
	active[depth] = 1
	if (depth + 1 > maximum) maximum = depth + 1
	next
}

END {
	for (d = maximum; d > 0; d--)
		if (active[d]) result("not ok", path(d, "it") " did not come to its end")
	close_level(0, "the run")
	if (!ended) result("not ok", "the guest did not say \"" marker "\"")
	if (!results) result("not ok", "no result at all")
}
