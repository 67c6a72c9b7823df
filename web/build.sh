#!/usr/bin/env bash
# Everything in one folder, web/dist: the package, core, engine, shipped models, page.
# Needs node, clang and lld; `npm ci` comes first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
models=../codec/models
default=$(sed -n 's/^DEFAULT = "\(.*\)"$/\1/p' ../codec/model/find.py)
shipped=("$models"/*/model.json)  # encoders, which ship as well, have none
./build-core.sh
rm -rf dist
QUALITY=$(sed -n 's/^QUALITY = \([0-9.]*\).*/\1/p' ../codec/limits.py) \
    node assemble.mjs dist "$models/$default" "${shipped[@]%/model.json}"
