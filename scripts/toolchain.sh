# SPDX-License-Identifier: MulanPSL-2.0
# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: what the build uses, in which version, and where it is kept. To build with another
# Deno, change DENO_VERSION and the checksums of this file: the compile runtime must be of exactly the same version.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$ROOT/.tools
BUILD=$ROOT/build

DENO_VERSION=2.7.14
# The program in this wheel was compiled with that Deno, so it begins with the compile runtime.
DENORT_WHEEL=bids-validator-deno
DENORT_WHEEL_VERSION=3.0.0a3
DENORT_WHEEL_MEMBER=bids_validator_deno-3.0.0a3.data/scripts/bids-validator-deno
# Sources are checked and unit tested with this one too; its compile runtime is not to be had as a package.
NEWEST_DENO_VERSION=2.9.6

case $(uname -m) in
x86_64)
	BPF_ARCH=x86
	DENO_TARGET=x86_64-unknown-linux-gnu
	WHEEL_ARCH=x86_64
	DENO_SHA256=83ae80d34812cb7a4f246a21f707901b71fa937461500f5f0a2e19865115f3fb
	DENORT_SHA256=44fa11ae44592891a07ecc3967cdb091ae316a947d60929415d26dedbb8f55b7
	NEWEST_DENO_SHA256=bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0
	;;
aarch64)
	BPF_ARCH=arm64
	DENO_TARGET=aarch64-unknown-linux-gnu
	WHEEL_ARCH=aarch64
	DENO_SHA256=061a72feaed4b0701630b85cad98546a8ff4cbfe26a91e78b4718382237f7191
	DENORT_SHA256=0d8efb0267594b14f4cb073f8813c456b283debf467cd36cd9e01db7eaf174f7
	NEWEST_DENO_SHA256=
	;;
*)
	echo "Cannot build on $(uname -m): wanted x86_64 or aarch64" >&2
	exit 1
	;;
esac

DENO=$TOOLS/deno-$DENO_VERSION
NEWEST_DENO=$TOOLS/deno-$NEWEST_DENO_VERSION
# A runtime that the caller names wins over the one that is fetched.
export DENORT_BIN=${DENORT_BIN:-$TOOLS/denort-$DENO_VERSION}
export DENO_DIR=${DENO_DIR:-$TOOLS/cache}
export DENO_NO_UPDATE_CHECK=1
# Deno's own list of certificate authorities does not hold those of a company's proxy; the system's does.
export DENO_TLS_CA_STORE=${DENO_TLS_CA_STORE:-mozilla,system}
# bpftool is in sbin, which a user's PATH often lacks.
case :$PATH: in *:/usr/sbin:*) ;; *) export PATH=$PATH:/usr/sbin:/sbin ;; esac

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# The name with Debian's version suffix, else the plain one of other distributions.
versioned() {
	if command -v "$1-19" >/dev/null; then echo "$1-19"; else echo "$1"; fi
}
CLANG=$(versioned clang)
LLVM_STRIP=$(versioned llvm-strip)
CLANG_FORMAT=$(versioned clang-format)
export CLANG
