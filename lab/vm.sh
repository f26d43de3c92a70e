# shellcheck shell=bash
# For the tests in lab/tests that boot a VM. To be sourced, after lib.sh.

# vm_results NAME MARKER CONSOLE: result lines from the KTAP on a console. The
# guest says MARKER when it has run everything.
vm_results() { awk -v test="$1" -v marker="$2" -f "$REPO/lab/ktap.awk" "$3"; }

# vm_run NAME MARKER: boot as lab/run.sh would (INITRD, APPEND and so on from
# the environment), and print result lines: those of the guest, and one for the
# run, which must end with power-off and without a splat. The console is kept in
# out/log/NAME.console.
vm_run() {
	local name=$1 marker=$2 console=$LOGS/$1.console said=$LOGS/$1.run rc=0 start=$SECONDS

	mkdir -p "$LOGS"
	"$REPO/lab/run.sh" >"$console" 2>"$said" || rc=$?
	vm_results "$name" "$marker" "$console" >"$LOGS/$name.results"
	cat "$LOGS/$name.results"
	if [ $rc = 0 ]; then
		pass "$name: powered off, console clean"
	else
		fail "$name: powered off, console clean"
		sed 's/^/# /' "$said"
	fi
	if [ $rc != 0 ] || grep -q '^not ok' "$LOGS/$name.results"; then
		echo "# the end of ${console#"$REPO"/}:"
		tail -n 40 "$console" | tr -d '\r' | sed 's/^/# /'
	fi
	echo "# $name took $((SECONDS - start)) s"
}

# frames_start NAME: lab/frames.py, with what it says in out/log/NAME.frames and its
# process id in $frames; FRAMES_RATE=500 a second. The -netdev for QEMU is in $netdev.
frames_start() {
	local ports=$LOGS/$1.ports ours theirs

	mkdir -p "$LOGS"
	rm -f "$ports"
	"$REPO/lab/frames.py" "$ports" --seconds "${TIMEOUT:-300}" \
		--rate "${FRAMES_RATE:-500}" >"$LOGS/$1.frames" 2>&1 &
	frames=$!
	until [ -e "$ports" ]; do
		kill -0 "$frames" || return 1
		sleep 0.1
	done
	read -r ours theirs <"$ports"
	# shellcheck disable=SC2034 # for the caller
	netdev="-netdev socket,id=net,udp=127.0.0.1:$ours,localaddr=127.0.0.1:$theirs"
}

# frames_end NAME: was all said that there is to say? It ends when the guest says so.
frames_end() {
	local rc=0

	# One that waits for a guest that is no more.
	grep -q '^frames: ' "$LOGS/$1.frames" || kill "$frames" 2>/dev/null || true
	wait "$frames" || rc=$?
	sed 's/^/# /' "$LOGS/$1.frames"
	return $rc
}

# vm_run_frames NAME MARKER: as vm_run, with frames that are sent to a card at netdev
# "net" all the time.
vm_run_frames() {
	local frames netdev

	frames_start "$1"
	QEMU_EXTRA="$netdev ${QEMU_EXTRA:-}" vm_run "$1" "$2"
	if frames_end "$1"; then
		pass "$1: whoever sends frames was told to stop"
	else
		fail "$1: whoever sends frames was told to stop"
	fi
}

# selftests_make DIRECTORY OUT: that directory of tools/testing/selftests.
selftests_make() {
	make -s -C "$LINUX/tools/testing/selftests/$1" OUTPUT="$2" \
		KHDR_INCLUDES="-isystem $OUT/headers/include" </dev/null
}

# headers_build: what user space gets of this very kernel, in out/headers.
headers_build() (
	locked headers
	# Nothing else builds there meanwhile.
	locked build
	kmake -s O="$OUT/build" INSTALL_HDR_PATH="$OUT/headers" headers_install
)

# Build the tests in tools/testing/selftests, static, against the headers of this
# very kernel: those of liveupdate in out/selftests, those of vfio in
# out/selftests-vfio.
selftests_build() (
	locked selftests
	mkdir -p "$LOGS" "$OUT/selftests" "$OUT/selftests-vfio"
	if ! {
		headers_build &&
			selftests_make liveupdate "$OUT/selftests" &&
			selftests_make vfio "$OUT/selftests-vfio"
	} >"$LOGS/selftests.log" 2>&1; then
		tail -n 40 "$LOGS/selftests.log" >&2
		return 1
	fi
)

# selftests_initrd NAME FILE...: the initramfs out/NAME.initrd that starts them; with
# the kernel module MODULE if that is set.
selftests_initrd() {
	local initrd=$OUT/$1.initrd

	shift
	"$REPO/lab/initrd.sh" "$initrd" "$LINUX/tools/testing/selftests/liveupdate/luo_init.sh" \
		"$@" ${MODULE:+"$MODULE"}
	echo "$initrd"
}

