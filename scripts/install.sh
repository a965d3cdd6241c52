#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Installs gala-gopher from a checkout, or from the unpacked archive that scripts/package.sh makes. Starts nothing.
set -euo pipefail
CALLED_FROM=$PWD
cd "$(dirname "$0")/.."
. scripts/install_paths.sh

usage() {
	cat <<-END
		Usage: scripts/install.sh [--root FOLDER]
		  --root FOLDER  install below this folder instead of /
		A changed configuration is kept; the new one is then put beside it as gala-gopher.yaml.new.
	END
}

# Probes with their metadata; what their builds leave behind stays here.
install_probes() {
	local file
	find probes -type f ! -name '*.pyc' ! -name '*.class' ! -name '*.o' | sort | while read -r file; do
		install -D -m "$(if [ -x "$file" ]; then echo 755; else echo 644; fi)" "$file" \
			"$ROOT$INSTALLED_PROBES/${file#probes/}"
	done
}

# The configuration of a checkout names its probes beside itself; the example is off where nobody asked for it.
default_conf() {
	sed -e "s|\.\./probes/|$INSTALLED_PROBES/|" -e '/^extend_probes:/,$ s/switch: on$/switch: off/' \
		conf/gala-gopher.yaml
}

install_conf() {
	local conf=$ROOT$INSTALLED_CONF default=$ROOT$INSTALLED_DEFAULT
	# What came last time and was not changed may be replaced.
	if [ -e "$conf" ] && ! cmp -s "$conf" "$default"; then
		default_conf >"$conf.new"
		if cmp -s "$conf.new" "$default" || cmp -s "$conf.new" "$conf"; then
			rm "$conf.new"
		else
			chmod 644 "$conf.new"
			echo "kept $conf; the new one is $conf.new" >&2
		fi
	else
		default_conf | install -D -m 644 /dev/stdin "$conf"
	fi
	default_conf | install -D -m 644 /dev/stdin "$default"
}

install_documents() {
	local file
	install -D -m 644 LICENSE "$ROOT$INSTALLED_DOC/LICENSE"
	for file in README*.md docs/*.md packaging/sbom.cdx.json; do
		if [ -e "$file" ]; then
			install -D -m 644 "$file" "$ROOT$INSTALLED_DOC/${file#packaging/}"
		fi
	done
	for file in packaging/prometheus/*.yaml packaging/grafana/*.json packaging/systemd/*.conf; do
		if [ -e "$file" ]; then
			install -D -m 644 "$file" "$ROOT$INSTALLED_SHARE/${file#packaging/}"
		fi
	done
}

main() {
	ROOT=
	while [ $# -gt 0 ]; do
		case $1 in
		--root)
			[ $# -gt 1 ] || { usage >&2; exit 2; }
			ROOT=$(cd "$CALLED_FROM" && realpath -m "$2")
			shift
			;;
		--help | -h)
			usage
			return
			;;
		*)
			usage >&2
			exit 2
			;;
		esac
		shift
	done
	if [ "$ROOT" = / ]; then ROOT=; fi
	if [ ! -x gala-gopher ]; then scripts/build.sh; fi
	umask 022
	# Another file, not the same one written anew: the old program may be running.
	install -D -m 755 gala-gopher "$ROOT$INSTALLED_BINARY.new"
	mv "$ROOT$INSTALLED_BINARY.new" "$ROOT$INSTALLED_BINARY"
	install_conf
	rm -rf "$ROOT$INSTALLED_PROBES"
	install_probes
	install_documents
	install -D -m 644 packaging/gala-gopher.service "$ROOT$INSTALLED_UNIT"
	reload_systemd "$ROOT"
}

main "$@"
