#!/usr/bin/env bash
# The cluster test: builds what it needs where that is not there yet, and runs the parts that are
# named (run.py lists them), or all without a word. Ends with 0 and "skipped: …" where something cannot be had.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python3 -c 'import yaml' 2>/dev/null || { echo "skipped: the cluster test needs PyYAML" >&2; exit 0; }
command -v kubectl >/dev/null || { echo "skipped: the cluster test needs kubectl" >&2; exit 0; }
status=0
"$here/build.sh" || status=$?
[ $status = 77 ] && exit 0
[ $status = 0 ] || exit $status
cargo build --manifest-path "$here/../../Cargo.toml" -p image-factory
exec python3 "$here/run.py" "$@"
