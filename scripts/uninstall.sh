#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Removes what scripts/install.sh installed, and the logs; a changed configuration stays.
set -euo pipefail
CALLED_FROM=$PWD
cd "$(dirname "$0")/.."
. scripts/install_paths.sh

main() {
	local root=
	case ${1:-} in
	'') ;;
	--root) root=$(cd "$CALLED_FROM" && realpath -m "${2:?--root wants a folder}") ;;
	*)
		echo "Usage: scripts/uninstall.sh [--root FOLDER]" >&2
		exit 2
		;;
	esac
	if [ "$root" = / ]; then root=; fi
	if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl disable --now gala-gopher.service || true; fi
	if cmp -s "$root$INSTALLED_CONF" "$root$INSTALLED_DEFAULT"; then rm "$root$INSTALLED_CONF"; fi
	rm -f "$root$INSTALLED_CONF.new" "$root$INSTALLED_BINARY" "$root$INSTALLED_UNIT"
	rm -rf "$root$(dirname "$INSTALLED_PROBES")" "$root$INSTALLED_SHARE" "$root$INSTALLED_DOC" "$root$INSTALLED_LOGS"
	rmdir --ignore-fail-on-non-empty "$root$(dirname "$INSTALLED_CONF")" 2>/dev/null || true
	reload_systemd "$root"
	if [ -e "$root$INSTALLED_CONF" ]; then echo "kept $root$INSTALLED_CONF, which was changed" >&2; fi
}

main "$@"
