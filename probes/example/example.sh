#!/bin/sh
# SPDX-License-Identifier: MulanPSL-2.0
# The smallest useful external probe: every INTERVAL seconds one row about this host, in the order of example.meta.
# Usage: example.sh [INTERVAL]

interval=${1:-5}
case $interval in
'' | *[!0-9]* | 0*)
	echo "[ERROR] interval \"$interval\" is no whole number of seconds above 0" >&2
	exit 2
	;;
esac

# Jiffies since boot, all and idle (with waiting for disks); guest time is already part of user time.
cpu_times() {
	read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
	all=$((user + nice + system + idle + iowait + irq + softirq + steal))
	free=$((idle + iowait))
}

# $1 of $2 in percent, with one digit after the point.
percent() {
	tenths=0
	[ "$2" -gt 0 ] && tenths=$((1000 * $1 / $2))
	[ "$tenths" -lt 0 ] && tenths=0
	echo "$((tenths / 10)).$((tenths % 10))"
}

memory_percent() {
	while read -r name value _; do
		case $name in
		MemTotal:) total=$value ;;
		MemAvailable:)
			percent $((total - value)) "$total"
			return
			;;
		esac
	done </proc/meminfo
}

# IPv4 and IPv6; a host without IPv6 has no second file.
tcp_connections() {
	connections=0
	for file in /proc/net/sockstat /proc/net/sockstat6; do
		[ -r "$file" ] || continue
		while read -r name _ inuse _; do
			case $name in TCP: | TCP6:) connections=$((connections + inuse)) ;; esac
		done <"$file"
	done
	echo "$connections"
}

host=$(uname -n)
cpu= # not known before there is a second reading: an empty field says so
cpu_times
while :; do
	echo "|example|$host|$cpu|$(memory_percent)|$(tcp_connections)|"
	all_before=$all free_before=$free
	# In the background, so that SIGTERM ends the probe at once and not after the pause.
	sleep "$interval" &
	wait $!
	cpu_times
	busy=$((all - all_before - free + free_before))
	cpu=$(percent "$busy" $((all - all_before)))
done
