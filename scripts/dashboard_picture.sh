#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Makes docs/dashboard.png from a run of the program on this host, as tests/dashboard/picture.ts tells. Run as root.
# Options: --minutes N of load that are shown (15), --height PIXELS of the picture (1662).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
. scripts/packages.sh

PICTURE_NEEDS='
command prometheus prometheus golang-github-prometheus
command chromium chromium chromium
command pngquant pngquant pngquant
file /usr/share/fonts/opentype/inter/Inter-Regular.otf fonts-inter rsms-inter-fonts
command wrk wrk wrk
command redis-server redis-server redis
command redis-benchmark redis-tools redis
command nginx nginx-light nginx
postgres - postgresql-15 postgresql-server
'

# Grafana's libraries are only here: the program has nothing of them.
build_page() {
	local built=$TOOLS/dashboard
	mkdir -p "$built"
	cp tests/dashboard/page.tsx "$built"
	cp tests/dashboard/page.deno.json "$built/deno.json"
	cp tests/dashboard/page.deno.lock "$built/deno.lock"
	(
		cd "$built"
		"$DENO" install --quiet --frozen
		"$DENO" run --quiet --frozen --allow-all npm:esbuild@0.28.2 page.tsx --bundle --minify --jsx=automatic \
			--loader:.ttf=dataurl --define:process.env.NODE_ENV='"production"' --outdir=. --log-level=error
	)
}

install_packages "$PICTURE_NEEDS"
scripts/build.sh
build_page
exec "$DENO" run --no-check --frozen --allow-all tests/dashboard/picture.ts "$@"
