#!/usr/bin/env bash
# Makes the model of a run one that ships, and measures anew what is said of it.
#
#   runs/release.sh NAME STATE TRAIN VALID KODAK DIGITS [STAGE...]
#
# NAME is look, the default model, or psnr. Stages, all in this order if none is named:
#   model      export, quality made the score, to codec/models/NAME; weights to
#              runs/NAME
#   set        the conformance set; what hostile files cost
#   kodak      size and quality on Kodak by all metrics (about 6 minutes of two
#              idle cores, 45 if the other codecs are to be measured as well)
#   speed      times against other codecs, one thread and all
#   denoise    the encoder codec/models/denoise, trained anew (2,000 steps)
#   effort     every effort on Kodak, gain and time (15 to 40 minutes)
#   platforms  the conformance set on other arithmetic (needs apt and npm)
#   pages      the tables of README.md and docs
#
# What is left to do by hand: the sentences around the tables, docs/model-card.md, a
# row in docs/training-log.md, an entry in docs/training-log-runs.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -lt 6 ]; then
    sed -n '2,21s/^# \{0,1\}//p' "$0" >&2
    exit 1
fi
name=$1 state=$2 train=$3 valid=$4 kodak=$5 digits=$6
shift 6
[ $# -gt 0 ] || set -- model set kodak speed denoise effort platforms pages
results=benchmarks/results/0.2.0
export OMP_NUM_THREADS=1

for stage; do
    echo "== $stage" >&2
    case $stage in
    model)
        aetrain --state "$state" --export --out "$state/model" \
            --name "$name" -f --save-weights "$state/weights.safetensors"
        python -m codec.training.quality "$state/model" "$valid" "codec/models/$name"
        python -m codec.insight.calibrate "$train" --model "codec/models/$name"
        # Only now: the manifest says whether the checkout was clean.
        cp "$state/weights.safetensors" "runs/$name/weights.safetensors"
        rm -f "$results/effort.csv" ;;      # it is of the old model
    set)
        python tests/conformance/make.py
        python tests/fuzz/cost.py --write ;;
    kodak)
        aebench "$kodak" --dataset kodak --jobs 2 --out "$results" ;;
    speed)
        for threads in 1 all; do
            aebench "$kodak" --dataset kodak --speed --threads "$threads" \
                --codecs aec jpeg-420 webp avif-444-iq jxl-e7 \
                --max-megapixels 0.5 --out "$results"
        done ;;
    denoise)
        aetrain "$train" --valid "$valid" --denoise 0,60 \
            --init runs/psnr/weights.safetensors --base psnr --name photo-denoise \
            --steps 2000 --rate 0.75 --decay-from 0 --warmup 30 --ema 0.99 \
            --state state/denoise --out codec/models/denoise -f
        cp state/denoise/log.csv runs/denoise/log.csv ;;
    effort)
        python -m benchmarks.effort "$kodak" --csv "$results/effort.csv" \
            --jobs 2 --rates "$results/kodak.csv" --qualities 15 50 85
        python -m benchmarks.effort_speed "$kodak" \
            --csv "$results/effort-speed.csv" ;;
    platforms)
        export PYTHON=${PYTHON:-$(command -v python)}
        here=tests/platforms
        "$PYTHON" $here/decode.py "x86-64" --record x86-64
        "$PYTHON" $here/decode.py "x86-64, one thread, graphs not optimised" \
            --threads 1 --plain --record x86-64-plain
        $here/no-avx.sh --record no-avx
        $here/aarch64.sh reference --record aarch64-reference
        $here/aarch64.sh codec --record aarch64
        $here/wasm.sh --record wasm
        "$PYTHON" $here/table.py ;;
    pages)
        cp "$results"/{psnr,ssimulacra2}.svg docs/
        python -m benchmarks.pages --train "$train" --valid "$valid" \
            --kodak "$kodak" --digits "$digits" ;;
    *) echo "no such stage: $stage" >&2; exit 1 ;;
    esac
done
