"""What the suites about the specialists share: their personas, masks, losses and continuations."""
import json
import math
import os
import shutil

import numpy as np

from specialists import DOMAINS, LAYERS, QUESTIONS, Judge, lessons
from suite import BUILD, FIXTURES, run

MODELS = {name: FIXTURES / "specialists" / name for name in ("natural", "planted")}
ROUTES = BUILD / "tests" / "tool_routes"
EXPERTS, WINDOW = 32, 256
GATES = {}  # (model, domain) -> [2, layers, experts]


class Home:
    """A user's folders with one persona a domain."""

    def __init__(self, scratch, count, seed=1):
        self.place(scratch)
        self.fill(self.folder, count, seed)

    @staticmethod
    def fill(folder, count, seed):
        folder.mkdir(parents=True)
        for domain in DOMAINS:
            persona = {"persona": 1, "name": domain, "lessons": f"{domain}.lessons.jsonl"}
            (folder / f"{domain}.json").write_text(json.dumps(persona))
            (folder / f"{domain}.lessons.jsonl").write_text(lessons(domain, seed, count))

    @classmethod
    def at(cls, scratch):
        home = cls.__new__(cls)
        home.place(scratch)
        return home

    def place(self, scratch):
        self.scratch = scratch
        self.environment = dict(os.environ, XDG_CONFIG_HOME=str(scratch / "config"),
                                XDG_CACHE_HOME=str(scratch / "cache"))
        self.folder = scratch / "config" / "consilium" / "personas"

    def run(self, *words, **more):
        return run(*words, env=self.environment, timeout=600, **more)

    def derive(self, model, names, *words, check_status=True):
        """{name: what was found}"""
        others = ",".join(d for d in DOMAINS if d != names)  # of several, each is compared with the others
        done = self.run("personas", "derive", names, "-m", MODELS[model], "--against", others,
                        "--format", "json", *words, check_status=check_status)
        return {p["persona"]: p for p in json.loads(done.stdout)["personas"]}


def damages(home, model, name, mask):
    """(own, others): nats a token that fresh lessons lose by a mask."""
    fresh = home.scratch / "fresh"
    other = Home(fresh, 40, seed=2) if not fresh.exists() else Home.at(fresh)
    fingerprint = json.loads(home.run("model", "info", "-m", MODELS[model], "--format", "json").stdout)["fingerprint"]
    shutil.copy(mask, other.folder / f"{name}.{fingerprint[:16]}.mask.json")
    done = other.run("personas", "check", name, "--measure", "-m", MODELS[model], "--format", "json",
                     "--against", ",".join(d for d in DOMAINS if d != name))
    plain, masked = json.loads(done.stdout)["measured"]["programs"][:2]
    return [masked[side]["loss"] - plain[side]["loss"] for side in ("own", "other")]


# ---- the formula that was used before -----------------------------------------------------------

def gates(home, model, domain, count):
    """[2, layers, experts]: sums of gates over the lessons' answers, by turns in two halves."""
    if (model, domain) in GATES:
        return GATES[model, domain]
    answers = [json.loads(line)["answer"] for line in lessons(domain, 1, count).splitlines()]
    ids = json.loads(home.run("tokenize", "\n".join(answers), "-m", MODELS[model]).stdout)
    ids = ids["ids"] if isinstance(ids, dict) else ids
    out = np.zeros((2, LAYERS, EXPERTS))
    for i, at in enumerate(range(0, len(ids), WINDOW)):
        part = ",".join(map(str, ids[at:at + WINDOW]))
        for line in run(MODELS[model], 0, part, binary=ROUTES).stdout.splitlines():
            r = json.loads(line)
            np.add.at(out[i % 2, r["layer"]], r["ids"], r["gates"])
    GATES[model, domain] = out
    return out


def bias_of_gates(home, model, name, count):
    """A bias mask: the clipped log ratio of shares of gates, where two halves agree in direction and the
    shares differ by 5 %. It was all that `derive` did before masks were measured."""
    own = gates(home, model, name, count)
    other = sum(gates(home, model, d, count) for d in DOMAINS if d != name)
    layers = {}
    for layer in range(1, LAYERS - 2):
        p, q = (side[:, layer] / side[:, layer].sum(1, keepdims=True) for side in (own, other))
        steady = (p - q).prod(0) > 0
        p, q = (side[:, layer].sum(0) / side[:, layer].sum() for side in (own, other))
        large = abs(p - q) >= 0.05 * np.maximum(np.maximum(p, q), 1 / EXPERTS)
        bias = np.clip(np.log((p + 0.1 / EXPERTS) / (q + 0.1 / EXPERTS)), -2, 2)
        layers[str(layer)] = {str(e): round(float(bias[e]), 3) for e in range(EXPERTS)
                              if steady[e] and large[e]}
    path = home.scratch / f"{model}.{name}.gates.mask.json"
    path.write_text(json.dumps({"mask": 1, "model": None, "mode": "bias",
                                "layers": {k: v for k, v in layers.items() if v}}))
    return path


# ---- what is said -------------------------------------------------------------------------------

def leaning(home, model, name, seeds, temperature, tokens=90):
    """Shares of the domain in answers to neutral questions: [by the persona's mask], [by the plain model]."""
    judge, at, pairs = Judge(), DOMAINS.index(name), ([], [])
    for question in QUESTIONS:
        for seed in seeds:
            done = home.run("ask", question, "-m", MODELS[model], "-p", name, "--control", "--no-save",
                            "--merge", "none", "--loop", "off", "--format", "json", "--seed", seed,
                            "--temperature", temperature, "--top-p", 1, "--max-tokens", tokens)
            answers = json.loads(done.stdout)["answers"]
            assert [a["acts_by"] for a in answers] == ["mask", "none"], answers
            for side, answer in zip(pairs, answers):
                side.append(judge.shares(answer["text"])[at])
    return np.array(pairs[0]), np.array(pairs[1])


def interval(differences, seed=1, rounds=2000):
    """95 % bootstrap interval of a mean."""
    picks = np.random.default_rng(seed).integers(0, len(differences), (rounds, len(differences)))
    means = np.sort(differences[picks].mean(1))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds)]


def ranges(text):
    out = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        out |= set(range(int(first), int(last or first) + 1))
    return out


def nats(x):
    return f"{x:+.4f}" if math.isfinite(x) else str(x)
