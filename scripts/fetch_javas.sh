# SPDX-License-Identifier: MulanPSL-2.0
# shellcheck shell=bash
# Sourced: brings Java machines of versions that this Debian does not have, for the tests of the jvm probe. They are
# Debian's own of its unstable suite, checked by apt, unpacked beside their C library and made to use that one: nothing is
# installed. Versions there change; what is wanted is any of each major version.

JAVA_VERSIONS="8 11 21"

# As apt-get, but with lists and packages of its own.
javas_apt() {
	local program=$1 work=$2
	shift 2
	"$program" -qq -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$work/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o Acquire::Retries=2 "$@"
}

# What the packages name in /etc stands below `root`, too.
join_etc() {
	local root=$1 link target
	find "$root/usr/lib/jvm" -type l -lname '/etc/*' | while read -r link; do
		target=$(readlink "$link")
		ln -sfn "$root$target" "$link"
	done
}

unpack_javas() {
	local work=$1 root=$2 libraries file
	for file in "$work"/*.deb; do dpkg-deb -x "$file" "$root"; done
	join_etc "$root"
	libraries=$(dirname "$(find "$root" -name libc.so.6 | head -n 1)")
	find "$root/usr/lib/jvm" -type f -name java -path '*/bin/java' | while read -r file; do
		patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" \
			--force-rpath --set-rpath "$libraries:$(patchelf --print-rpath "$file")" "$file"
	done
}

# Leaves them in $TOOLS/javas; without a network they are missed, not wrong.
fetch_javas() {
	local final work packages
	final=$(realpath "$TOOLS")/javas
	if [ -e "$final/complete" ] || [ "$(uname -m)" != x86_64 ]; then return; fi
	work=$(mktemp -d)
	mkdir -p "$work/lists/partial" "$work/archives/partial"
	: >"$work/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" \
		>"$work/sources.list"
	read -ra packages <<<"$(printf 'openjdk-%s-jre-headless ' $JAVA_VERSIONS)"
	packages+=(libc6 libgcc-s1 libstdc++6 zlib1g)
	if javas_apt apt-get "$work" update && (cd "$work" && javas_apt apt-get "$work" download "${packages[@]}"); then
		rm -rf "$final"
		unpack_javas "$work" "$final" && touch "$final/complete"
	else
		say "Java $JAVA_VERSIONS cannot be fetched: the jvm probe is tested with what is installed"
	fi
	rm -rf "$work"
}
