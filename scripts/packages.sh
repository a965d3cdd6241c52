# SPDX-License-Identifier: MulanPSL-2.0
# shellcheck shell=bash disable=SC2034
# Sourced: finds out which programs and libraries of the system are missing, and installs their packages.

# kind, what to look for, Debian's package, that of Fedora and openEuler
BUILD_NEEDS='
command clang-19 clang-19 clang
command llvm-strip-19 llvm-19 llvm
command bpftool bpftool bpftool
command curl curl curl
command python3 python3 python3
python pip python3-pip python3-pip
certificates - ca-certificates ca-certificates
header bpf/bpf_helpers.h libbpf-dev libbpf-devel
library libbpf.so.1 libbpf1 libbpf
library libelf.so.1 libelf1 elfutils-libelf
library libz.so.1 zlib1g zlib
'
TEST_NEEDS='
command clang-format-19 clang-format-19 clang-tools-extra
command promtool prometheus golang-github-prometheus
command prometheus-node-exporter prometheus-node-exporter golang-github-prometheus-node-exporter
command wrk wrk wrk
command systemd-analyze systemd systemd
command setpriv util-linux util-linux
command ip iproute2 iproute
command ss iproute2 iproute
command tc iproute2 iproute-tc
command iperf3 iperf3 iperf3
command nc netcat-openbsd netcat
command iostat sysstat sysstat
command free procps procps-ng
command strace strace strace
command faketime faketime libfaketime
command bpftrace bpftrace bpftrace
command mkfs.xfs xfsprogs xfsprogs
command mkfs.btrfs btrfs-progs btrfs-progs
command java openjdk-17-jre-headless java-17-openjdk-headless
command mvn maven maven
command patchelf patchelf patchelf
command kcat kcat kcat
command openssl openssl openssl
library libpython3.11.so.1.0 libpython3.11 python3-libs
file /usr/lib/x86_64-linux-gnu/libpython3.11.a libpython3.11-dev python3-devel
header stdio.h libc6-dev glibc-devel
command make make make
command redis-server redis-server redis
command nginx nginx-light nginx
command haproxy haproxy haproxy
file /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream nginx-mod-stream
command named bind9 bind
command dnsmasq dnsmasq-base dnsmasq
command dig bind9-dnsutils bind-utils
command mariadbd mariadb-server-core mariadb-server
command mariadb mariadb-client-core mariadb
command rabbitmqctl rabbitmq-server rabbitmq-server
command busybox busybox-static busybox
command dockerd docker.io docker-engine
command podman podman podman
command containerd containerd containerd
command runc runc runc
command qemu-system-x86_64 qemu-system-x86 qemu-system-x86
postgres - postgresql-15 postgresql-server
'
KERNELS_NEEDS='
command qemu-system-x86_64 qemu-system-x86 qemu-system-x86
command busybox busybox-static busybox
command cpio cpio cpio
command ipvsadm ipvsadm ipvsadm
command iperf3 iperf3 iperf3
command tc iproute2 iproute-tc
command xz xz-utils xz
'
PACKAGE_NEEDS='
command dpkg-deb dpkg dpkg
command rpmbuild rpm rpm-build
command rpm2cpio rpm2cpio rpm
command cpio cpio cpio
command make make make
header stdio.h libc6-dev glibc-devel
'

# Full path of a shared library of this machine's own architecture.
library_path() {
	local folder
	for folder in "/usr/lib/$(uname -m)-linux-gnu" "/lib/$(uname -m)-linux-gnu" /usr/lib64 /lib64; do
		if [ -e "$folder/$1" ]; then
			readlink -f "$folder/$1"
			return
		fi
	done
	return 1
}

is_there() {
	case $1 in
	# Outside Debian the programs of LLVM have no version in their names.
	command) command -v "$2" >/dev/null || { [ -z "$APT" ] && command -v "${2%-19}" >/dev/null; } ;;
	python) python3 -m "$2" --version >/dev/null 2>&1 ;;
	certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] ;;
	header) [ -e "/usr/include/$2" ] ;;
	# Debian keeps the server's programs out of PATH, so that several versions can stand side by side.
	postgres) command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
	file) [ -e "$2" ] ;;
	library) library_path "$2" >/dev/null ;;
	esac
}

APT=$(command -v apt-get || true)
DNF=$(command -v dnf || true)

# Packages whose content is missing, one a line; the needs come on stdin.
missing_packages() {
	local kind what debian fedora
	while read -r kind what debian fedora; do
		if [ -z "$kind" ] || is_there "$kind" "$what"; then continue; fi
		if [ -n "$APT" ]; then echo "$debian"; else echo "$fedora"; fi
	done | sort -u
}

# Debian starts a service when its package is installed; the tests start their own, on their own ports.
without_services() {
	local policy=/usr/sbin/policy-rc.d status=0
	if [ -e "$policy" ]; then
		"$@"
		return
	fi
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	"$@" || status=$?
	rm -f "$policy"
	return "$status"
}

apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	# The lists of a fresh machine are empty or old; ask for new ones only then.
	apt-get install -y -q --no-install-recommends "$@" </dev/null >&2 && return
	apt-get update -q </dev/null >&2
	apt-get install -y -q --no-install-recommends "$@" </dev/null >&2
}

# install_packages "$BUILD_NEEDS": names what is missing and installs it.
install_packages() {
	local missing
	missing=$(missing_packages <<<"$1")
	if [ -z "$missing" ]; then return; fi
	# shellcheck disable=SC2086 # the list is split on purpose
	set -- $missing
	say "missing: $*"
	if [ "$(id -u)" != 0 ]; then
		die "Cannot install as a user; run as root: ${APT:-${DNF:-dnf}} install $*"
	elif [ -n "$APT" ]; then
		without_services apt_install "$@"
	elif [ -n "$DNF" ]; then
		dnf install -y --setopt=install_weak_deps=False "$@" </dev/null >&2
	else
		die "Cannot install: neither apt-get nor dnf is here"
	fi
}
