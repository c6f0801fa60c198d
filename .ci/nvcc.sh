#!/bin/sh
# Prints the path of an nvcc: $NVCC, the one in PATH or in /usr/local/cuda; else one that is fetched into
# FOLDER, by version and without root (250 MB), from the wheels in which NVIDIA publishes it.
# usage: .ci/nvcc.sh FOLDER
set -eu

folder=$1
version=13.0.88

if [ -n "${NVCC:-}" ]; then
    echo "$NVCC"
    exit 0
fi
for known in "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if [ -z "${CUDA_FETCH:-}" ] && [ -x "$known" ]; then
        echo "$known"
        exit 0
    fi
done
toolkit=$folder/toolkit
if [ ! -e "$toolkit/$version" ]; then
    echo "fetching nvcc $version" >&2
    rm -rf "$toolkit"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$toolkit" \
        nvidia-cuda-nvcc==$version nvidia-cuda-crt==$version nvidia-nvvm==$version \
        nvidia-cuda-runtime==$version >&2
    chmod -R u+x "$toolkit"/nvidia/cu13/bin "$toolkit"/nvidia/cu13/nvvm/bin
    touch "$toolkit/$version"
fi
echo "$toolkit/nvidia/cu13/bin/nvcc"
