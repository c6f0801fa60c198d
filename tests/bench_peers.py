#!/usr/bin/env python3
"""Speed beside llama.cpp and ik_llama.cpp on this machine: the same files and threads, turns interleaved.

usage: bench_peers.py [--llama LLAMA_BENCH] [--ik LLAMA_BENCH] [--threads 2] [--rounds 3]
                      [--prompts 128,512,2048] [--depths 0,2048] [--generate 32] [MODEL...]

--llama and --ik name the llama-bench program of each; without either the own figures stand alone. In
each round every program reads prompts and writes tokens behind what it has read (depth 0: behind the
first token), one program after the other, so that a machine that slows down slows all. All use random
tokens, flash attention and an f16 cache. ik_llama.cpp runs twice: with its weights repacked at load
(-rtr 1) and as they are. Printed is one table a model: the medians of tokens a second over all rounds, and
the ratio of consilium's to the best of the others. Default models: those of bench.py.
"""
import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

from suite import BINARY, ROOT

SMOLLM2 = ROOT / "build" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
RANDOM = ROOT / "build" / "models" / "random-12-layers.Q4_K.gguf"
OURS = "consilium"


def json_of(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def joined(numbers):
    return ",".join(map(str, numbers))


def ours(path, args):
    """{(phase, tokens): tokens a second}, and under "memory" its GB/s."""
    rates = {"memory": 0}
    for prompt in sorted({*args.prompts, *(max(1, depth) for depth in args.depths)}):
        depth = 0 if prompt == 1 else prompt
        out = json_of([BINARY, "bench", "-m", path, "--threads", args.threads, "--passes", 1, "--prompt", prompt,
                       "--generate", args.generate if depth in args.depths else 1, "--format", "json"])
        rates["memory"] = max(rates["memory"], out["dram_gbps"])
        if prompt in args.prompts:
            rates["prefill", prompt] = out["runs"][0]["prefill_tps"]
        if depth in args.depths:
            rates["decode", depth] = out["runs"][0]["decode_tps"]
    return rates


def rates_of(tests, depth_of):
    """Of what a llama-bench says: a test that writes nothing is a prompt."""
    return {("decode", depth_of(test)) if test["n_gen"] else ("prefill", test["n_prompt"]): test["avg_ts"]
            for test in tests}


def llama(path, args):
    shared = [args.llama, "-m", path, "-t", args.threads, "-r", 1, "-fa", 1, "-o", "json"]
    reading = json_of([*shared, "-p", joined(args.prompts), "-n", 0])
    writing = json_of([*shared, "-p", 0, "-n", args.generate, "-d", joined(args.depths)])
    return rates_of(reading + writing, lambda test: test["n_depth"])


def ik(path, args, repack):
    pairs = [part for depth in args.depths if depth for part in ("-gp", f"{depth},{args.generate}")]
    tests = json_of([args.ik, "-m", path, "-t", args.threads, "-r", 1, "-fa", 1, "-fmoe", 1, "-rtr", repack,
                     "-o", "json", "-p", joined(args.prompts), "-n", args.generate if 0 in args.depths else 0, *pairs])
    return rates_of(tests, lambda test: test["n_prompt"])


def programs(args):
    """{name: function of a path}, ours first."""
    found = {OURS: lambda path: ours(path, args)}
    if args.ik:
        found["ik -rtr 1"] = lambda path: ik(path, args, 1)
        found["ik"] = lambda path: ik(path, args, 0)
    if args.llama:
        found["llama.cpp"] = lambda path: llama(path, args)
    return found


def measure(path, args):
    """{name: [the rates of each round]}"""
    rounds = {name: [] for name in programs(args)}
    for number in range(args.rounds):
        for name, run in programs(args).items():
            rounds[name].append(run(path))
        print(f"round {number + 1} of {args.rounds}", flush=True)
    return rounds


def table(rounds, args):
    """Lines of a Markdown table: a row is a case, a column a program."""
    peers = [name for name in rounds if name != OURS]
    yield "| tokens a second | " + " | ".join([*rounds, *(["ours / best"] if peers else [])]) + " |"
    yield "|---" * (len(rounds) + 1 + bool(peers)) + "|"
    cases = [("prefill", n) for n in args.prompts] + [("decode", depth) for depth in args.depths]
    for phase, tokens in cases:
        medians = {name: statistics.median(rates[phase, tokens] for rates in runs) for name, runs in rounds.items()}
        cells = [f"{rate:.1f}" for rate in medians.values()]
        if peers:
            cells.append(f"{medians[OURS] / max(medians[name] for name in peers):.2f}")
        yield f"| {phase} {tokens} | " + " | ".join(cells) + " |"


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--llama")
    parser.add_argument("--ik")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=numbers, default=[128, 512, 2048])
    parser.add_argument("--depths", type=numbers, default=[0, 2048])
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("models", nargs="*", type=Path)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): these figures will say little")
    for path in args.models or [SMOLLM2, RANDOM]:
        if path == RANDOM and not path.exists():
            from make_timing_model import write_timing_model
            print(f"making {path.name} (4.6 GB)", flush=True)
            write_timing_model(path)
        rounds = measure(path, args)
        memory = max(rates["memory"] for rates in rounds[OURS])
        print(f"\n{path.name}, {args.threads} threads, memory {memory:.1f} GB/s, medians of {args.rounds}")
        print("\n".join(table(rounds, args)) + "\n", flush=True)


if __name__ == "__main__":
    main()
