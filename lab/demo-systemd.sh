#!/usr/bin/env bash
# The demonstration with systemd, which keeps the descriptors of its services through
# "systemctl kexec" from version 261 on: a small Debian with it, on our kernel. The last
# line is the verdict.
#
#	[SUITE=sid] lab/demo-systemd.sh
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

suite=${SUITE:-sid}
tar=$CACHE/debian-$suite.tar
log=$LOGS/demo-systemd.log
mkdir -p "$LOGS" "$CACHE"

# Only what is needed, and each package's signature is checked. A mirror that stands still
# may be behind the date until which its lists are said to be good.
if [ ! -s "$tar" ]; then
	command -v mmdebstrap >/dev/null || apt-get install -y -q --no-install-recommends mmdebstrap >&2
	say "a Debian $suite is fetched: some minutes"
	mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
		--dpkgopt=force-unsafe-io --include=systemd-sysv,udev,dbus,kexec-tools \
		"$suite" "$tar.new" http://deb.debian.org/debian >"$LOGS/mmdebstrap.log" 2>&1 ||
		die "mmdebstrap has failed: out/log/mmdebstrap.log"
	mv "$tar.new" "$tar"
fi
kernel=$(vm_kernel "$REPO/lab/config.systemd")
tools_make tools all "$OUT/tools/systemd-service" >"$LOGS/tools.log" 2>&1 ||
	die "tools/liveupdate can't be built: out/log/tools.log"

root=$(mktemp -d "$OUT/systemd.XXXXXX")
trap 'rm -rf "$root"' EXIT
tar -C "$root" -xpf "$tar"
tools_make tools install "DESTDIR=$root" prefix=/usr >>"$LOGS/tools.log" 2>&1
install -m 755 "$OUT/tools/systemd-service" "$LINUX/tools/liveupdate/tests/demo_systemd.sh" "$root/usr/sbin"
install -m 644 "$kernel" "$root/boot/bzImage"
echo "allow user nobody vm-*" >"$root/etc/luod.conf"
cat >"$root/etc/systemd/system/systemd-service.service" <<-END
	[Service]
	Type=notify
	ExecStart=/usr/sbin/systemd-service
	FileDescriptorStoreMax=2
	FileDescriptorStorePreserve=yes
	[Install]
	WantedBy=multi-user.target
END
cat >"$root/etc/systemd/system/demo.service" <<-END
	[Unit]
	After=systemd-service.service luod.service
	[Service]
	ExecStart=/usr/sbin/demo_systemd.sh
	[Install]
	WantedBy=multi-user.target
END
{
	# The console is for the story.
	chroot "$root" systemctl -q mask serial-getty@ttyS0.service
	chroot "$root" systemctl -q enable luod.socket luod.service systemd-service.service demo.service
	mke2fs -q -F -t ext4 -d "$root" "$OUT/demo-systemd.img" 1G
} >>"$LOGS/tools.log" 2>&1
"$REPO/lab/initrd.sh" "$OUT/demo-systemd.initrd" "$REPO/lab/demo-systemd-init.sh"

echo "demo: a Debian $suite starts in QEMU"
export KERNEL=$kernel INITRD=$OUT/demo-systemd.initrd MEM=${MEM:-2G} TIMEOUT=${TIMEOUT:-900}
export QEMU_EXTRA="-drive file=$OUT/demo-systemd.img,format=raw,if=virtio,snapshot=on"
rc=0
APPEND="quiet TERM=dumb systemd.firstboot=no" "$REPO/lab/run.sh" 2>"$log.err" | tee "$log" |
	tr -d '\r' | grep --line-buffered -E '^demo: ' || rc=$?
if [ $rc = 0 ] && grep -q '^demo-ended: yes' "$log"; then
	echo "live update worked: systemd has kept what its services have stored"
else
	tail -n 30 "$log" "$log.err" | tr -d '\r' >&2
	echo "live update FAILED: see out/log/demo-systemd.log"
	exit 1
fi
