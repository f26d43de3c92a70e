# Merge our MAINTAINERS entries (first file) into the kernel's (second file):
# each goes before the first entry of the alphabetical list that sorts behind it.

function flush_ours() {
	if (text != "") { n++; name[n] = title; entry[n] = text }
	text = ""
}

FNR == NR {
	if ($0 == "") { flush_ours(); next }
	if (text == "") title = $0
	text = text $0 "\n"
	next
}

FNR == 1 { flush_ours() }

{ line[FNR] = $0; last = FNR }

END {
	for (i = 1; i <= last; i++) {
		if (line[i] == "Maintainers List") in_list = 1
		if (in_list && line[i - 1] == "" && line[i + 1] ~ /^[A-Z]:\t/)
			for (e = 1; e <= n; e++)
				if (!done[e] && (line[i] > name[e] || line[i] == "THE REST")) {
					printf "%s\n", entry[e]
					done[e] = 1
				}
		print line[i]
	}
	for (e = 1; e <= n; e++)
		if (!done[e]) exit 1
}
