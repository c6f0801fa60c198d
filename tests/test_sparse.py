#!/usr/bin/env python3
"""Opening a file of 17 GB costs no more than its header: the shape of Qwen3-30B-A3B in Q4_K."""
import json
import resource
import tempfile
from pathlib import Path

from make_sparse import write_sparse
from suite import SANITIZED, case, check, finish, run

LIMIT = 1.0 if not SANITIZED else 20.0


def processor_seconds():
    """Of the programs run so far: a busy machine cannot stretch it, and a hole needs no disk."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "sparse.gguf"
        size = write_sparse(path)
        check("the file has the size of the real one", 17e9 < size < 18.5e9, size)
        start = processor_seconds()
        with case("model info opens it"):
            info = json.loads(run("model", "info", "-m", path, "--format", "json").stdout)
            assert info["layers"] == 48 and info["experts"] == 128, info
        seconds = processor_seconds() - start
        check(f"in under {LIMIT:.0f} s of processor time", seconds < LIMIT, f"{seconds:.2f} s")
        print(f"# {seconds:.2f} s")
    finish()


if __name__ == "__main__":
    main()
