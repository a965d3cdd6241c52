#!/bin/sh
# SPDX-License-Identifier: MulanPSL-2.0
# Runs JvmProbe with a Java that is here: compiled, when somebody has done that, else from its source.
# Usage: jvm_probe.sh [-t SECONDS]

folder=$(dirname "$0")
java=${JAVA_HOME:+$JAVA_HOME/bin/java}
if [ ! -x "$java" ]; then java=$(command -v java); fi
if [ -z "$java" ]; then
	echo "[ERROR] there is no java in JAVA_HOME or PATH: install one of version 11 or later" >&2
	exit 1
fi
if [ -e "$folder/classes/JvmProbe.class" ]; then
	set -- -cp "$folder/classes" JvmProbe "$@"
else
	set -- "$folder/JvmProbe.java" "$@"
fi
# Small, and without performance data: it would see itself.
exec "$java" -Xmx64m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "$@"
