#!/usr/bin/env bash
# Two decoders on 64-bit ARM in qemu-user:
#
# - reference: Debian's arm64 Python and numpy with tests/reference: symbols of the
#   smaller cases, in plain integers;
# - codec: the decoder of this package with onnxruntime's and numpy's arm64 wheels,
#   symbols and pixels. constriction has no such wheel: standin/ decodes.
#
#     PYTHON=.venv/bin/python tests/platforms/aarch64.sh codec
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need qemu-aarch64 qemu-user
need apt-get apt
need dpkg-deb dpkg
root=$work/arm64
wheels=$work/arm64-wheels

if [ ! -e "$root/proc/cpuinfo" ]; then
    apt=$work/arm64-apt     # apt's own folders, so that the system's stay
    mkdir -p "$apt"/{state/lists,cache/archives}/partial "$root"
    touch "$apt/status"
    options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64
             -o Dir::State="$apt/state" -o Dir::State::status="$apt/status"
             -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -qq)
    apt-get "${options[@]}" update
    apt-get "${options[@]}" install -y --download-only \
        --no-install-recommends python3-numpy libstdc++6
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    # onnxruntime asks this file what it runs on, and crashes on another
    # machine's answer; qemu shows it this one.
    mkdir -p "$root/proc"
    for core in 0 1; do
        printf '%s\t: %s\n' processor $core Features 'fp asimd crc32 cpuid' \
            'CPU implementer' 0x41 'CPU architecture' 8 'CPU variant' 0x0 \
            'CPU part' 0xd08 'CPU revision' 3
        echo
    done > "$root/proc/cpuinfo"
fi
version=$(ls "$root/usr/bin" | grep -E '^python3\.[0-9]+$')
if [ ! -e "$wheels/onnxruntime" ]; then
    platforms=(--platform manylinux2014_aarch64
               --platform manylinux_2_27_aarch64
               --platform manylinux_2_28_aarch64)
    "$python" -m pip install -q --target "$wheels" "${platforms[@]}" \
        --only-binary=:all: --python-version "${version#python}" \
        -c "$here/../../constraints.txt" numpy pillow onnxruntime
fi

libraries=$root/usr/lib/aarch64-linux-gnu
arm() {  # decode.py's arguments
    # The blas of alternatives that no package script has set up here.
    PYTHONHOME=$root/usr qemu-aarch64 -cpu cortex-a72 -L "$root" \
        -E LD_LIBRARY_PATH="$libraries/blas:$libraries/lapack" \
        "$root/usr/bin/$version" "$here/decode.py" "$@"
}
case ${1:-} in
reference)
    PYTHONPATH='' arm "aarch64, reference decoder: Debian's numpy, qemu-user" \
        --reference --max-pixels 600 "${@:2}"
    ;;
codec)
    PYTHONPATH=$wheels arm "aarch64: Cortex-A72, qemu-user" --threads 1 \
        "${@:2}"
    ;;
*)
    echo "usage: $0 reference|codec [decode.py options]" >&2
    exit 1
    ;;
esac
