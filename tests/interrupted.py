"""Commands that are stopped at random moments, and what must hold then: what test_pack.py, test_specialists.py and
test_train.py share, where few moments are tried, with long_moments.py, where many are.

A command is started, and after some part of the time that a whole run takes it is stopped: by Ctrl-C, by a
second one right behind it, by SIGTERM, or by SIGKILL. Of every file there must be what was there before or
what the command writes, of a set of files the same of all. Ctrl-C leaves nothing else; whoever was killed may
leave what the next run takes away.
"""
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np

from council_model import EXPERT_WIDTH, LAYERS, WIDTH, make_model, write_safetensors
from suite import BINARY, case, finish

__all__ = ["derive", "pack", "add", "train", "finish"]
WAYS = {"Ctrl-C": [signal.SIGINT], "Ctrl-C twice": [signal.SIGINT] * 2, "SIGTERM": [signal.SIGTERM],
        "SIGKILL": [signal.SIGKILL]}
# 0: it was over already. Before the handlers are set a signal does what it always does.
MAY_END = {"Ctrl-C": (0, 130, -signal.SIGINT), "Ctrl-C twice": (0, 130, -signal.SIGINT),
           "SIGTERM": (0, -signal.SIGTERM), "SIGKILL": (0, -signal.SIGKILL)}
LEFT = (".part", ".new", ".before", ".changing", ".changed", ".lock")  # by who was killed, for the next run
STATE = ".train"


class Home:
    """A user's folders, and one for temporary files, which is to stay empty."""

    def __init__(self, place):
        self.place, self.personas = place, place / "config/consilium/personas"
        self.personas.mkdir(parents=True)
        self.temporary = place / "temporary"
        self.temporary.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
            "HOME": str(place), "XDG_CONFIG_HOME": str(place / "config"), "XDG_CACHE_HOME": str(place / "cache"),
            "XDG_DATA_HOME": str(place / "data"), "XDG_STATE_HOME": str(place / "state"),
            "TMPDIR": str(self.temporary)}

    def start(self, *words):
        return subprocess.Popen([str(BINARY), *map(str, words)], env=self.environment, text=True, cwd=self.place,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def whole(self, *words):
        """Seconds of a run that nobody stops."""
        begin = time.monotonic()
        process = self.start(*words)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, (words, process.returncode, said[-600:])
        return time.monotonic() - begin

    def files(self):
        return {str(p.relative_to(self.place)): p.read_bytes() for p in self.place.rglob("*") if p.is_file()}

    def restore(self, files):
        for name in self.files().keys() - files.keys():
            (self.place / name).unlink()
        for name, data in files.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_bytes(data)


def stopped(home, words, before, seconds, count):
    """Yields (moment, way, status) of `count` runs that were reached while they ran, each begun with the files
    before: the moments lie in all parts of a run, the ways come in turn."""
    rng, ways, tried = random.Random(" ".join(map(str, words[:2]))), list(WAYS), 0
    for i in range(count):
        way, process = ways[i % len(ways)], None
        while process is None or process.poll() is not None:
            assert (tried := tried + 1) < 10 * count, f"{count} moments: {i} were met"
            if process:
                process.communicate()
            home.restore(before)
            process = home.start(*words)
            time.sleep(seconds * (i + rng.random()) / count)
        for number in WAYS[way]:
            process.send_signal(number)
            time.sleep(0.002)
        _, said = process.communicate(timeout=600)
        assert process.returncode in MAY_END[way], (i, way, process.returncode, said[-600:])
        yield i, way, process.returncode


def tell(what, seconds, ends):
    print(f"# {what}: {len(ends)} moments of {seconds:.2f} s; {sum(e != 0 for e in ends)} ended the run, "
          f"{sum(e == 0 for e in ends)} let it end", flush=True)


def either(home, words, before, count, settle=None):
    """`before` becomes what the command makes of it, or stays, all of it; then a whole run leaves nothing else."""
    home.restore(before)
    seconds = home.whole(*words)
    after, ends = home.files(), []
    assert after != before
    for i, way, status in stopped(home, words, before, seconds, count):
        if settle:
            home.whole(*settle)
        now = home.files()
        left = {n for n in now.keys() - before.keys() - after.keys()}
        kept = {n: data for n, data in now.items() if n not in left}
        assert kept in (before, after), (i, way, status, {
            n: (len(now.get(n, b"")), len(before.get(n, b"")), len(after.get(n, b"")))
            for n in kept.keys() | before.keys() | after.keys()
            if not kept.get(n) == before.get(n) == after.get(n)})
        assert kept == after or status != 0, (i, way, status)
        assert not left or way != "Ctrl-C", (i, way, status, left)
        assert all(n.endswith(LEFT) for n in left), (i, way, status, left)
        if left:
            home.whole(*words)
            assert home.files() == after, (i, way, left, home.files().keys() ^ after.keys())
        ends.append(status)
    tell(" ".join(map(str, words[:2])), seconds, ends)


# ---- a persona's mask -----------------------------------------------------------------------------


def derive(place, count):
    from specialists_support import MODELS
    from specialists_support import Home as Voices
    home = Home(place)
    Voices.fill(place / "voices", 16, 1)
    for file in (place / "voices").iterdir():
        file.rename(home.personas / file.name)
    words = ["personas", "derive", "sums", "-m", MODELS["planted"], "--mode", "ban", "--against",
             "tale"]
    with case(f"derive: stopped at {count} moments, the old mask or the new one, and nothing else"):
        home.whole(*words)
        mask, = home.personas.glob("*.mask.json")
        mask.write_text('{"mask":1,"model":null,"mode":"ban","layers":{"2":"1"}}\n')
        mask.chmod(0o600)
        either(home, words, home.files(), count)


# ---- a persona as one file ------------------------------------------------------------------------


def tensors(seed, experts):
    rng, named = np.random.default_rng(seed), {}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}.mlp."
        named[at + "gate.weight"] = rng.standard_normal((experts, WIDTH)).astype("<f4")
        for e in range(experts):
            for name, shape in (("gate", (EXPERT_WIDTH, WIDTH)), ("up", (EXPERT_WIDTH, WIDTH)),
                                ("down", (WIDTH, EXPERT_WIDTH))):
                named[f"{at}experts.{e}.{name}_proj.weight"] = rng.standard_normal(shape).astype("<f4")
    return named


