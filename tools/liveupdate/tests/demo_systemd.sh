#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What "make demo-systemd" does in its Debian, once all else is started. What begins with
# "demo: " is the story.
exec >/dev/ttyS0 2>&1
tell() { echo "demo: $*"; }
run() {
	tell "    # $*"
	"$@" 2>&1 | sed 's/^/demo:     /'
}
service() { journalctl -b -o cat -u systemd-service | sed -n 's/^systemd-service: /demo:     /p'; }

updates=$(cat /sys/kernel/liveupdate/number)
tell "$(systemctl --version | head -n 1) on Linux $(uname -r), $updates live updates"
tell "systemd-service.service says:"
service
if [ "$updates" = 0 ]; then
	run systemd-analyze fdstore systemd-service.service
	tell "and by luod, in a session of user nobody:"
	tell "    $ luctl create vm-7; echo guest | luctl preserve vm-7 1"
	setpriv --reuid nobody sh -c 'luctl create vm-7; echo guest | luctl preserve vm-7 1'
	run luctl show vm-7
	kexec -s -l /boot/bzImage --append="console=ttyS0 panic=-1 no_timer_check root=/dev/vdb \
rw quiet TERM=dumb"
	tell "systemctl kexec"
	systemctl kexec
	exit
fi
service | grep -q "memfd: kept by systemd" || bad=1
service | grep -q "session: in its own session" || bad=1
tell "luod has its sessions, and their owners:"
run luctl sessions
tell "    $ luctl retrieve vm-7 1"
guest=$(setpriv --reuid nobody luctl retrieve vm-7 1)
tell "    $guest"
[ "$guest" = guest ] || bad=1
setpriv --reuid nobody luctl finish vm-7 || bad=1
run cat /sys/kernel/liveupdate/state
[ -n "$bad" ] || echo "demo-ended: yes"
systemctl poweroff
