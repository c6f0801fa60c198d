#!/usr/bin/env python3
"""Speed on the GPU that is here, as lines of figures; with llama.cpp's bench also the ratio to it.

usage: bench_gpu.py [--llama-bench FILE] MODEL.gguf       (`make bench-gpu` builds what it needs)

Runs of the two programs alternate. Decoding is compared at one pass, 128 tokens read and 64 written; the
share of bandwidth is that of `consilium bench`, whose memory speed is the GPU's own, measured.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

BINARY = Path(os.environ.get("BUILD", "build")) / "consilium"
PROMPT, GENERATE, ROUNDS = 128, 64, 3


def ours(model):
    done = subprocess.run([BINARY, "bench", "-m", model, "--backend=cuda", f"--prompt={PROMPT}",
                           f"--generate={GENERATE}", "--passes=1,3", "--format=json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def theirs(binary, model):
    done = subprocess.run([binary, "-m", model, "-ngl", "99", "-fa", "1", "-p", str(PROMPT), "-n",
                           str(GENERATE), "-r", "1", "-o", "json"], capture_output=True, text=True,
                          check=True)
    return {"decode" if run["n_gen"] else "prefill": run["avg_ts"] for run in json.loads(done.stdout)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--llama-bench")
    p.add_argument("model")
    args = p.parse_args()
    mine, other = [], []
    for _ in range(ROUNDS):
        mine.append(ours(args.model))
        if args.llama_bench:
            other.append(theirs(args.llama_bench, args.model))
    print(f"{mine[0]['isa']}: memory {statistics.median(m['dram_gbps'] for m in mine):.0f} GB/s")
    for i, run in enumerate(mine[0]["runs"]):
        tps = {k: statistics.median(m["runs"][i][k] for m in mine)
               for k in ("prefill_tps", "decode_tps", "share_of_dram")}
        print(f"{run['passes']} passes: prefill {tps['prefill_tps']:.0f}, decode "
              f"{tps['decode_tps']:.1f} tokens/s, {100 * tps['share_of_dram']:.0f} % of bandwidth")
    if other:
        decode = statistics.median(o["decode"] for o in other)
        own = statistics.median(m["runs"][0]["decode_tps"] for m in mine)
        print(f"llama.cpp: decode {decode:.1f} tokens/s; ratio {own / decode:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