def make_nurse(home, seed, experts):
    """Lessons, an adapter of its own, and one in PEFT's folder, which is packed as one file."""
    (home.personas / "nurse.json").write_text(json.dumps({
        "persona": 1, "name": "nurse", "instruction": f"Be calm, {seed}.", "lessons": "nurse.lessons.jsonl",
        "adapters": [{"file": "nurse.own.safetensors"}, {"file": "nurse.made"}]}))
    (home.personas / "nurse.lessons.jsonl").write_text(
        "".join(json.dumps({"question": f"Is {i} more?", "answer": f"It is {seed}."}) + "\n" for i in range(500)))
    write_safetensors(home.personas / "nurse.own.safetensors", tensors(seed, experts).items())
    (home.personas / "nurse.made").mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    updates = {f"base_model.model.model.layers.1.mlp.experts.{e}.{matrix}_proj.lora_{side}.weight":
               rng.standard_normal(shape).astype("<f4") for e in range(4) for matrix in ("gate", "up")
               for side, shape in (("A", (4, WIDTH)), ("B", (EXPERT_WIDTH, 4)))}
    write_safetensors(home.personas / "nurse.made/adapter_model.safetensors", updates.items())
    (home.personas / "nurse.made/adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["gate_proj", "up_proj"]}))


def pack(place, count, experts=24):
    home = Home(place)
    words = ["personas", "pack", "nurse", "-o", "nurse.zip", "--force"]
    with case(f"pack: stopped at {count} moments, the old file or the new one, and nothing else"):
        make_nurse(home, 1, experts)
        home.whole(*words)
        make_nurse(home, 2, experts)
        either(home, words, home.files(), count)


def add(place, count, experts=24):
    here, there = (place / name for name in ("here", "there"))
    here, there = Home(here), Home(there)
    packed = here.place / "nurse.zip"
    with case(f"add: stopped at {count} moments, all the old files or all the new ones, and nothing else"):
        for seed in (1, 2):
            make_nurse(here, seed, experts)
            here.whole("personas", "pack", "nurse", "-o", packed, "--force")
            if seed == 1:
                there.whole("personas", "add", packed)
        either(there, ["personas", "add", packed, "--force"], there.files(), count, ["personas", "show", "nurse"])


# ---- a voice --------------------------------------------------------------------------------------


def train(place, count):
    """Who was killed goes on with --resume where there is a state, and anew where there is none: the same bytes."""
    home, model = Home(place), make_model(place / "moe")
    (home.personas / "sailor.json").write_text('{"persona":1,"name":"sailor","lessons":"sailor.lessons.jsonl"}')
    (home.personas / "sailor.lessons.jsonl").write_text("".join(
        json.dumps({"question": f"Is {i} more?", "answer": f"Aye, {i} and the tide."}) + "\n" for i in range(10)))
    words = ["train", "sailor", "-m", model, "--layers", "4-5", "--steps", 12 if count < 10 else 150, "--rate", "0.01",
             "--near", 0]
    state, ends, resumed = place / "state/consilium/train", [], 0
    with case(f"train: stopped at {count} moments, resumed, the same bytes and nothing else"):
        before = home.files()
        seconds = home.whole(*words)
        after = home.files()
        for i, way, status in stopped(home, words, before, seconds, count):
            now = home.files()
            new = {n: data for n, data in now.items() if n not in before}
            there = list(state.glob("*.train")) if state.is_dir() else []
            if status == 0:
                assert now == after, (i, way, now.keys() ^ after.keys())
            assert all(n.endswith(LEFT + (STATE, ".mask.json", ".adapter.safetensors")) for n in new), (i, way, new.keys())
            masks, adapters = (sum(n.endswith(end) for n in new) for end in (".mask.json", ".adapter.safetensors"))
            if way == "Ctrl-C":
                assert masks == adapters and not any(n.endswith(LEFT) for n in new), (i, way, new.keys())
            if status != 0:
                home.whole(*words, *(["--resume"] if there else []))
                assert {n: d for n, d in home.files().items() if not n.endswith(".previous")} == after, (
                    i, way, status, home.files().keys() ^ after.keys())
            ends.append(status)
            resumed += bool(there)
        tell(f"train, {resumed} left a state", seconds, ends)
