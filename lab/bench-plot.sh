#!/usr/bin/env bash
# Draw what lab/bench.sh has measured, against what is preserved: the pause, and what a
# program pays before and after it.
#
#	lab/bench-plot.sh FIGURES PEER-VERSION OUT.svg
. "$(dirname "$0")/lib.sh"

[ $# = 3 ] || die "usage: lab/bench-plot.sh FIGURES PEER-VERSION OUT.svg"
command -v gnuplot >/dev/null || apt-get install -y -q --no-install-recommends gnuplot-nox >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# series WHO KIND: "GiB pause cost" for each size of the machine of 4 GiB.
series() {
	awk -F'\t' -v who="$1" -v kind="$2" '
	function number(text) { return text ~ /^-?[0-9.]+$/ }
	$1 == who { value[$2] = $3 }
	END {
		print 0, value["pause/none/4G"], 0
		for (size = 64; size <= 2048; size *= 2) {
			name = "/" size "/" kind
			if (number(value["pause" name]) && number(value["retrieve" name]))
				print size / 1024, value["pause" name], \
					value["preserve" name] + value["retrieve" name] + value["finish" name]
		}
	}' "$figures"
}
figures=$1
for who in ours peer; do
	for kind in 4k thp hugetlb; do series $who $kind >"$work/$who-$kind"; done
done

cd "$work"
gnuplot <<-END
	set terminal svg size 900,460 font "sans-serif,13" background "white"
	set output "$work/svg"
	set multiplot layout 1,2
	set key below Left reverse samplen 2
	set grid
	set xlabel "preserved, GiB"
	set ylabel "millions of instructions"
	set yrange [0:*]
	set style line 1 lc rgb "#0060ad" lw 2 pt 7 ps 0.6
	set style line 2 lc rgb "#0060ad" lw 2 pt 6 ps 0.6 dt 2
	set style line 3 lc rgb "#d04030" lw 2 pt 7 ps 0.6
	set style line 4 lc rgb "#d04030" lw 2 pt 6 ps 0.6 dt 2
	set title "the pause: reboot(2) to init"
	plot "peer-4k" using 1:2 with linespoints ls 3 title "mainline $2, 4 KiB pages", \
		"peer-thp" using 1:2 with linespoints ls 4 title "mainline $2, THP", \
		"ours-4k" using 1:2 with linespoints ls 1 title "ours, 4 KiB pages", \
		"ours-thp" using 1:2 with linespoints ls 2 title "ours, THP"
	set title "preserve, retrieve, finish"
	plot "peer-4k" using 1:3 with linespoints ls 3 title "mainline $2, 4 KiB pages", \
		"peer-thp" using 1:3 with linespoints ls 4 title "mainline $2, THP", \
		"ours-4k" using 1:3 with linespoints ls 1 title "ours, 4 KiB pages", \
		"ours-thp" using 1:3 with linespoints ls 2 title "ours, THP"
	unset multiplot
END
mv "$work/svg" "$3"
