#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Boots Debian's kernel 6.1 or 6.12 under emulation, with the kernel tests and ./gala-gopher in its first file system,
# and tells what came of them: a line a test, then "N passed, N failed[, N skipped]". What doctor said there stays in
# build/vm/KERNEL.json. Further arguments say which kernel tests alone: tcp endpoint. The kernel is unpacked into .tools,
# never installed. Exit code: 0 all passed, 1 not all, 77 the kernel cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/toolchain.sh
. scripts/packages.sh

# Those of probes with fallbacks, as many as come to their end in a CI run; tcp_owner, proc_tasks, table_reader, map_feed
# and iter_reader can be named.
TESTS=(message_source endpoint tcp_trouble tcp_loss tcp io)
# Programs that the tests start.
PROGRAMS=(/bin/bash /usr/bin/unshare /usr/bin/python3 "$(command -v bpftool)")
# Traffic that loses packets, and what else counts them.
for program in ip iperf3 nstat ss tc; do PROGRAMS+=("$(command -v "$program")"); done
# For that, for disks, two hosts, queueing disciplines, ss and the lvs probe, each after those that it needs; tests of
# what is not there are skipped.
MODULES=(loop inet_diag tcp_diag veth sch_netem sch_tbf sch_htb libcrc32c nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack
	ip_vs ip_vs_rr)
MEMORY_MB=1536
BOOT_SECONDS=${BOOT_SECONDS:-240}
UNAVAILABLE=77
# Of the task and io tests, which are named to be run: task_calls task_sched task_fs io ...
PROGRAMS+=(/usr/bin/perl "$(command -v losetup)" "$(command -v mount)" "$(command -v taskset)" "$(command -v flock)")
PROGRAMS+=("$(command -v mkfs.ext4)")
# Of messages_unix, a real server on a Unix socket.
for program in redis-server redis-cli redis-benchmark; do PROGRAMS+=("$(command -v "$program")"); done

# Versions as Debian names its packages, newest last.
packages() {
	apt-cache --names-only search "^linux-image-${KERNEL//./\\.}\\.[0-9][.0-9+a-z-]*-cloud-amd64\$" | cut -d' ' -f1 | sort -V
}

