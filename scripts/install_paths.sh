# SPDX-License-Identifier: MulanPSL-2.0
# shellcheck shell=bash disable=SC2034
# Sourced by install.sh, uninstall.sh and package.sh: where each part goes, below an optional root.

INSTALLED_BINARY=/usr/bin/gala-gopher
INSTALLED_CONF=/etc/gala-gopher/gala-gopher.yaml
INSTALLED_PROBES=/usr/libexec/gala-gopher/probes
INSTALLED_UNIT=/usr/lib/systemd/system/gala-gopher.service
INSTALLED_SHARE=/usr/share/gala-gopher
INSTALLED_DOC=/usr/share/doc/gala-gopher
INSTALLED_LOGS=/var/log/gala-gopher
# The configuration as it came, to tell a changed one from it.
INSTALLED_DEFAULT=$INSTALLED_SHARE/gala-gopher.yaml

# Tells systemd, if that is what runs here and the files are its own.
reload_systemd() {
	if [ -z "$1" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}
