#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# The program on a host under full load, as docs/performance.md tells it: CPU, memory, losses, scrapes, and what it costs
# the others. Run as root. Options: --minutes N under load (3), --rounds N of the slowdown (3).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
. scripts/packages.sh

LOAD_NEEDS='
command prometheus-node-exporter prometheus-node-exporter golang-github-prometheus-node-exporter
command wrk wrk wrk
command redis-server redis-server redis
command redis-benchmark redis-tools redis
command nginx nginx-light nginx
command python3 python3 python3
command /usr/sbin/runqlat libbpf-tools bcc-tools
postgres - postgresql-15 postgresql-server
'

install_packages "$LOAD_NEEDS"
scripts/build.sh
exec "$DENO" run --no-check --frozen --allow-all tests/bench/load_bench.ts "$@"
