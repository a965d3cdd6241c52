#!/bin/sh
# SPDX-License-Identifier: MulanPSL-2.0
# Prints what the kernel says of IP virtual servers in /proc/net/ip_vs, ip_vs_conn and ip_vs_stats.
# Usage: lvs_probe.sh [-t SECONDS] [-m LINKS]; below the folder GOPHER_HOST_PATH when that is set.

interval=5
max_links=1000
time_limit=3
root=${GOPHER_HOST_PATH:-}
folder=$(dirname "$0")

usage() {
	echo "[ERROR] usage: lvs_probe.sh [-t SECONDS] [-m LINKS]" >&2
	exit 2
}

while getopts t:m: option; do
	case $option in
	t) interval=$OPTARG ;;
	m) max_links=$OPTARG ;;
	*) usage ;;
	esac
done
case $interval in '' | . | *[!0-9.]* | *.*.*) usage ;; esac
case $max_links in '' | *[!0-9]*) usage ;; esac

# The agent closes our stdin to end us, and so does its death. A terminal or /dev/null says nothing.
main=$$
if [ -p /dev/stdin ] || [ -S /dev/stdin ]; then
	exec 3<&0
	(
		while read -r _; do :; done <&3
		kill -s TERM "$main"
	) >/dev/null 2>&1 &
	watcher=$!
	exec 3<&-
	trap 'kill "$watcher" 2>/dev/null' EXIT
fi
trap 'exit 0' TERM
trap '' PIPE

# Says the same only once in 600 readings.
complain() {
	repeated=$((${repeated:-0} + 1))
	if [ "$1" != "$complaint" ] || [ "$repeated" -gt 600 ]; then
		echo "[WARN] no rows from IPVS: $1" >&2
		repeated=0
	fi
	complaint=$1
}

# The host's own network, which is not ours when we run in a container.
net_folder() {
	for net in "$root/proc/1/net" "$root/proc/net"; do
		[ -e "$net/ip_vs" ] && return
	done
	return 1
}

read_once() {
	if ! net_folder; then
		complain "$root/proc/net/ip_vs is missing: the kernel has no IPVS, or the module ip_vs is not loaded"
		return
	fi
	if ! rows=$(timeout "$time_limit" awk -v "max_links=$max_links" -f "$folder/lvs_rows.awk" \
		"$net/ip_vs" "$net/ip_vs_conn" "$net/ip_vs_stats" 2>&1); then
		complain "reading $net failed or took more than $time_limit s: $(echo "$rows" | tail -n 1)"
		return
	fi
	if [ -n "$complaint" ]; then echo "[INFO] IPVS answers again" >&2; fi
	complaint=
	# awk's own output would be cut anywhere: its buffer knows no lines.
	echo "$rows" | while read -r row; do
		case $row in '|'*) printf '%s\n' "$row" 2>/dev/null || return 1 ;; esac
	done
}

complaint=
while :; do
	# The parent, which is another one when ours has died.
	read -r _ _ _ parent _ </proc/$$/stat
	[ "$parent" = "$PPID" ] || exit 0
	read_once || exit 0
	# In the background, so that SIGTERM ends the probe at once and not after the pause.
	sleep "$interval" >/dev/null 2>&1 &
	wait $!
done
