#!/bin/sh
# From the initramfs into the Debian of make demo-systemd.
mount -t devtmpfs dev /dev
until [ -b /dev/vdb ]; do sleep 0.1; done
mount -t ext4 /dev/vdb /run && exec switch_root /run /sbin/init
