# The table of lab/bench.sh, from lines "WHOSE NAME VALUE" with tabs between.
#
#	awk -v version=PEER -v history=FILE -f lab/bench-table.awk figures
#
# A name is MEASURE/SIZE[/KIND]. What is no number is why there is none.
BEGIN {
	FS = "\t"
	# The targets are in the issue: issues show 7.
	target["preserve/2048/4k"] = 200
	target["preserve/2048/thp"] = 10
	target["retrieve/2048/4k"] = 300
	target["growth/2048/4k"] = 40
	target["files-preserve/4000"] = 19
	target["sessions-create+retrieve/1000"] = 18
	target["pause/none/4G"] = 330
	nr_measures = split("pause growth preserve retrieve touch finish bookkeeping-old bookkeeping-new " \
		"files-preserve files-retrieve files-finish files-pause sessions-create sessions-retrieve " \
		"sessions-create+retrieve sessions-finish sessions-pause", measures, " ")
	title["pause"] = "pause: reboot(2) to init"
	title["growth"] = "pause, more than with nothing"
	title["touch"] = "first touch"
	title["bookkeeping-old"] = "KiB for each GiB, old kernel"
	title["bookkeeping-new"] = "KiB for each GiB, new kernel"
	split("", names)
	while ((getline line <history) > 0) {
		split(line, field, "\t")
		if (field[3] == "ours") was[field[4]] = field[5]
	}
}
{
	value[$1, $2] = $3
	if (!($2 in known)) { known[$2] = 1; names[++n] = $2 }
}
function number(text) { return text ~ /^-?[0-9.]+$/ }
function label(name, part, text) {
	split(name, part, "/")
	text = part[1] in title ? title[part[1]] : part[1]
	sub(/-/, ", ", text)
	if (part[1] ~ /^(files|sessions)-/) {
		sub(/^[a-z]*, /, "", text)
		sub(/-.*/, "", part[1])
		return text " " part[2] " " (part[1] == "files" ? "files of size 0" : part[1])
	}
	if (part[2] == "none") return text ", nothing preserved, of " part[3]
	return text ", " part[2] " MiB " (part[3] == "4k" ? "4 KiB pages" : part[3])
}
function shown(text) {
	if (text == "") return "-"
	if (number(text)) return sprintf(text + 0 >= 1000 || text + 0 <= -1000 ? "%.0f" : "%.2f", text)
	if (!(text in why)) {
		why[text] = ++reasons
		order[reasons] = text
	}
	return "(" why[text] ")"
}
END {
	if (("growth/8192/thp") in known) target["growth/8192/thp"] = value["ours", "pause/none/16G"] / 100
	printf "%-54s %10s %10s %8s %8s\n", "millions of instructions", "ours", version, "ratio", "target"
	for (m = 1; m <= nr_measures; m++)
		for (i = 1; i <= n; i++) {
			name = names[i]
			split(name, part, "/")
			if (part[1] != measures[m]) continue
			a = value["ours", name]
			b = value["peer", name]
			note = ""
			if (name in target)
				note = number(a) && a + 0 <= target[name] ? "met" : "MISSED"
			if (number(a) && number(was[name]) && a > was[name] * 1.02 && a - was[name] > 0.05)
				note = note " was " was[name]
			if (a == "" && b == "") continue
			printf "%-54s %10s %10s %8s %8s %s\n", label(name), shown(a), shown(b),
				(number(a) && number(b) && b + 0 ? sprintf("%.3f", a / b) : "-"),
				(name in target ? sprintf("%.4g", target[name]) : "-"), note
		}
	for (i = 1; i <= reasons; i++) printf "(%d) %s\n", i, order[i]
}
