#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Builds ./gala-gopher. Installs what is missing, then runs only the steps whose inputs changed.
set -euo pipefail
CALLED_FROM=$PWD
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
. scripts/packages.sh
. scripts/fetch_deno.sh

SIZE_LIMIT=100000000
# cpu=v3: atomic operations that give the old value (Linux 5.12), and shorter programs.
BPF_FLAGS=(-target bpf -mcpu=v3 -g -O2 -Wall -Werror "-D__TARGET_ARCH_$BPF_ARCH" -I bpf)
# deno lets only a program with all permissions read /proc and /sys; and a program that may call C may do all anyway.
# V8's memory reducer marks the whole heap every half minute: it took a quarter of an idle agent's CPU time for 1 MB.
# The agent asks for it instead, every few minutes; then what was compiled for the start alone goes too, and pages
# that are free go back at once. Code of its first compiler, Sparkplug, takes 1 MB, and a reading with a scrape takes
# no more CPU time without it.
COMPILE_FLAGS=(--no-code-cache --no-check --no-config --no-lock --no-prompt --allow-all
	--v8-flags=--no-memory-reducer,--expose-gc,--bytecode-old-age=2,--no-memory-pool,--no-sparkplug)

usage() {
	cat <<-END
		Usage: scripts/build.sh [--check] [--release | --debug] [--without PROBES] [--output FILE] [--clean]
		  --check           install what is missing on this machine, and stop
		  --release         the default: BPF objects without DWARF
		  --debug           with DWARF and source maps
		  --without PROBES  leave these probes out: names with "," or "|" between; the original's names of
		                    groups count too; without it, PROBES="a|b" in tailor.conf
		  --output FILE     instead of ./gala-gopher
		  --clean           remove build/ and ./gala-gopher, and stop
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
# bundle SOURCES STAGE
bundle() {
	local flags=(--quiet --frozen --code-splitting --config "$1/deno.json")
	rm -rf "$2/js" "$2/whole" "$2/maps"
	if [ "$MODE" = debug ]; then
		"$DENO" bundle "${flags[@]}" --sourcemap=inline --outdir "$2/js" "$1/main.ts"
		return
	fi
	# In two steps: what --minify makes of CommonJS packages in one cannot require anything.
	"$DENO" bundle "${flags[@]}" --outdir "$2/whole" "$1/main.ts"
	# Without --keep-names, which gives each function a property of its own: 0.5 MB of heap. What a stack's places
	# mean is in maps/, which is not embedded.
	"$DENO" bundle "${flags[@]}" --minify --sourcemap=external --outdir "$2/js" "$2/whole/main.js"
	mkdir -p "$2/maps"
	mv "$2"/js/*.map "$2/maps/"
}

# Compiled inside the stage, so that what is embedded stands beside js/ as it stands there.
# compile_program STAGE OUTPUT
compile_program() {
	local size file
	rm -rf "$1/out" "$1/packed"
	mkdir -p "$1/packed/bpf" "$1/packed/lib"
	for file in "$1"/bpf/*.bpf.o "$1"/lib/*.so.*; do gzip -9nc "$file" >"$1/packed/${file#"$1"/}.gz"; done
	(cd "$1" && "$DENO" compile --quiet "${COMPILE_FLAGS[@]}" --include js --include packed \
		--include version.txt --output out/gala-gopher js/main.js)
	size=$(stat -c %s "$1/out/gala-gopher")
	if [ "$MODE" = release ] && [ "$size" -ge "$SIZE_LIMIT" ]; then
		die "gala-gopher has $size bytes; wanted less than $SIZE_LIMIT"
	fi
	mkdir -p "$(dirname "$2")"
	mv "$1/out/gala-gopher" "$2"
	say "built $2 $(<"$1/version.txt"), $size bytes${WITHOUT:+, without $WITHOUT}"
}

sources() {
	find "$1/main.ts" "$1"/deno.{json,lock} "$1/src" -type f \
		\( -name '*.ts' ! -name '*_test.ts' -o -name 'deno.*' \) | sort
}

# PROBES of tailor.conf, where the original's build looks for it; nothing of the file is run.
tailor_conf() {
	if [ ! -e tailor.conf ]; then return; fi
	sed -n 's/^[[:space:]]*\(export[[:space:]]\+\)\?PROBES="\?\([^"#]*\)"\?.*/\2/p' tailor.conf | tail -n 1
}

# A copy of the sources whose list of probes lacks those of $WITHOUT, and the objects that are left.
tailor() {
	local object objects
	rm -rf "$1"/{src,bpf,lib}
	mkdir -p "$1/bpf"
	cp -r main.ts deno.json deno.lock src "$1/"
	objects=$("$DENO" run --no-lock --allow-read --allow-write="$1" scripts/tailor.ts "$WITHOUT" "$1") || exit
	for object in $objects; do cp "$BUILD/bpf/$object" "$1/bpf/"; done
	cp -r "$BUILD/lib" "$BUILD/version.txt" "$1/"
}

# A program elsewhere is compiled each time: nothing says what it was built from.
make_program() {
	if [ "$OUTPUT" = gala-gopher ]; then
		step gala-gopher gala-gopher "$1"/js/*.js "$1"/bpf/*.bpf.o "$1"/lib/*.so.* "$1/version.txt" "$DENORT_BIN" \
			-- compile_program "$1" gala-gopher
	else
		compile_program "$1" "$OUTPUT"
	fi
}

build() {
	local files root=. stage=$BUILD
	build_objects
	step lib "$BUILD/lib/libz.so.1" "$(library_path libbpf.so.1)" "$(library_path libelf.so.1)" \
		"$(library_path libz.so.1)" -- copy_libraries
	"$DENO" run --no-lock --allow-read --allow-write=src/gen --allow-run=bpftool scripts/gen.ts >&2
	# What a probe says of its maps is checked against their layouts by their types alone.
	mapfile -t files < <(find src/core src/gen src/probes -name '*.ts' ! -name '*_test.ts' | sort)
	step types "$BUILD/stamps" "${files[@]}" -- "$DENO" check --quiet --frozen src/gen/all.ts
	"$DENO" run --frozen --allow-read --allow-write=docs,packaging,conf scripts/docs.ts >&2
	write_version
	if [ -n "$WITHOUT" ]; then
		root=$BUILD/tailored stage=$BUILD/tailored
		tailor "$stage"
	fi
	mapfile -t files < <(sources "$root")
	step "js${WITHOUT:+-tailored}" "$stage/js/main.js" "${files[@]}" -- bundle "$root" "$stage"
	make_program "$stage"
}

main() {
	local only_check=false
	MODE=release
	OUTPUT=gala-gopher
	WITHOUT=$(tailor_conf)
	shopt -s nullglob
	while [ $# -gt 0 ]; do
		case $1 in
		--check) only_check=true ;;
		--release | --debug) MODE=${1#--} ;;
		--without | --output)
			[ $# -gt 1 ] || die "Option $1 wants a value"
			if [ "$1" = --output ]; then OUTPUT=$(cd "$CALLED_FROM" && realpath -m "$2"); else WITHOUT=$2; fi
			shift
			;;
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