# vm_selftests: build the selftests, and print the name of an initramfs with it
# all. One with a MODULE has another name: somebody may be using the other one.
vm_selftests() {
	local file
	local -a files=()

	selftests_build || return 1
	for file in "$OUT/selftests"/*; do
		if [ -f "$file" ] && [ -x "$file" ]; then files+=("$file"); fi
	done
	selftests_initrd "selftests${MODULE:+-module}" "${files[@]}" /sbin/kexec
}

# vm_selftest PROGRAM: a small initramfs, with only that one.
vm_selftest() {
	selftests_build || return 1
	selftests_initrd "$1" "$OUT/selftests/$1"
}

# vm_bench: build the selftests, and print the name of an initramfs with luo_bench. It is
# not compressed: that takes as long with each kernel, and is no part of what is measured.
vm_bench() {
	local initrd

	initrd=$(vm_selftest luo_bench) || return 1
	gzip -dc "$initrd" >"$OUT/bench.initrd"
	echo "$OUT/bench.initrd"
}

# vm_vfio: build the selftests, and print the name of an initramfs with those of vfio.
vm_vfio() {
	selftests_build || return 1
	selftests_initrd vfio "$OUT"/selftests-vfio/{vfio_{pci_test,liveupdate_test,kexec},iommu_kexec}
}

# vm_vfio_modules: the same for a kernel of config.deferred, with the drivers.
vm_vfio_modules() {
	local drivers=$OUT/build-deferred/drivers

	selftests_build || return 1
	selftests_initrd vfio-modules "$OUT/selftests-vfio/vfio_kexec" \
		"$drivers/iommu/iommufd/iommufd.ko" \
		"$drivers"/vfio/{vfio,pci/vfio-pci-core,pci/vfio-pci}.ko
}

# vm_dma_demo: build the selftests, and print the name of an initramfs with dma_demo.
vm_dma_demo() {
	selftests_build || return 1
	selftests_initrd dma-demo "$OUT/selftests-vfio/dma_demo"
}

# vm_iommufd: build the selftests, and print the name of an initramfs with those of
# vfio's that need no device.
vm_iommufd() {
	selftests_build || return 1
	selftests_initrd iommufd "$OUT"/selftests-vfio/iommufd_{map_file,map_file_refused,liveupdate}_test
}

# tools_make NAME ARGS...: tools/liveupdate, in out/NAME. Two tests that run side by side
# may want the same.
tools_make() (
	locked "$1"
	make -s -j"${JOBS:-$(nproc)}" -C "$LINUX/tools/liveupdate" OUTPUT="$OUT/$1" "${@:2}" </dev/null
)

# vm_tools: build luod and all around it, as it is and with ASan, and print the name of
# an initramfs with its test.
vm_tools() {
	mkdir -p "$LOGS"
	if ! {
		tools_make tools all tests &&
			tools_make tools-asan SANITIZE=address,undefined CFLAGS=-O1 \
				"$OUT"/tools-asan/luod-{crash,keeper}
	} >"$LOGS/tools.log" 2>&1; then
		tail -n 40 "$LOGS/tools.log" >&2
		return 1
	fi
	selftests_initrd luod "$OUT"/tools/{luod,luod-keeper,luod-crash,luctl,vmm-client,luod_test} \
		"$OUT/tools-asan/luod-crash:/bin/luod-asan" \
		"$OUT/tools-asan/luod-keeper:/bin/keeper-asan" \
		"$LINUX/tools/liveupdate/tests/luod_test.sh" /sbin/kexec
}

# vm_minivmm: build luod and luctl, and tools/liveupdate/examples/minivmm, and print the
# name of an initramfs with its test.
vm_minivmm() {
	local directory=$LINUX/tools/liveupdate/examples/minivmm

	mkdir -p "$LOGS"
	if ! {
		headers_build && tools_make tools all &&
			make -s -C "$directory" OUTPUT="$OUT/minivmm" STATIC=1 \
				KHDR_INCLUDES="-isystem $OUT/headers/include" </dev/null
	} >"$LOGS/minivmm.make" 2>&1; then
		tail -n 40 "$LOGS/minivmm.make" >&2
		return 1
	fi
	selftests_initrd minivmm "$OUT"/tools/{luod,luod-keeper,luctl} "$OUT/minivmm/minivmm" \
		"$directory/minivmm_test.sh"
}

# vm_kernel FRAGMENT: build another kernel, and print the name of its bzImage.
# out/bzImage stays the ordinary one.
vm_kernel() {
	local log=$LOGS/${1##*/}.log

	mkdir -p "$LOGS"
	if ! ASIDE=1 FRAGMENT=$1 "$REPO/lab/kernel.sh" >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		return 1
	fi
	echo "$OUT/build-${1##*config.}/arch/x86/boot/bzImage"
}
