#!/bin/sh
# Makes the Python environment FOLDER hold exactly what REQUIREMENTS pins; a no-op when it does.
# usage: .ci/venv.sh FOLDER REQUIREMENTS
set -eu

folder=$1
requirements=$2
if cmp -s "$requirements" "$folder/requirements.txt"; then
    exit 0
fi
echo "making $folder from $requirements" >&2
rm -rf "$folder"
python3 -m venv "$folder"
# --no-deps: the file lists everything that is imported and nothing else.
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$requirements"
cp "$requirements" "$folder/requirements.txt"
