#!/usr/bin/env python3
"""bench_peers.py puts the programs' figures side by side: with stand-ins for the others, which answer in
their form and refuse options that theirs would not know."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from suite import MODELS, ROOT, case, finish

MODEL = MODELS / "qwen3_moe.gguf"

# 1 + tokens / 1000 tokens a second; repacked, twice that.
STAND_IN = '''#!/usr/bin/env python3
import json, sys
known = {known}
words, given = sys.argv[1:], {{}}
for name, value in zip(words[::2], words[1::2]):
    if name not in known:
        sys.exit(f"unknown option {{name}}")
    given.setdefault(name, []).extend([value] if name == "-gp" else value.split(","))
first = lambda name: given.get(name, ["0"])[0]
factor = 2 if first("-rtr") == "1" else 1
tests = [(int(p), 0, 0) for p in given["-p"] if p != "0"]
tests += [(0, int(first("-n")), int(d)) for d in given.get("-d", ["0"]) if first("-n") != "0"]
tests += [(int(d), int(n), 0) for d, n in (pair.split(",") for pair in given.get("-gp", []))]
print(json.dumps([dict(n_prompt=p, n_gen=n, n_depth=d, avg_ts=factor * (1 + (p + d) / 1000)) for p, n, d in tests]))
'''


def stand_in(path, *known):
    path.write_text(STAND_IN.format(known=set(known)))
    path.chmod(0o755)
    return path


def bench(*options):
    done = subprocess.run([sys.executable, ROOT / "tests" / "bench_peers.py", "--prompts=16,24", "--depths=0,16",
                           "--generate=2", "--rounds=1", *options, MODEL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in done.stdout.splitlines() if re.match(r"\| (?!-)", line)]


def main():
    shared = ("-m", "-t", "-r", "-fa", "-o", "-p", "-n")
    cases = ["prefill 16", "prefill 24", "decode 0", "decode 16"]
    with tempfile.TemporaryDirectory() as folder:
        llama = stand_in(Path(folder) / "llama-bench", *shared, "-d")
        ik = stand_in(Path(folder) / "ik-bench", *shared, "-fmoe", "-rtr", "-gp")
        with case("without others, the own figures stand alone"):
            head, *rows = bench()
            assert head == ["tokens a second", "consilium"]
            assert [row[0] for row in rows] == cases and all(float(row[1]) > 0 for row in rows), rows
        with case("with others, medians side by side and the ratio to the best"):
            head, *rows = bench("--llama", llama, "--ik", ik)
            assert head == ["tokens a second", "consilium", "ik -rtr 1", "ik", "llama.cpp", "ours / best"]
            for row, tokens in zip(rows, (16, 24, 0, 16), strict=True):
                name, mine, repacked, plain, other, ratio = row
                assert name in cases
                slow = 1 + tokens / 1000
                assert float(repacked) == round(2 * slow, 1) and float(plain) == float(other) == round(slow, 1), row
                assert abs(float(ratio) / (float(mine) / (2 * slow)) - 1) < 0.01, row
        with case("a program that fails is named, with what it said"):
            done = subprocess.run([sys.executable, ROOT / "tests" / "bench_peers.py", "--rounds=1", "--prompts=16",
                                   "--depths=16", "--generate=2", "--llama", ik, MODEL], capture_output=True, text=True, timeout=120)
            assert done.returncode and "ik-bench" in done.stderr and "unknown option -d" in done.stderr, done.stderr
    finish()


main()
