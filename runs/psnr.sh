#!/usr/bin/env bash
# Trains the shipped model from nothing, or goes on with it.
#
#   runs/psnr.sh TRAIN VALID [HOURS]        20 hours if not said
#   runs/psnr.sh --quick TRAIN VALID        10 minutes, to see the curve move
#   runs/psnr.sh --continue TRAIN VALID H   from runs/psnr/next.safetensors, or
#                                            weights.safetensors without it
#
# The run's state is kept in state/, the model and its weights beside it; the
# same command goes on where an earlier one stopped. Last it prints BD-rate
# over hours (runs/curve.py) and codes the validation pictures for real.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=full
case "${1:-}" in --quick | --continue) mode=${1#--}; shift ;; esac
if [ $# -lt 2 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 1
fi
train=$1 valid=$2 hours=${3:-20} extra=()
run=state/photo-$mode
case $mode in
quick) hours=0.167 extra=(--valid-minutes 2 --decay-from 0.3) ;;
continue) from=runs/psnr/next.safetensors
          [ -e "$from" ] || from=runs/psnr/weights.safetensors
          extra=(--init "$from" --crop 384 --near 0.9
                 --ema 0.998 --decay-from 1 --muon-lr 0.003 --trunk-lr 0.0007
                 --rows-lr 0.003 --rate 0.2 --mix-rate 1.5) ;;
esac
[ ! -e "$run/checkpoint.pt" ] || extra=(--resume)

aetrain "$train" --valid "$valid" --name photo --state "$run" \
    --out "$run/model" -f --hours "$hours" "${extra[@]}" \
    --save-weights "$run/weights.safetensors"
python runs/curve.py "$run/log.csv" "$valid" --points
aebench "$valid" --quick --no-report --out "$run/bench" \
    --codecs "aec@$run/model" jpeg-420 avif-444
