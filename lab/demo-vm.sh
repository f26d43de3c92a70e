#!/usr/bin/env bash
# The demonstration with a virtual machine: an unmodified QEMU with KVM, and its Linux
# guest, which has a device of the host, go through a live update of their host, which is
# itself in QEMU. The last line is the verdict.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

mkdir -p "$LOGS"
log=$LOGS/demo-vm.log
qemu=/usr/bin/qemu-system-x86_64
guest=$OUT/demo-vm-guest.initrd
files=()

tools_make tools all tests >"$LOGS/tools.log" 2>&1 || die "tools/liveupdate can't be built: out/log/tools.log"
"$REPO/lab/initrd.sh" "$guest" "$LINUX/tools/liveupdate/tests/demo_vm_guest.sh" \
	"$OUT/tools/demo-vm-edu:/bin/edu"
for file in /usr/share/seabios/bios-256k.bin /usr/share/qemu/{linuxboot_dma,kvmvapic}.bin; do
	files+=("$file:$file")
done
INITRD=$(selftests_initrd demo-vm "$OUT"/tools/{luod,luod-keeper,luctl,luqemu,luod_test} "$qemu:$qemu" \
	"$LINUX/tools/liveupdate/tests/demo_vm.sh" "$guest:/guest.initrd" "${files[@]}")
export INITRD MEM=${MEM:-3G} TIMEOUT=${TIMEOUT:-1800} QEMU_EXTRA="-device edu,addr=04.0"

echo "demo: a host starts in QEMU; $("$qemu" --version | head -n 1) is in it, too"
# An emulated machine sees its clock now so fast and now so, and KVM a guest that wants another
# one than it has: to do without scaling.
host="kvm.tsc_tolerance_ppm=20000"
rc=0
APPEND="$host luo.mode=demo-vm luo.stage=0" "$REPO/lab/run.sh" 2>"$log.err" | tee "$log" |
	sed -u 's/\r//' | grep --line-buffered -E '^demo: ' || rc=$?

# Each question is asked twice: before the update, and after it.
answers() { tr -d '\r' <"$log" | grep -A1 -F "guest# $1" | sed -n 's/^demo:     \([^g]\)/\1/p'; }
same() { [ "$(answers "$1" | sort -u | wc -l) $(answers "$1" | wc -l)" = "1 2" ]; }
# It went on where it was: not behind that, and not as if it had run meanwhile.
more() { answers "$1" | awk -v most="$2" '{ v[NR] = $1 } END { exit !(NR == 2 && v[2] > v[1] && v[2] - v[1] < most) }'; }

if [ $rc = 0 ] && grep -q '^demo-ended: yes' "$log" && same "sha256sum" &&
	same "cat /proc/sys/kernel/random/boot_id" && same "edu 10" &&
	more "dmesg | grep -c 1234:11e8" 2 && more "cat /tmp/job" 1000 &&
	more "cut -d' ' -f1 /proc/uptime" 300; then
	echo "live update worked: the guest goes on, its job from $(answers "cat /tmp/job" | head -n 1) to $(answers "cat /tmp/job" | tail -n 1)"
else
	tail -n 30 "$log" "$log.err" | tr -d '\r' >&2
	echo "live update FAILED: see out/log/demo-vm.log"
	exit 1
fi
