#!/usr/bin/env python3
"""Tabulate what ptxas says of the kernels: registers, shared memory, spills, occupancy by architecture.

usage: ptxas_table.py BUILD/cuda/NAME.log... [--sources kernels/cuda]

The logs are those of `make cuda`. Occupancy is the theoretical one: resident warps of the kernel's
launches over the most that a multiprocessor holds, by registers, shared memory and blocks (CUDA C++
Programming Guide, table of technical specifications per compute capability). Exit status 1 when a
kernel spills or has a stack frame.
"""
import argparse
import re
import sys
from pathlib import Path

# By compute capability: warps, blocks and shared bytes of a multiprocessor.
LIMITS = {75: (32, 16, 64), 80: (64, 32, 164), 86: (48, 16, 100), 89: (48, 24, 100), 90: (64, 32, 228),
          100: (64, 32, 228), 120: (48, 24, 100)}
REGISTERS, WARP = 65536, 32
COMPILING = re.compile(r"Compiling entry function '(\S+)' for 'sm_(\d+)")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
LAUNCH = re.compile(r"\b(LAUNCH|FOR_TYPE)\(")


def plain_name(mangled):
    """The function's name in an Itanium mangled one, and the number that a template was made for."""
    at = re.match(r"_Z(?:N\d+_GLOBAL__N_\w+?)?(\d+)", mangled)
    if not at:
        return mangled, ""
    end = at.end() + int(at.group(1))
    number = re.match(r"ILi(\d+)E", mangled[end:])
    return mangled[at.end():end], f"<{number.group(1)}>" if number else ""


def split_arguments(text):
    """The arguments of a call, up to the parenthesis that closes it."""
    depth, start, parts = 0, 0, []
    for i, c in enumerate(text):
        if c == ")" and depth == 0:
            return parts + [text[start:i].strip()]
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return parts


def threads_of(sources):
    """(file, kernel) -> threads of a block, the most that a launch gives it."""
    found = {}
    for path in sorted(sources.glob("*.cu")):
        text = path.read_text()
        values = {"WARP": WARP}
        for name, value in re.findall(r"\b([A-Z_]+) = (\d+)", text):
            values[name] = int(value)
        for m in LAUNCH.finditer(text):
            parts = split_arguments(text[m.end():])
            kernel, block = (parts[1], parts[3]) if m.group(1) == "LAUNCH" else (parts[1], parts[5])
            words = re.findall(r"\w+", block)
            sizes = [values.get(w, int(w) if w.isdigit() else 0) for w in words]
            found[path.stem, kernel] = max(sizes, default=0)
    return found


def read_log(path):
    kernel = arch = None
    frame = (0, 0, 0)
    for line in path.read_text().splitlines():
        if m := COMPILING.search(line):
            kernel, arch = m.group(1), int(m.group(2))
        elif m := STACK.search(line):
            frame = tuple(map(int, m.groups()))
        elif (m := USED.search(line)) and kernel:
            yield kernel, arch, int(m.group(1)), int(m.group(2) or 0), frame
            kernel = None


def occupancy(arch, registers, shared, threads):
    warps, blocks, kib = LIMITS[arch]
    per_block = -(-threads // WARP)
    by_registers = REGISTERS // (-(-registers * WARP // 256) * 256) // per_block
    by_shared = kib * 1024 // (shared + 1024)
    return min(by_registers, by_shared, blocks, warps // per_block) * per_block / warps


def main():
    p = argparse.ArgumentParser()
    p.add_argument("logs", nargs="+", type=Path)
    p.add_argument("--sources", type=Path, default=Path("kernels/cuda"))
    args = p.parse_args()
    threads, bad, rows = threads_of(args.sources), 0, 0
    print(f"{'file':10} {'kernel':20} {'sm':>4} {'regs':>5} {'shared':>7} {'stack':>6} {'spills':>7} "
          f"{'threads':>8} {'occupancy':>10}")
    for path in args.logs:
        for kernel, arch, registers, shared, (stack, stores, loads) in read_log(path):
            name, number = plain_name(kernel)
            n = threads.get((path.stem, name), 0)
            share = f"{100 * occupancy(arch, registers, shared, n):.0f} %" if n else "?"
            print(f"{path.stem:10} {name + number:20} {arch:4} {registers:5} {shared:7} {stack:6} "
                  f"{stores + loads:7} {n:8} {share:>10}")
            bad += stores + loads > 0 or stack > 0
            rows += 1
    print(f"{rows} kernels, {bad} with a stack frame or spills")
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
