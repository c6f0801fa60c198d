#!/usr/bin/env python3
"""Decode speed against llama.cpp on this machine: one pass, the same threads, turns interleaved.

usage: bench.py [--threads 2] [--rounds 5] [MODEL...]      (needs llama-cpp-python)

Default models: SmolLM2-135M-Instruct (Q4_1) and a random file of the shape of Qwen3-30B-A3B with 12
layers (Q4_K, 4.6 GB, made on first use). Each round reads 128 tokens, then writes 32, first with
consilium, then with llama.cpp (f16 cache, its defaults otherwise), so that a machine that slows
down slows both. Printed: each round, and the ratio of the medians.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import time

import llama_cpp

from make_timing_model import write_timing_model
from suite import BINARY, ROOT

PROMPT, GENERATE = 128, 32
MODELS = ROOT / "build" / "models"
SMOLLM2 = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
RANDOM = MODELS / "random-12-layers.Q4_K.gguf"


@llama_cpp.llama_log_callback
def silence(_level, _text, _user):
    """llama.cpp tells much about what it loads."""


class Llama:
    """One context of llama.cpp, driven by its C interface so that Python costs nothing."""

    def __init__(self, path, threads):
        llama_cpp.llama_log_set(silence, None)
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch = 512, 512
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)

    def read(self, ids):
        array = (ctypes.c_int32 * len(ids))(*ids)  # the batch borrows it
        batch = llama_cpp.llama_batch_get_one(array, len(ids))
        assert llama_cpp.llama_decode(self.context, batch) == 0
        llama_cpp.llama_synchronize(self.context)

    def rates(self):
        """Tokens a second: (prefill, decode)."""
        memory = llama_cpp.llama_get_memory(self.context)
        llama_cpp.llama_memory_clear(memory, True)
        start = time.perf_counter()
        self.read([(i * 37) % 1000 for i in range(PROMPT)])
        middle = time.perf_counter()
        for i in range(GENERATE):
            self.read([(i * 91) % 1000])
        end = time.perf_counter()
        return PROMPT / (middle - start), GENERATE / (end - middle)


def consilium_rates(path, threads):
    done = subprocess.run([BINARY, "bench", "-m", path, "--threads", str(threads), "--prompt",
                           str(PROMPT), "--generate", str(GENERATE), "--passes", "1", "--format",
                           "json"], capture_output=True, text=True, check=True)
    run = json.loads(done.stdout)["runs"][0]
    return run["prefill_tps"], run["decode_tps"]


def compare(path, threads, rounds):
    print(f"{path.name}, {threads} threads: tokens a second, prefill of {PROMPT} and decode")
    llama = Llama(path, threads)
    llama.rates()  # both engines find the file in memory
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(consilium_rates(path, threads))
        theirs.append(llama.rates())
        print(f"  round {number + 1}: consilium {ours[-1][0]:7.1f} {ours[-1][1]:7.2f}   "
              f"llama.cpp {theirs[-1][0]:7.1f} {theirs[-1][1]:7.2f}", flush=True)
    for place, what in enumerate(("prefill", "decode")):
        ratio = (statistics.median(r[place] for r in ours)
                 / statistics.median(r[place] for r in theirs))
        print(f"  {what}: {ratio:.2f} times llama.cpp")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("models", nargs="*")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): these figures will say little")
    paths = [ROOT / m for m in args.models] or [SMOLLM2, RANDOM]
    for path in paths:
        if path == RANDOM and not path.exists():
            print(f"making {path.name} (4.6 GB)", flush=True)
            write_timing_model(path)
        compare(path, args.threads, args.rounds)


if __name__ == "__main__":
    main()
