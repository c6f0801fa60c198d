#!/usr/bin/env python3
"""--backend auto|cuda as users meet it: with no plug-in, with a broken one, with one that works, and with the
real one where there is no GPU.

The one that works has its kernels on the host (cuda_host.h): it lies beside a copy of the program under
the real one's name, and is loaded inside the sandbox as the real one would be.
"""
import os
import re
import shutil
import tempfile
from pathlib import Path

import pexpect

from council_model import make_model
from suite import BINARY, BUILD, MODELS, case, finish, run, skip

scratch = Path(tempfile.mkdtemp(prefix="cuda-"))
MODEL = MODELS / "qwen3_moe"
HOST = BUILD / "tests" / "cuda_host.so"
REAL = next((p for p in (BUILD / "cuda/consilium-cuda.so", BUILD / "consilium-cuda.so") if p.exists()), None)


def program(name, plugin):
    """A copy of the program with that file (or text) beside it as its plug-in."""
    place = scratch / name
    place.mkdir()
    shutil.copy(BINARY, place / "consilium")
    if isinstance(plugin, Path):
        shutil.copy(plugin, place / "consilium-cuda.so")
    elif plugin is not None:
        (place / "consilium-cuda.so").write_text(plugin)
    return place / "consilium"


def logits(binary, *words, status=0, env=None):
    out = scratch / "logits.bin"
    out.unlink(missing_ok=True)
    done = run("logits", "-m", MODEL, "--tokens", "5,17,3,88,41", "--output", out, *words,
               binary=binary, check_status=False, env=env)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return out.read_bytes() if status == 0 else b"", done.stderr


want, _ = logits(BINARY, "--backend=cpu")
bare = program("bare", None)
with case("without a plug-in auto is the CPU and says nothing; cuda is refused with exit 3"):
    got, said = logits(bare, "--backend=auto")
    assert got == want and "cuda" not in said.lower(), said
    _, said = logits(bare, "--backend=cuda", status=3)
    assert "consilium-cuda.so" in said and "make cuda" in said and len(said.splitlines()) == 1, said

broken = program("broken", "not an object\n")
with case("with a plug-in that cannot be loaded auto falls back in one line; cuda is refused"):
    got, said = logits(broken, "--backend=auto")
    assert got == want and said.count("\n") == 1 and "the CPU computes" in said, said
    _, said = logits(broken, "--backend=cuda", status=3)
    assert "consilium-cuda.so" in said and said.startswith("consilium: --backend cuda: "), said

with case("a plug-in of another build of the program is refused by name"):
    other = program("other", HOST)
    plugin = other.parent / "consilium-cuda.so"
    plugin.write_bytes(plugin.read_bytes().replace(b"device contract ", b"device contract-"))
    got, said = logits(other)
    assert got == want and "is of another build of the program" in said and "make cuda" in said, said
    _, said = logits(other, "--backend=cuda", status=3)
    assert "is of another build of the program" in said, said

whole = program("whole", HOST)
with case("a plug-in that works is loaded in the sandbox and has the CPU's bytes"):
    got, said = logits(whole, "--backend=cuda")
    assert got == want and said == "", said
    got, said = logits(whole)
    assert got == want and said == "", said

with case("a GPU that fails in the middle: the CPU carries on, told in one line, with the same bytes"):
    got, said = logits(whole, "--backend=cuda", env=os.environ | {"CUDA_HOST_BREAK": "9"})
    assert got == want and said.count("\n") == 1, said
    assert "the CPU carries on, the GPU failed" in said and "the device is gone" in said, said

CHATS = make_model(scratch / "moe")
OWN = scratch / ".config/consilium/personas/coder.json"
OWN.parent.mkdir(parents=True)
OWN.write_text('{"persona": 1, "name": "coder", "instruction": "Be brief."}')
with case("on a terminal that line stands below the columns, whole"):
    kept = {k: v for k, v in os.environ.items() if k != "NO_COLOR" and not k.startswith("XDG_")}
    said, status = pexpect.run(f"{whole} ask Hi -m {CHATS} -p coder --merge none --seed 4 --max-tokens 60 --no-save --backend cuda",
                               withexitstatus=True, timeout=60,
                               env=kept | {"HOME": str(scratch), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
                                           "CUDA_HOST_BREAK": "200"})
    said = re.sub(rb"\x1b\[[?0-9;]*[a-zA-Z]", b"", said.replace(b"\r", b""))
    assert status == 0 and b"\nwarning: the CPU carries on" in said, said
    assert b"warning" not in said[:said.rindex(b"60 tok")], said

with case("a GPU without room: cuda is refused with what there is, auto is the CPU and says so"):
    little = os.environ | {"CUDA_HOST_MEMORY": "64"}
    _, said = logits(whole, "--backend=cuda", status=3, env=little)
    assert "GPU memory" in said and "are free" in said and len(said.splitlines()) == 1, said
    got, said = logits(whole, env=little)
    assert got == want and "the CPU computes; the model takes" in said and said.count("\n") == 1, said

with case("model info --backend cuda asks the GPU that is here for its memory"):
    said = run("model", "info", "-m", MODEL, "--backend=cuda", binary=whole).stdout
    assert "the host, sm_00" in said and "H200" in said and "on a GPU" in said, said

NAME = "the real plug-in says why there is no GPU"
if REAL and not Path("/dev/nvidiactl").exists():
    with case(NAME):
        real = program("real", REAL)
        _, said = logits(real, "--backend=cuda", status=3)
        assert "no NVIDIA GPU can be used" in said, said
        got, said = logits(real, "--backend=auto")
        assert got == want and "the CPU computes" in said, said
else:
    skip(NAME, "there is a GPU" if REAL else "it was not built (`make cuda`)")

shutil.rmtree(scratch)
finish()
