#!/usr/bin/env bash
# SPDX-License-Identifier: MulanPSL-2.0
# Everything under test, stage by stage; a stage that fails does not hide those after it. `scripts/test.sh NAME...`
# runs only these stages. A stage of `deno test` counts its tests, any other counts as one. The last line is
# "N passed, N failed[, N skipped]", and the exit code says the same.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
. scripts/packages.sh
. scripts/fetch_deno.sh
. scripts/fetch_javas.sh

STAGES=(tools build generated spdx format lint check c-format unit kernel e2e soak kafka probes package newest-check
	newest-unit kernels)
# No stage comes near this; one that hangs must not take the others, or the whole run's 25 minutes, with it.
STAGE_SECONDS=300
# Where other work goes on, these take their time: the second one boots two kernels under emulation.
declare -A STAGE_LIMITS=([kernel]=420 [kernels]=480)
ALL_SECONDS=1320
REPORTS=$BUILD/test
PASSED=0
FAILED=0
SKIPPED=0
FAILED_STAGES=()

# What is generated, as it was checked out: the build writes it anew.
generated_sum() {
	cat src/gen/{layouts,all,protocols}.ts docs/{metrics,configuration}.md conf/gala-gopher.yaml packaging/grafana/*.json 2>/dev/null |
		sha256sum
}
GENERATED=${GENERATED_AT_START:-$(generated_sum)}

stage_tools() {
	(
		set -e
		install_packages "$BUILD_NEEDS$TEST_NEEDS$PACKAGE_NEEDS"
		fetch_deno
		fetch_newest_deno
	)
}

stage_build() {
	scripts/build.sh
}

stage_generated() {
	"$DENO" run --no-lock --allow-read --allow-run=bpftool scripts/gen.ts --check || return
	"$DENO" run --frozen --allow-read scripts/docs.ts --check || return
	if [ "$(generated_sum)" != "$GENERATED" ]; then
		say "src/gen, docs/ or packaging/grafana was not up to date: the build has rewritten it, commit it"
		return 1
	fi
}

# Whether each source file says its licence in its first line, or after the line that names its interpreter.
stage_spdx() {
	local file wanted status=0
	while read -r file; do
		case $file in
		bpf/* | *.bpf.c) wanted='SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause' ;;
		*) wanted='SPDX-License-Identifier: MulanPSL-2.0' ;;
		esac
		if ! head -n 2 "$file" | sed '2{/^#!/d}' | grep -qF "$wanted"; then
			say "$file: no line \"$wanted\""
			status=1
		fi
	done < <(find bpf scripts src tests probes .ci main.ts -type f \
		\( -name '*.ts' -o -name '*.tsx' -o -name '*.sh' -o -name '*.[ch]' -o -name '*.py' -o -name '*.java' -o -path .ci/run \) | sort)
	return "$status"
}

stage_format() {
	"$DENO" fmt --check
}

stage_lint() {
	"$DENO" lint
}

type_check() {
	local files
	mapfile -t files < <(find main.ts src scripts tests -name '*.ts' | sort)
	"$1" check --frozen "${files[@]}"
}

stage_check() {
	type_check "$DENO"
}

stage_c-format() {
	"$CLANG_FORMAT" --dry-run -Werror bpf/*.[ch] probes/*/*.c tests/kernel/*.c
}

# tests NAME DENO FLAG-OR-PATH...: types are another stage's matter.
tests() {
	local name=$1 deno=$2
	shift 2
	"$deno" test --no-check --frozen --allow-all --junit-path="$REPORTS/$name.xml" "$@"
}

unit_tests() {
	tests "$1" "$2" src scripts
}

stage_unit() {
	unit_tests unit "$DENO"
}

stage_kernel() {
	tests kernel "$DENO" tests/kernel
}

# The kernel tests and the program on other kernels, under emulation, both at the same time: tests/kernel/vm.sh tells
# each test's name.
stage_kernels() {
	local kernel failed=0 children=()
	install_packages "$KERNELS_NEEDS"
	export BOOT_SECONDS=$((STAGE_LIMITS[kernels] - 40))
	mkdir -p "$BUILD/vm"
	for kernel in 6.1 6.12; do
		tests/kernel/vm.sh "$kernel" >"$BUILD/vm/$kernel.log" 2>&1 &
		children+=($!)
	done
	for kernel in 6.1 6.12; do
		kernel_verdict "$kernel" "${children[0]}" || failed=1
		children=("${children[@]:1}")
	done
	return "$failed"
}

# A collector of OpenTelemetry, from PyPI: a program inside a package of Python.
fetch_rotel() {
	local rotel=$TOOLS/rotel version=0.0.1a15
	if [ -e "$rotel/rotel-$version.dist-info" ]; then return; fi
	rm -rf "$rotel"
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
		--only-binary=:all: --python-version 3.11 --implementation cp --target "$rotel" \
		"rotel==$version" >&2
}

# kernel_verdict KERNEL PID: what came of its tests. It says, and is no failure, when doctor said else there than
# docs/kernels.md: Debian's updates of a kernel change what it has.
kernel_verdict() {
	local status=0
	wait "$2" || status=$?
	cat "$BUILD/vm/$1.log"
	if [ "$status" = 77 ]; then
		say "kernel $1: skipped"
		return
	fi
	cat "$BUILD/vm/$1.xml" >>"$REPORTS/kernels.xml"
	"$DENO" run --no-check --allow-all scripts/kernel_table.ts --check "$1" "$BUILD/vm/$1.json" || true
	return "$status"
}

stage_e2e() {
	fetch_rotel && tests e2e "$DENO" tests/e2e
}

# Half a minute of what SOAK_MINUTES=60 does by hand, and faults of the host.
stage_soak() {
	tests soak "$DENO" tests/soak
}

# A broker of Apache's release, from Maven Central; it is kept in .tools.
fetch_kafka() {
	local jars=$TOOLS/kafka
	if [ -e "$jars/.pom" ] && cmp -s tests/kafka/pom.xml "$jars/.pom"; then return; fi
	rm -rf "$jars"
	mvn -q -B -f tests/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
		-DoutputDirectory="$(realpath "$TOOLS")/kafka" >&2 && cp tests/kafka/pom.xml "$jars/.pom"
}

stage_kafka() {
	fetch_kafka && tests kafka "$DENO" --parallel tests/kafka
}

# The shipped third-party probes, each with the server that it observes.
stage_probes() {
	fetch_javas &&
		make --silent -C probes/redis_client CC="$CLANG" &&
		tests probes "$DENO" --parallel tests/probes
}

# Packages, the unit, trimmed builds, dashboards and rules, guides.
stage_package() {
	tests package "$DENO" tests/package
}

stage_newest-check() {
	type_check "$NEWEST_DENO"
}

stage_newest-unit() {
	unit_tests newest-unit "$NEWEST_DENO"
}

# attribute NAME ELEMENT FILE: the sum of that attribute over all such elements.
attribute() {
	grep -o "<$2 [^>]*" "$3" | grep -o " $1=\"[0-9]*\"" | tr -dc '0-9\n' | awk '{ sum += $1 } END { print sum + 0 }'
}

# add_up STAGE STATUS
add_up() {
	local report=$REPORTS/$1.xml tests=1 failed=0 skipped=0
	if [ -e "$report" ]; then
		tests=$(attribute tests testsuites "$report")
		failed=$(($(attribute failures testsuites "$report") + $(attribute errors testsuites "$report")))
		skipped=$(attribute disabled testsuite "$report")
	fi
	# It failed as a whole: a file that does not load, a leak, a time-out.
	if [ "$2" != 0 ] && [ "$failed" = 0 ]; then
		failed=1
		if [ "$tests" -le "$skipped" ]; then tests=$((skipped + 1)); fi
	fi
	PASSED=$((PASSED + tests - failed - skipped))
	FAILED=$((FAILED + failed))
	SKIPPED=$((SKIPPED + skipped))
}

run_stage() {
	local name=$1 start=$SECONDS limit=$((ALL_SECONDS - SECONDS)) status=0 verdict=ok
	local most=${STAGE_LIMITS[$name]:-$STAGE_SECONDS}
	say "== $name"
	rm -f "$REPORTS/$name.xml"
	if [ "$limit" -gt "$most" ]; then limit=$most; fi
	# Nought would mean no limit.
	if [ "$limit" -lt 1 ]; then limit=1; fi
	timeout --kill-after=10 "$limit" scripts/test.sh --stage "$name" </dev/null || status=$?
	if [ "$status" != 0 ]; then
		verdict=FAILED
		FAILED_STAGES+=("$name")
	fi
	if [ "$status" = 124 ]; then say "$name took longer than $limit s"; fi
	add_up "$name" "$status"
	say "== $name: $verdict, $((SECONDS - start)) s"
}

# The failed tests of a report and what they said, at most 60 lines of each: at the end of the run, where the reader
# of a long output looks first.
failures_of() {
	awk '
		/<testcase / { sub(/^ *<testcase name="/, ""); sub(/" classname="/, " ("); sub(/" .*/, ")"); name = $0 }
		/<failure / { print "FAILED " name; lines = 1 }
		lines && lines++ <= 60
		/<\/failure>/ { lines = 0 }
	' "$1" | sed "s/&lt;/</g; s/&gt;/>/g; s/&quot;/\"/g; s/&apos;/'/g; s/&amp;/\&/g"
}

main() {
	local name
	if [ "${1:-}" = --stage ]; then
		"stage_$2"
		return
	fi
	for name in "$@"; do
		[[ " ${STAGES[*]} " = *" $name "* ]] ||
			die "Cannot run stage \"$name\"; there are: ${STAGES[*]}"
	done
	if [ $# = 0 ]; then set -- "${STAGES[@]}"; fi
	mkdir -p "$REPORTS"
	# Only the first process of the run has seen the tree as it was.
	export GENERATED_AT_START=$GENERATED
	for name in "$@"; do run_stage "$name"; done
	if [ "$FAILED" != 0 ]; then
		for name in "${FAILED_STAGES[@]}"; do
			if [ -e "$REPORTS/$name.xml" ]; then failures_of "$REPORTS/$name.xml" >&2; fi
		done
		say "failed: ${FAILED_STAGES[*]}"
	fi
	if [ "$SKIPPED" != 0 ]; then
		echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	else
		echo "$PASSED passed, $FAILED failed"
	fi
	[ "$FAILED" = 0 ]
}

main "$@"
