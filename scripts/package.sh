#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Makes dist/: .deb, .rpm, .tar.gz, the bill of materials (CycloneDX) and the SHA-256 sums of all of them.
set -euo pipefail
CALLED_FROM=$PWD
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
. scripts/packages.sh
. scripts/install_paths.sh

usage() {
	cat <<-END
		Usage: scripts/package.sh [--version VERSION] [--output FOLDER] [--built] [--fast]
		  --version VERSION  instead of the one in deno.json
		  --output FOLDER    instead of dist/
		  --built            ./gala-gopher is up to date
		  --fast             hardly compressed, for tests
	END
}

# library_version SONAME: of the package that the embedded copy was taken from.
library_version() {
	local path package
	path=$(library_path "$1")
	if [ -n "$APT" ]; then
		# The list of files may know it by its path before or after the merge of /lib into /usr/lib.
		package=$({ dpkg -S "$path" || dpkg -S "${path#/usr}"; } 2>/dev/null | cut -d: -f1 | head -n 1)
		dpkg-query -W -f '${Version}' "$package"
	else
		rpm -qf --qf '%{VERSION}-%{RELEASE}' "$path"
	fi
}

write_sbom() {
	"$DENO" run --no-lock --allow-read scripts/sbom.ts "$VERSION" "$EPOCH" "$DENO_DIR" \
		"deno=$DENO_VERSION=MIT=$DENORT_BIN" \
		"libbpf=$(library_version libbpf.so.1)=LGPL-2.1-only OR BSD-2-Clause=$BUILD/lib/libbpf.so.1" \
		"libelf=$(library_version libelf.so.1)=GPL-2.0-or-later OR LGPL-3.0-or-later=$BUILD/lib/libelf.so.1" \
		"zlib=$(library_version libz.so.1)=Zlib=$BUILD/lib/libz.so.1"
}

# A folder that scripts/install.sh works in: what a checkout has, without the sources.
make_tree() {
	mkdir -p "$1/scripts"
	cp -p scripts/{install,uninstall,install_paths}.sh "$1/scripts/"
	cp -p LICENSE README*.md gala-gopher "$1/"
	cp -rp conf docs packaging probes "$1/"
	# Each package has its own way to install.
	rm -rf "$1"/packaging/{deb,gala-gopher.spec} "$1"/probes/python/__pycache__
	make --silent -C "$1/probes/redis_client" CC="$CLANG" >&2
	write_sbom >"$1/packaging/sbom.cdx.json"
}

make_tar() {
	tar -C "$WORK" --owner=0 --group=0 --numeric-owner --sort=name --mtime="@$EPOCH" -c "$STEM" |
		if $FAST; then gzip -n -1; else gzip -n; fi >"$OUT/$STEM.tar.gz"
}

make_deb() {
	local root=$WORK/deb arch compression=(-Zxz -z1)
	arch=$(case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; esac)
	if $FAST; then compression=(-Znone); fi
	"$TREE/scripts/install.sh" --root "$root"
	# dpkg keeps its own records of the configuration.
	rm "$root$INSTALLED_DEFAULT"
	install -d -m 750 "$root$INSTALLED_LOGS"
	install -d "$root/DEBIAN"
	install -m 755 packaging/deb/{postinst,prerm,postrm} "$root/DEBIAN/"
	echo "$INSTALLED_CONF" >"$root/DEBIAN/conffiles"
	sed -e "s/@VERSION@/$VERSION/" -e "s/@ARCH@/$arch/" \
		-e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" packaging/deb/control >"$root/DEBIAN/control"
	dpkg-deb --root-owner-group "${compression[@]}" -b "$root" "$OUT/gala-gopher_${VERSION}_$arch.deb" >&2
}

make_rpm() {
	local payload=w1T2.xzdio
	if $FAST; then payload=w.ufdio; fi
	rpmbuild -bb --quiet --define "_topdir $WORK/rpm" --define "_rpmdir $OUT" \
		--define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define "_binary_payload $payload" \
		--define "prebuilt $TREE" --define "pkg_version $VERSION" packaging/gala-gopher.spec >&2
}

main() {
	local job
	FAST=false
	BUILT=false
	OUT=$ROOT/dist
	VERSION=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' deno.json)
	while [ $# -gt 0 ]; do
		case $1 in
		--fast) FAST=true ;;
		--built) BUILT=true ;;
		--version | --output)
			[ $# -gt 1 ] || die "Option $1 wants a value"
			if [ "$1" = --output ]; then OUT=$(cd "$CALLED_FROM" && realpath -m "$2"); else VERSION=$2; fi
			shift
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
	[[ $VERSION =~ ^[0-9][0-9A-Za-z.~]*$ ]] || die "Cannot use version \"$VERSION\": wanted digits and dots"
	install_packages "$PACKAGE_NEEDS"
	$BUILT || scripts/build.sh
	EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
	export SOURCE_DATE_EPOCH=$EPOCH
	STEM=gala-gopher-$VERSION-linux-$(uname -m)
	WORK=$(mktemp -d)
	trap 'rm -rf "$WORK"' EXIT
	TREE=$WORK/$STEM
	mkdir -p "$TREE" "$OUT"
	umask 022
	make_tree "$TREE"
	make_tar &
	make_deb &
	make_rpm &
	for job in %1 %2 %3; do wait "$job"; done
	cp "$TREE/packaging/sbom.cdx.json" "$OUT/$STEM.cdx.json"
	(cd "$OUT" && sha256sum -- *"$VERSION"* >SHA256SUMS && ls -l) >&2
}

main "$@"
