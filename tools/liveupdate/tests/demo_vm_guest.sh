#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The guest of demo_vm.sh: a job that counts, 16 MiB of random bytes, a program for its
# device, and a shell.
mount -t proc none /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
while :; do
	job=$((job + 1))
	echo $job >/tmp/job.new
	mv /tmp/job.new /tmp/job
	sleep 0.1
done &
dd if=/dev/urandom of=/tmp/random bs=1M count=16 2>/dev/null
[ "$(wc -c </tmp/random)" = 16777216 ] && echo "guest: ready"
while :; do setsid cttyhack sh; done
