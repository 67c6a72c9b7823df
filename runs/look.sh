#!/usr/bin/env bash
# Trains the model for the look, or goes on with it.
#
#   runs/look.sh TRAIN VALID HOURS
#
# Starts from runs/look/weights.safetensors, or where there are none from the
# model for PSNR, whose synthesis it makes lighter. The run's state is kept in
# state/look, the model and its weights beside it; the same command goes on where
# an earlier one stopped. Last it prints BD-rate over hours (runs/look.py).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -ne 3 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 1
fi
train=$1 valid=$2 hours=$3
run=state/look
if [ -e "$run/checkpoint.pt" ]; then
    from=(--resume)
elif [ -e runs/look/weights.safetensors ]; then
    from=(--init runs/look/weights.safetensors)
else
    from=(--init runs/psnr/weights.safetensors
          --sizes s_hidden8=160,s_hidden16=80)
fi

aetrain "$train" --valid "$valid" --name look --state "$run" \
    --out "$run/model" -f --hours "$hours" "${from[@]}" --crop 384 \
    --loss mse:0.27,ssimulacra2:0.5,ms-ssim:0.4 \
    --loss-high mse:0.6,ssimulacra2:0.25,ms-ssim:0.25 \
    --rate 0.25 --gain-rate 8 --table-lr 0.01 --clip 1.5 --warmup 50 \
    --near 0.9 --ema 0.995 --decay-from 1 \
    --save-weights "$run/weights.safetensors"
python runs/look.py "$valid" "$run/log.csv"
