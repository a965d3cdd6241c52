#!/bin/sh
# SPDX-License-Identifier: MulanPSL-2.0
# The first process of a kernel that vm.sh boots. Takes the tests from /vm.env, writes what came of them to further
# serial ports: ttyS1 the lines of the tests, ttyS2 what doctor says, ttyS3 the report. It ends with power off.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/root GALA_GOPHER_TEST_PATIENCE=5 DENO_DIR=/cache DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /root /run /var/log /mnt
ln -s /proc/self/fd /dev/fd
# Those of the host do more than busybox's.
for program in ip losetup mount tc; do
	for folder in /usr/sbin /usr/bin /sbin; do
		if [ -e "$folder/$program" ]; then ln -sf "$folder/$program" "/bin/$program"; fi
	done
done
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up
for module in /modules/*.ko; do
	[ ! -e "$module" ] || insmod "$module" || echo "no module $module" >/dev/console
done
hostname vm
ulimit -n 65536
# What the probe of system events reads.
: >/var/log/messages
. /vm.env
# Over a checkout it would hide the tests.
case $ROOT in
/tmp/*) ;;
*) mount -t tmpfs tmpfs /tmp ;;
esac
for port in ttyS1 ttyS2 ttyS3; do stty -F "/dev/$port" raw -echo; done
cd "$ROOT" || poweroff -f
# Seconds after boot, in the console's file.
stamp() {
	echo "$(cut -d' ' -f1 /proc/uptime) $1" >/dev/ttyS0
}
stamp "$(uname -r)"
# A file first: a serial port takes a few bytes at a time.
./gala-gopher doctor --json -c /vm.yaml >/tmp/doctor.json
cat /tmp/doctor.json >/dev/ttyS2
stamp doctor
# The program first: should the time not be enough, that is what is known.
for tests in tests/guest "$TESTS"; do
	# shellcheck disable=SC2086 # the list is split on purpose
	deno test --no-check --allow-all --no-lock --cached-only --reporter=tap --junit-path=/tmp/tests.xml $tests 2>&1
	cat /tmp/tests.xml >>/tmp/all.xml
	stamp "$tests"
done | cat >/dev/ttyS1
echo '# end' >/dev/ttyS1
cat /tmp/all.xml >/dev/ttyS3
sync
poweroff -f
