# Sourced by the scripts here: where things are, and what is missing.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${WORK:-${TMPDIR:-/tmp}/aecompress-platforms}
python=${PYTHON:-python3}
mkdir -p "$work"

need() {  # COMMAND, Debian package
    command -v "$1" >/dev/null || {
        echo "$0: $1 is missing; apt-get install $2" >&2
        exit 1
    }
}
