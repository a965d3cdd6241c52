#!/bin/sh
# SPDX-License-Identifier: MulanPSL-2.0
# Boots this host's systemd as the first process of namespaces of its own: `boot_systemd.sh ROOT`, below `unshare --mount
# --pid --fork --cgroup`. ROOT becomes a root with this host's /usr below what ROOT/usr holds; all mounts go with it.
set -e
root=$1
mount --make-rprivate /
# A root must be a mount point, or no service gets a view of its own.
mount --bind "$root" "$root"
cd "$root"
mkdir -p "$root/work" "$root/changes"
mount -t tmpfs tmpfs "$root/changes"
mkdir "$root/changes/usr" "$root/changes/work"
cp -a "$root/usr/." "$root/changes/usr/"
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$root/changes/usr,workdir=$root/changes/work" "$root/usr"
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$root/$name"; done
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/var/log" "$root/var/tmp" "$root/root"
mount -t proc proc "$root/proc"
# What belongs to the host is not for this systemd to change.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
	touch "$root/dev/$name"
	mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm"
exec env -i container=other PATH=/usr/sbin:/usr/bin chroot "$root" /lib/systemd/systemd --system \
	--log-target=console --unit=basic.target systemd.unified_cgroup_hierarchy=1
