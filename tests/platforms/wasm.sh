#!/usr/bin/env bash
# The decoder with every graph, exact and float, in onnxruntime-web's
# WebAssembly in Node; Python only carries arrays to and fro.
#
#     PYTHON=.venv/bin/python tests/platforms/wasm.sh [decode.py options]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need node nodejs
need npm npm
modules=$work/wasm
if [ ! -e "$modules/node_modules/onnxruntime-web" ]; then
    mkdir -p "$modules"
    (cd "$modules" && npm install --silent --no-audit --no-fund \
        --ignore-scripts onnxruntime-web@1.30.0)
fi
exec "$python" "$here/decode.py" "WebAssembly in Node: onnxruntime-web" \
    --wasm "$modules" "$@"
