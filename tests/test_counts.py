#!/usr/bin/env python3
"""The hot paths take as many instructions as fixtures/instruction_counts.tsv says, to 2 %: a change that
makes a kernel slower is seen on any machine, however busy. `make counts` makes the table anew, and
prints what changed.

Counted by valgrind's callgrind, which knows no AVX-512: the levels "baseline" and "avx2". Another
compiler makes other instructions: the table names its own, and on any other the counts are skipped.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

from suite import BUILD, FIXTURES, MODELS, SANITIZED, check, finish, skip

TABLE = FIXTURES / "instruction_counts.tsv"
TOOL = BUILD / "tests" / "tool_counts"
MODEL = MODELS / "qwen3_moe.gguf"
LEVELS = ("baseline", "avx2")
MOST = 0.02  # share by which a count may differ


def output_of(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def build():
    """What the counts depend on besides the sources."""
    return output_of(TOOL, "build").strip()


def totals(folder):
    """Instructions of each dump, in order: callgrind numbers them from 1, and the one at exit has no number."""
    dumps = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    return [int(re.search(r"^totals: (\d+)", path.read_text(), re.M)[1]) for path in dumps]


def counts(level):
    """{case: instructions}"""
    with tempfile.TemporaryDirectory(prefix="consilium-counts-") as scratch:
        names = output_of("valgrind", "--quiet", "--tool=callgrind", "--toggle-collect=counted",
                          "--dump-after=counted", f"--callgrind-out-file={scratch}/counts",
                          TOOL, level, MODEL).splitlines()
        found = totals(Path(scratch))
    if len(found) != len(names) or 0 in found:
        raise SystemExit(f"{len(found)} dumps for {len(names)} cases: {found}")
    return dict(zip(names, found))


def read_table():
    """(build, {level: {case: instructions}})"""
    first, _, *lines = TABLE.read_text().splitlines()
    table = {level: {} for level in LEVELS}
    for line in lines:
        name, *numbers = line.split("\t")
        for level, number in zip(LEVELS, numbers):
            table[level][name] = int(number)
    return first, table


def write_table():
    old = read_table()[1] if TABLE.exists() else {}
    table = {level: counts(level) for level in LEVELS}
    lines = [build(), "\t".join(("case", *LEVELS))]
    for name in table[LEVELS[0]]:
        lines.append("\t".join((name, *(str(table[level][name]) for level in LEVELS))))
    TABLE.write_text("\n".join(lines) + "\n")
    print(f"{TABLE}: {len(lines) - 2} cases")
    for level in LEVELS:
        for name, got in table[level].items():
            was = old.get(level, {}).get(name)
            if was != got:
                print(f"  {level}, {name}: {was} -> {got}" + (f" ({got / was - 1:+.1%})" if was else ""))


def compare(level, want):
    got = counts(level)
    check(f"{level}: the cases are those of the table", got.keys() == want.keys(),
          f"{sorted(got.keys() ^ want.keys())} are not: make counts")
    for name in (name for name in want if name in got):
        more = got[name] / want[name] - 1
        check(f"{level}, {name}: {want[name]} instructions", abs(more) <= MOST,
              f"{got[name]}, {more:+.1%}; if that is meant: make counts")


def hindrance(wanted):
    """Why nothing can be counted here, or None."""
    if SANITIZED:
        return "a sanitized build has others"
    if not which("valgrind"):
        return "valgrind is not installed"
    if build() != wanted:
        return f"the table is for \"{wanted}\", this is \"{build()}\""
    return None


def main():
    if "--write" in sys.argv:
        write_table()
        return
    wanted, table = read_table()
    why = hindrance(wanted)
    if why:
        skip("instruction counts", why)
        finish()
    flags = set(Path("/proc/cpuinfo").read_text().split())
    for level in LEVELS:
        if level == "avx2" and not {"avx2", "fma", "f16c"} <= flags:
            skip("instruction counts of avx2", "this processor lacks AVX2, FMA or F16C")
        else:
            compare(level, table[level])
    finish()


main()
