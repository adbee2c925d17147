#!/bin/sh
# Writes 1.35.json, 1.36.json and 1.37.json beside this script: the fields that each minor's kubelet and
# kube-proxy configuration has, from that minor's published Go types. Needs Go.
#   generate.sh           writes the files
#   generate.sh --check   changes nothing; fails if a file is not what would be written
# For a new minor add its newest patch to VERSIONS, and a row to MINORS in minors.rs.
set -eu
VERSIONS="0.35.4 0.36.3 0.37.1"

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for version in $VERSIONS; do
    minor=1.$(echo "$version" | cut -d. -f2)
    module=$work/$minor
    mkdir "$module"
    cp "$here/main.go" "$module"
    (
        cd "$module"
        go mod init fields >/dev/null 2>&1
        for name in apimachinery component-base kube-proxy kubelet; do
            go mod edit -require "k8s.io/$name@v$version"
        done
        go mod tidy >/dev/null 2>&1
        go run . >"$work/$minor.json"
    )
    if [ "${1:-}" = --check ]; then
        diff -u "$here/$minor.json" "$work/$minor.json"
    else
        cp "$work/$minor.json" "$here/$minor.json"
    fi
done
