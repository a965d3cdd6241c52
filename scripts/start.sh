#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Builds if needed, then runs with the configuration of this tree; further arguments go to the program.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh
exec ./gala-gopher -c conf "$@"