# Prints the path of the kernel's image, which it fetches unless it is there already. Beside it are its modules.
fetch_kernel() {
	local folder=$TOOLS/kernels package image
	mkdir -p "$folder"
	package=$(packages | tail -n 1)
	if [ -z "$package" ]; then
		apt-get update -q >&2 || true
		package=$(packages | tail -n 1)
	fi
	if [ -n "$package" ] && [ ! -e "$folder/$package.modules" ]; then
		(
			set -e
			unpacked=$(mktemp -d "$folder/new.XXXXXX")
			trap 'rm -rf "$unpacked"' EXIT
			cd "$unpacked"
			apt-get download -q "$package" >&2
			dpkg -x ./*.deb .
			mv boot/vmlinuz-* "../$package"
			mv lib/modules/* "../$package.modules"
		) || say "Cannot download $package"
	fi
	image=$(find "$folder" -maxdepth 1 -type f -name "linux-image-$KERNEL.*" | sort -V | tail -n 1)
	[ -n "$image" ] && echo "$image"
}

# add FILE...: into the guest's file system under the same name, with the libraries that it needs.
add() {
	local file library
	for file in "$@"; do
		install -D -m 755 "$(readlink -f "$file")" "$GUEST$file"
		while read -r library; do
			if [ ! -e "$GUEST$library" ]; then install -D -m 755 "$(readlink -f "$library")" "$GUEST$library"; fi
		done < <(ldd "$file" 2>/dev/null | grep -o '/[^ ]*')
	done
}

# add_modules IMAGE: in the order in which they are to be loaded.
add_modules() {
	local module file number=10
	mkdir -p "$GUEST/modules"
	if command -v ipvsadm >/dev/null; then add "$(command -v ipvsadm)"; fi
	for module in "${MODULES[@]}"; do
		file=$(find "$1.modules" -name "$module.ko*" 2>/dev/null | head -n 1)
		case $file in
		*.ko) cp "$file" "$GUEST/modules/$number-$module.ko" ;;
		*.ko.xz) xz -dc "$file" >"$GUEST/modules/$number-$module.ko" ;;
		esac
		number=$((number + 1))
	done
}

# The sources stand in the guest where they stand here, so that what Deno has made of them here fits there.
fill_guest() {
	local tree=$GUEST$ROOT files=() libraries=() library test python
	mkdir -p "$GUEST"/{bin,cache,dev,proc,sys,tmp} "$tree/build/objects"
	add /bin/busybox
	ln -s busybox "$GUEST/bin/sh"
	install -m 755 tests/kernel/vm_init.sh "$GUEST/init"
	for library in libbpf.so.1 libelf.so.1 libz.so.1; do
		libraries+=("$(dirname "$(library_path "$library")")/$library")
	done
	add "${PROGRAMS[@]}" "${libraries[@]}" "$ROOT/gala-gopher"
	install -D -m 755 "$DENO" "$GUEST/usr/bin/deno"
	python=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
	mkdir -p "$GUEST$python"
	cp -r "$python"/{*.py,collections,encodings,importlib,json,lib-dynload,re} "$GUEST$python"
	find "$GUEST$python" -name __pycache__ -prune -exec rm -r {} +
	cp -r --parents /usr/lib/*/perl-base "$GUEST"
	cp -r --parents main.ts deno.json src scripts tests/*.ts tests/kernel tests/guest tests/e2e/run_agent.ts \
		tests/probes/run_probe_agent.ts tests/probes/run_server.ts probes/lvs "$tree"
	cp -r build/lib "$tree/build/"
	"$DENO" run --no-check --allow-all tests/kernel/prepare_objects.ts "$tree/build/objects"
	for test in "${TESTS[@]}"; do files+=("tests/kernel/${test}_test.ts"); done
	DENO_DIR=$GUEST/cache "$DENO" cache --no-lock tests/guest/*_test.ts "${files[@]}"
	printf "export ROOT='%s' TESTS='%s' GALA_GOPHER_TEST_OBJECTS='%s'\n" \
		"$ROOT" "${files[*]}" "$ROOT/build/objects" >"$GUEST/vm.env"
	./gala-gopher meta --json | "$DENO" run --no-check tests/kernel/all_tables.ts >"$GUEST/vm.yaml"
}

boot() {
	local image=$1 out=$2
	timeout --kill-after=5 "$BOOT_SECONDS" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m "$MEMORY_MB" -smp 2 \
		-display none -monitor none -nic none -no-reboot -kernel "$image" -initrd "$WORK/initrd" \
		-append "console=ttyS0 panic=-1 quiet" \
		-serial "file:$out.console" -serial "file:$out.tap" -serial "file:$out.json" -serial "file:$out.xml" </dev/null
}

report() {
	local out=$1 passed skipped failed
	# Long lines are what a failed test has to say.
	cut -c -2000 "$out.tap"
	passed=$(grep '^ok ' "$out.tap" | grep -vc '# SKIP' || true)
	skipped=$(grep -c '^ok .*# SKIP' "$out.tap" || true)
	failed=$(grep -c '^not ok ' "$out.tap" || true)
	if ! grep -q '^# end' "$out.tap"; then
		say "The tests did not come to their end; the console says:"
		tail -n 30 "$out.console" >&2
		failed=$((failed + 1))
	# What goes wrong before the first test of a file is no test's.
	elif [ "$failed" = 0 ] && grep -q '^error: ' "$out.tap"; then
		failed=1
	fi
	if [ "$skipped" = 0 ]; then skipped=; else skipped=", $skipped skipped"; fi
	echo "$passed passed, $failed failed$skipped"
	[ "$failed" = 0 ]
}

main() {
	local image out
	KERNEL=${1:-}
	if [ $# -gt 1 ]; then TESTS=("${@:2}"); fi
	case $KERNEL in
	6.1 | 6.12) ;;
	*) die "Usage: tests/kernel/vm.sh 6.1|6.12 [TEST...]" ;;
	esac
	image=$(fetch_kernel) || {
		say "Cannot get kernel $KERNEL: apt-get offers none, and none is in .tools/kernels"
		exit "$UNAVAILABLE"
	}
	mkdir -p "$BUILD/vm"
	WORK=$(mktemp -d "$BUILD/vm/new.XXXXXX")
	trap 'rm -rf "$WORK"' EXIT
	GUEST=$WORK/guest
	fill_guest
	add_modules "$image"
	(cd "$GUEST" && find . | cpio --quiet -H newc -R 0:0 -o >"$WORK/initrd")
	rm -rf "$GUEST"
	out=$BUILD/vm/$KERNEL
	boot "$image" "$out" || say "The emulator ended with $?"
	say "booted $(basename "$image")"
	report "$out"
}

main "$@"
