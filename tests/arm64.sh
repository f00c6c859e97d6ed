#!/usr/bin/env bash
# The car's path on the instruction sets of a Pi 4 and a Pi 5, held against this machine: `make arm64`.
#
#   tests/arm64.sh VENV BUNDLE
#
# Needs root, and Debian's qemu-user-static and mmdebstrap. The emulated system is made once, in VENV/arm64; delete it to
# have it made anew. Only its programs are emulated, and neither /proc nor /sys is mounted in it: the CPU detection of
# ONNX Runtime crashes when it sees those of another machine.
set -euo pipefail
VENV=$1 BUNDLE=$2 HERE=$(dirname "$0")
ROOT=$VENV/arm64 SITE=$VENV/arm64/site FOUND=$VENV/arm64_found
BOARDS="cortex-a72 cortex-a76"

need() { echo "make arm64 needs $1; type: $2" >&2; exit 2; }
[ "$(id -u)" = 0 ] || need "root, for chroot" "sudo make arm64"
[ -n "$(command -v qemu-aarch64-static)" ] && [ -n "$(command -v mmdebstrap)" ] ||
  need "an emulator and a Debian to emulate" "apt-get install qemu-user-static mmdebstrap"

if [ ! -x "$ROOT/qemu-aarch64-static" ]; then
  rm -rf "$ROOT"
  # Python 3.11, and what the wheels link to; unpacked only, so nothing runs under emulation here.
  packages=python3.11-minimal,libpython3.11-stdlib,libsqlite3-0,libstdc++6,zlib1g,libexpat1,libffi8
  mmdebstrap --quiet --variant=extract --architectures=arm64 --include="$packages" bookworm "$ROOT"
  platforms=()
  for version in 2_34 2_28 2_27 2_17; do platforms+=(--platform "manylinux_${version}_aarch64"); done
  "$VENV/bin/pip" wheel -qq --no-deps --wheel-dir "$ROOT/wheel" .
  "$VENV/bin/pip" install -qq --target "$SITE" -c constraints.txt --only-binary=:all: --python-version 3.11 \
    --implementation cp "${platforms[@]}" --platform manylinux2014_aarch64 "$ROOT"/wheel/*.whl
  cp "$(command -v qemu-aarch64-static)" "$ROOT/"
fi
# Today's package, on what was installed then.
rm -rf "$SITE/mle_uvad" "$ROOT/work" "$FOUND"
mkdir -p "$ROOT/work" "$ROOT/tmp" "$FOUND"
"$VENV/bin/pip" install -qq --no-deps --target "$ROOT/work/now" .
mv "$ROOT/work/now/mle_uvad" "$SITE/"

"$VENV/bin/python" "$HERE/arm64_path.py" calibrate "$BUNDLE" "$ROOT/work/calibration.json"
cp -r "$BUNDLE" "$ROOT/work/lens"
cp "$HERE/arm64_path.py" "$ROOT/work/"
"$VENV/bin/python" "$HERE/arm64_path.py" run "$BUNDLE" "$ROOT/work/calibration.json" "$FOUND/here.json"
for board in $BOARDS; do
  QEMU_CPU=$board PYTHONPATH=/site chroot "$ROOT" /qemu-aarch64-static /usr/bin/python3.11 /work/arm64_path.py \
    run /work/lens /work/calibration.json "/work/$board.json" 2> "$FOUND/$board.log" ||
    { cat "$FOUND/$board.log" >&2; exit 1; }
  mv "$ROOT/work/$board.json" "$FOUND/"
done
# shellcheck disable=SC2086 # a word each
"$VENV/bin/python" "$HERE/arm64_path.py" compare "$FOUND/here.json" $(printf "$FOUND/%s.json " $BOARDS)
