#!/usr/bin/env python3
"""Refuse an include that points upward, and modules that include each other in a circle.

A room is a folder. ROOMS names them from the ground up, each with the rooms that it may include: those
that stand in its row and nothing else. A module is a header and the files that carry its name:
council.h, council_state.h, council_run.c; commands.h and command_ask.c. Modules of one room may include each other one way only.

usage: check_layers.py [ROOT] [--table]     --table prints how many includes go from room to room
"""
import collections
import os
import re
import sys
from pathlib import Path

BASE, FORMATS = "kernels engine/base", "kernels engine/base engine/formats"
RUN = f"{FORMATS} engine/text engine/routing engine/run"
PERSONAS = "personas/signs personas/lessons personas/council personas/merge personas/roster personas/trace personas/conversation"
ALL = f"{RUN} engine/surgery engine/sources transcripts transcripts/export {PERSONAS} personas/pack personas/compare personas/measure personas/derive " \
      "personas/modes personas/train personas/eval personas/verify personas/built_in"
ROOMS = {
    "kernels": "",
    "kernels/cpu": "kernels",
    "kernels/cuda": "kernels kernels/cpu",
    "kernels/devices": "kernels kernels/cpu",
    "engine/base": "kernels",
    "engine/formats": BASE,
    "engine/text/jinja": BASE,
    "engine/text": f"{FORMATS} engine/text/jinja",
    "engine/routing": f"{FORMATS} engine/text",
    "engine/run": f"{FORMATS} kernels/devices engine/text engine/routing",
    "engine/train": f"{RUN} kernels/cpu",
    "engine/surgery": f"{FORMATS} engine/text engine/routing",
    "engine/sources": FORMATS,
    "transcripts": BASE,
    "transcripts/export": "engine/base transcripts",
    "personas/council": f"{RUN} transcripts",
    "personas/merge": f"{RUN} transcripts personas/council",
    "personas/signs": BASE,
    "personas/roster": f"{RUN} transcripts personas/council personas/merge personas/signs",
    "personas/conversation": f"{RUN} transcripts personas/council personas/merge personas/roster personas/trace",
    "personas/compare": f"{RUN} transcripts personas/council personas/roster personas/eval",
    "personas/lessons": f"{BASE} engine/text",
    "personas/measure": f"{RUN} transcripts personas/council",
    "personas/modes": f"{RUN} transcripts personas/council personas/merge personas/signs personas/roster",
    "personas/pack": f"{RUN} personas/lessons personas/roster",
    "personas/derive": f"{RUN} transcripts personas/council personas/roster personas/lessons personas/measure",
    "personas/train": f"{RUN} engine/train personas/council personas/roster personas/lessons personas/measure",
    "personas/eval": f"{RUN} transcripts personas/council personas/merge personas/roster",
    "personas/trace": f"{RUN} transcripts personas/council personas/roster",
    "personas/verify": f"{RUN} transcripts personas/council personas/merge personas/roster personas/eval",
    "personas/built_in": f"{RUN} engine/train personas/lessons personas/roster personas/measure "
                         "personas/train",
    "repl/screen": BASE,
    "repl/system": f"{BASE} engine/text transcripts transcripts/export personas/lessons personas/roster repl/screen",
    "repl/options": f"{RUN} kernels/devices engine/sources transcripts personas/council personas/merge personas/roster "
                    "personas/lessons personas/signs personas/modes personas/built_in repl/screen repl/system",
    "repl/chat/line": f"{BASE} repl/screen repl/system",
    "repl/chat": f"{RUN} transcripts {PERSONAS} personas/compare personas/modes repl/screen repl/system repl/options repl/chat/line",
    "repl/chat/slash": f"{RUN} transcripts {PERSONAS} personas/compare personas/lessons personas/derive personas/modes repl/screen repl/system repl/options repl/chat",
    "repl/cli": f"{ALL} repl/screen repl/system repl/options repl/chat repl/chat/line repl/chat/slash",
}
HEADER = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def includes(root):
    """(file, included file), both relative to root."""
    for top in sorted({room.split("/")[0] for room in ROOMS}):
        for path in sorted((root / top).rglob("*.[ch]")) + sorted((root / top).rglob("*.cu*")):
            file = path.relative_to(root).as_posix()
            for name in HEADER.findall(path.read_text()):
                yield file, os.path.normpath(os.path.join(os.path.dirname(file), name))


def upward(edges):
    for file, included in edges:
        room, other = os.path.dirname(file), os.path.dirname(included)
        allowed = ROOMS.get(room)
        if allowed is None:
            yield f"{file}: {room} is no room; add it to tests/check_layers.py"
        elif other != room and other not in allowed.split():
            yield f"{file} includes {included}: {room} may include {allowed or 'nothing'}"


def rooms(edges):
    graph = collections.defaultdict(set)
    for a, b in ((os.path.dirname(a), os.path.dirname(b)) for a, b in edges):
        if a != b:
            graph[a].add(b)
    return graph


def modules(edges):
    """A file's module: its room and the shortest header whose name its own begins with."""
    headers = collections.defaultdict(set)
    for pair in edges:
        for file in pair:
            if file.endswith(".h"):
                headers[os.path.dirname(file)].add(Path(file).stem)

    def module(file):
        room, stem = os.path.dirname(file), Path(file).stem
        fits = [h for h in headers[room] if stem == h or stem.startswith((h + "_", h.rstrip("s") + "_"))]
        return f"{room}/{min(fits, key=len, default=stem)}"
    graph = collections.defaultdict(set)
    for a, b in edges:
        if module(a) != module(b):
            graph[module(a)].add(module(b))
    return graph


def circles(graph):
    """Strongly connected rooms or modules, more than one each (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in sorted(graph.get(v, ())):
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            at = stack.index(v)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]
    sys.setrecursionlimit(10000)
    for v in sorted(graph):
        if v not in index:
            visit(v)
    return found


def table(edges):
    counts = collections.Counter((os.path.dirname(a), os.path.dirname(b)) for a, b in edges)
    for (a, b), n in sorted(counts.items()):
        if a != b:
            print(f"{a:24} -> {b:24} {n}")


def main():
    words = [w for w in sys.argv[1:] if w != "--table"]
    edges = list(includes(Path(words[0] if words else ".")))
    if "--table" in sys.argv:
        table(edges)
    wrong = list(upward(edges))
    wrong += ["circle of rooms: " + " ".join(c) for c in circles(rooms(edges))]
    wrong += ["circle of modules: " + " ".join(c) for c in circles(modules(edges))]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
