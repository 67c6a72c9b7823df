#!/usr/bin/env bash
# Builds the exact path (core/) for WebAssembly: clang and lld (Debian: clang lld).
#
#     web/build-core.sh [OUT]     (web/core.wasm)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "${CLANG:-clang}" --target=wasm32 -std=c11 -O3 -msimd128 -mbulk-memory \
    -nostdlib -fvisibility=default \
    -Wl,--no-entry -Wl,--export-dynamic -Wl,--export=__heap_base \
    -o "${1:-$here/core.wasm}" "$here/../core/aec.c"
