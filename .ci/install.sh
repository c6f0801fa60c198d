#!/bin/sh
# Installs the Debian packages that building and testing need; says nothing when all are there.
# usage: .ci/install.sh [build|test]      (default: test, which includes build)
set -eu

BUILD="gcc make pkg-config libc6-dev libcjson-dev libpcre2-dev libutf8proc-dev libssl-dev zlib1g-dev
       libreadline-dev libsqlite3-dev libopenblas-dev"
FETCH="python3 python3-venv python3-pip ca-certificates"
TEST="libcmocka-dev clang clang-format clang-tidy libclang-rt-dev g++ cmake ninja-build python3-dev
      git locales chromium fonts-dejavu-core cmark zsh fish valgrind"

wanted="$BUILD $FETCH"
[ "${1:-test}" = build ] || wanted="$wanted $TEST"

missing=
for package in $wanted; do
    case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
    *"ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

root=
[ "$(id -u)" = 0 ] || root=sudo
if ! command -v apt-get >/dev/null || { [ -n "$root" ] && ! command -v sudo >/dev/null; }; then
    echo "consilium needs these Debian packages, and neither root nor sudo with apt-get is here:" >&2
    printf '  %s\n' $missing >&2
    exit 1
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
install="$root apt-get install -y --no-install-recommends"
if ! $install $missing >/dev/null 2>&1; then
    $root apt-get update -q >/dev/null
    if ! $install $missing; then
        echo "apt-get could not install:$missing" >&2
        exit 1
    fi
fi
