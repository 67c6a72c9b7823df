#!/usr/bin/env bash
# The whole decoder on a processor of 2008, without AVX and FMA: the same
# Python and wheels, in qemu's emulation of an Intel Nehalem.
#
#     PYTHON=.venv/bin/python tests/platforms/no-avx.sh [decode.py options]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need qemu-x86_64 qemu-user

# OpenBLAS, which only numpy brings, takes kernels with AVX here on some hosts.
export OPENBLAS_CORETYPE=Nehalem
exec qemu-x86_64 -cpu Nehalem "$python" "$here/decode.py" \
    "x86-64 without AVX: Nehalem, qemu-user" --threads 1 "$@"
