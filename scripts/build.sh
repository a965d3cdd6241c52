#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Builds ./gala-gopher. Installs what is missing, then runs only the steps whose inputs changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
. scripts/packages.sh
. scripts/fetch_deno.sh

SIZE_LIMIT=100000000
BPF_FLAGS=(-target bpf -g -O2 -Wall -Werror "-D__TARGET_ARCH_$BPF_ARCH" -I bpf)
# deno lets only a program with all permissions read /proc and /sys; and a program that may call C may do all anyway.
# V8's memory reducer marks the whole heap every half minute: it took a quarter of an idle agent's CPU time for 1 MB.
# The agent asks for it instead, every five minutes.
COMPILE_FLAGS=(--no-code-cache --no-check --no-config --no-lock --no-prompt --allow-all
	--v8-flags=--no-memory-reducer,--expose-gc)

usage() {
	cat <<-END
		Usage: scripts/build.sh [--check] [--release | --debug] [--clean]
		  --check    install what is missing on this machine, and stop
		  --release  the default: BPF objects without DWARF
		  --debug    with DWARF and source maps
		  --clean    remove build/ and ./gala-gopher, and stop
	END
}

# step NAME OUTPUT INPUT... -- COMMAND...: runs COMMAND if OUTPUT is missing or an input is not what it was last time.
step() {
	local name=$1 output=$2 inputs=() key stamp=$BUILD/stamps/$1
	shift 2
	while [ "$1" != -- ]; do
		inputs+=("$1")
		shift
	done
	shift
	key=$({ echo "$MODE" && sha256sum "${inputs[@]}" scripts/{build,toolchain}.sh; } | sha256sum)
	if [ -e "$output" ] && [ -e "$stamp" ] && [ "$(<"$stamp")" = "$key" ]; then return; fi
	say "build: $name"
	mkdir -p "$BUILD/stamps"
	rm -f "$stamp"
	"$@"
	printf '%s\n' "$key" >"$stamp"
}

compile_object() {
	"$CLANG" "${BPF_FLAGS[@]}" -c "$1" -o "$2.new"
	# Takes the DWARF away; BTF stays, libbpf needs it.
	if [ "$MODE" = release ]; then "$LLVM_STRIP" -g "$2.new"; fi
	mv "$2.new" "$2"
}

build_objects() {
	local source stem object
	mkdir -p "$BUILD/bpf"
	for object in "$BUILD"/bpf/*.bpf.o; do
		stem=$(basename "$object" .bpf.o)
		if [ ! -e "bpf/$stem.bpf.c" ]; then rm "$object"; fi
	done
	for source in bpf/*.bpf.c; do
		stem=$(basename "$source" .bpf.c)
		object=$BUILD/bpf/$stem.bpf.o
		step "bpf-$stem" "$object" "$source" bpf/*.h -- compile_object "$source" "$object"
	done
}

# The loader copies each into a memory file; only a library that a program can open is taken.
copy_libraries() {
	local name
	mkdir -p "$BUILD/lib"
	for name in libbpf.so.1 libelf.so.1 libz.so.1; do
		"$LLVM_STRIP" --strip-unneeded -o "$BUILD/lib/$name" "$(library_path "$name")"
	done
}

write_version() {
	local version commit
	version=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' deno.json)
	commit=$(git rev-parse --short=12 HEAD 2>/dev/null || true)
	version=$version${commit:++$commit}
	if [ ! -e "$BUILD/version.txt" ] || [ "$(<"$BUILD/version.txt")" != "$version" ]; then
		printf '%s' "$version" >"$BUILD/version.txt"
	fi
}

# npm packages would be embedded whole, 20 MB of them; a bundle has what is used. Dynamic imports stay files of
# their own, so that what is not configured is not even parsed.
bundle() {
	rm -rf "$BUILD/js"
	local flags=(--quiet --frozen --code-splitting --outdir "$BUILD/js")
	if [ "$MODE" = debug ]; then flags+=(--sourcemap=inline); fi
	"$DENO" bundle "${flags[@]}" main.ts
}

# Compiled inside build/, so that what is embedded stands beside js/ as it stands there.
compile_program() {
	local size
	rm -rf "$BUILD/out"
	(cd "$BUILD" && "$DENO" compile --quiet "${COMPILE_FLAGS[@]}" --include js --include bpf \
		--include lib --include version.txt --output out/gala-gopher js/main.js)
	size=$(stat -c %s "$BUILD/out/gala-gopher")
	if [ "$MODE" = release ] && [ "$size" -ge "$SIZE_LIMIT" ]; then
		die "gala-gopher has $size bytes; wanted less than $SIZE_LIMIT"
	fi
	mv "$BUILD/out/gala-gopher" gala-gopher
	say "built ./gala-gopher $(<"$BUILD/version.txt"), $size bytes"
}

sources() {
	find main.ts deno.json deno.lock src -type f \( -name '*.ts' ! -name '*_test.ts' -o -name 'deno.*' \) | sort
}

build() {
	local files
	build_objects
	step lib "$BUILD/lib/libz.so.1" "$(library_path libbpf.so.1)" "$(library_path libelf.so.1)" \
		"$(library_path libz.so.1)" -- copy_libraries
	"$DENO" run --no-lock --allow-read --allow-write=src/gen --allow-run=bpftool scripts/gen.ts >&2
	write_version
	mapfile -t files < <(sources)
	step js "$BUILD/js/main.js" "${files[@]}" -- bundle
	step gala-gopher gala-gopher "$BUILD"/js/*.js "$BUILD"/bpf/*.bpf.o "$BUILD"/lib/*.so.* \
		"$BUILD/version.txt" "$DENORT_BIN" -- compile_program
}

main() {
	local only_check=false
	MODE=release
	shopt -s nullglob
	while [ $# -gt 0 ]; do
		case $1 in
		--check) only_check=true ;;
		--release | --debug) MODE=${1#--} ;;
		--clean)
			rm -rf "$BUILD" gala-gopher
			return
			;;
		--help | -h)
			usage
			return
			;;
		*)
			usage >&2
			die "Cannot understand \"$1\""
			;;
		esac
		shift
	done
	mkdir -p "$TOOLS"
	# Two builds in one tree would tread on each other's files.
	exec 9>"$TOOLS/lock"
	flock 9
	install_packages "$BUILD_NEEDS"
	# Names of programs are looked up again: they may have come just now.
	. scripts/toolchain.sh
	fetch_deno
	if ! $only_check; then build; fi
}

main "$@"
