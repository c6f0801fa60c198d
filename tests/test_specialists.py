#!/usr/bin/env python3
"""Deriving masks on mixtures of experts that have specialised: tests/fixtures/specialists.

What was planted is found; what is found steers, three times as far as a bias by gates (which was all
that `derive` did before masks were measured); and where there is nothing to find it is said.
Continuations of every persona are in long_specialists.py.
"""
import json
import os
import random
import stat
import tempfile
from pathlib import Path

import numpy as np

import interrupted
from specialists import DOMAINS, PLANTED, lines, planted_experts, shared_experts
from specialists_support import MODELS, Home, bias_of_gates, damages, interval, leaning, nats, ranges
from suite import SANITIZED, case, check, finish, skip
from talk_screen import Talk, environment

COUNT = 64
SPEAKER, SEEDS = "sums", {0: [1], 1: [1, 2, 3, 4]}
TIMES = 3  # the gap of a bias by gates


def foreign(name, layer):
    return {e for d in DOMAINS if d != name for e in planted_experts(layer, DOMAINS.index(d))}


def planted(home):
    found = home.derive("planted", ",".join(DOMAINS), "--mode", "ban")
    for name in DOMAINS:
        with case(f"planted: {name}'s mask bans exactly what was planted for others"):
            made = json.loads(Path(found[name]["mask"]).read_text())
            assert made["mode"] == "ban" and set(made["layers"]) == {str(i) for i in PLANTED}, made
            for layer in PLANTED:
                got, want = ranges(made["layers"][str(layer)]), foreign(name, layer)
                assert got == want, (layer, sorted(got - want), sorted(want - got))
            assert found[name]["own_loss"][0] < 0.005 < 1 < found[name]["gap"][0], found[name]


def natural(home):
    """Returns where the speaker's mask is."""
    found = home.derive("natural", ",".join(DOMAINS))
    for name in DOMAINS:
        p = found[name]
        with case(f"natural: {name}'s tells what the model wrote, and how far that was routed like what it read"):
            assert 100 <= p["own_spoken"] <= 16 * 32 < p["other_spoken"] and 0.5 < p["spoken_alike"] < 1, p
        with case(f"natural: {name}'s mask has {TIMES} times the gap of a bias, at 0.02 nats of its own at most"):
            assert p["found"] and p["gap"][0] > max(p["random_gaps"]) and p["gap"][1] > 0, p
            assert p["own_loss"][0] <= 0.02 and p["own_kl"] < p["other_kl"], p
            assert sum(t["chosen"] for t in p["tried"]) == 1 and len(p["tried"]) >= 6, p["tried"]
            own, other = damages(home, "natural", name, p["mask"])
            before = damages(home, "natural", name, bias_of_gates(home, "natural", name, COUNT))
            print(f"# {name}: own {nats(own)}, others {nats(other)}; by a bias of gates {nats(before[0])}, "
                  f"{nats(before[1])}")
            assert own <= 0.02 and other - own >= 0.1, (own, other)
            assert other - own >= TIMES * (before[1] - before[0]), (own, other, before)
    return Path(found[SPEAKER]["mask"])


def says(home):
    """All four together: with the likeliest tokens the plain model speaks of one domain whatever it is asked."""
    for temperature, seeds in SEEDS.items():
        with case(f"continuations lean to the personas' sides, temperature {temperature}"):
            sides = [leaning(home, "natural", name, seeds, temperature) for name in DOMAINS]
            masked, plain = (np.concatenate(side) for side in zip(*sides))
            low, high = interval(masked - plain)
            print(f"# {masked.mean():.3f} of the bytes with the masks, {plain.mean():.3f} without; "
                  f"95 % {low:+.3f} to {high:+.3f}")
            assert low > 0, (low, high)


def writes(home, scratch, mask):
    name, others = SPEAKER, ",".join(d for d in DOMAINS if d != SPEAKER)
    with case("the mask lies beside the persona, readable by its owner, and is the same each time"):
        before = mask.read_bytes()
        done = home.run("personas", "derive", name, "-m", MODELS["natural"], "--against", others)
        assert done.stdout == f"{mask}\n" and "others lose" in done.stderr and "random masks" in done.stderr
        assert mask.read_bytes() == before and stat.S_IMODE(mask.stat().st_mode) == 0o600
    with case("texts take the place of lessons"):
        texts = []
        for i in range(2):
            texts.append(scratch / f"text{i}.txt")
            texts[-1].write_text(lines(name, random.Random(i), 120))
        done = home.run("personas", "derive", name, "-m", MODELS["natural"], "--mode", "keep", "--coverage",
                        "0.9", "--damage", "1", "--against", others, "--text", *texts)
        made = json.loads(mask.read_text())
        assert made["mode"] == "keep" and done.stdout == f"{mask}\n", made
        mask.write_bytes(before)
    with case("a mask that cannot be written leaves what was there"):
        mask.unlink()
        mask.mkdir()
        done = home.run("personas", "derive", name, "-m", MODELS["natural"], "--against", others,
                        check_status=False)
        assert done.returncode == 1 and "cannot write" in done.stderr, done
        assert [p.name for p in home.folder.glob(f"{name}.*")].count(mask.name) == 1
        mask.rmdir()
        mask.write_bytes(before)


def shuffled(r, layer):
    """As many experts as a planted mask bans, none of which has anything to do with a domain."""
    domains = set().union(*(planted_experts(layer, i) for i in range(len(DOMAINS))))
    return r.sample(sorted(set(range(32)) - domains - set(shared_experts(layer))), 9)


def checks(home):
    """What `personas check` says of masks that are planted, dealt out anew, and another's."""
    fingerprint = json.loads(home.run("model", "info", "-m", MODELS["planted"], "--format", "json").stdout)["fingerprint"]

    def measured(name, experts):
        path = home.folder / f"{name}.{fingerprint[:16]}.mask.json"
        path.write_text(json.dumps({"mask": 1, "model": fingerprint, "mode": "ban", "layers": {
            str(i): ",".join(map(str, sorted(experts(i)))) for i in PLANTED}}))
        done = home.run("personas", "check", name, "-m", MODELS["planted"], "--format", "json", "--tokens", 400,
                        "--against", ",".join(d for d in DOMAINS if d != name))
        path.unlink()
        return json.loads(done.stdout)["measured"]

    for name in DOMAINS[:2]:
        with case(f"check: the planted mask of {name} acts; dealt out anew it does not; another's harms"):
            r = random.Random(f"shuffled {name}")
            m = measured(name, lambda layer: foreign(name, layer))
            assert m["verdict"] == "acts" and m["gap"]["low"] > m["null"]["p95"], m["sentence"]
            assert abs(m["gain"]["own"]["value"]) < 0.02, m["sentence"]
            m = measured(name, lambda layer: shuffled(r, layer))
            assert m["verdict"] == "no effect", m["sentence"]
            other = DOMAINS[DOMAINS.index(name) - 1]
            m = measured(name, lambda layer: foreign(other, layer))
            assert m["verdict"] == "harms", m["sentence"]


def finds_nothing(home):
    with case("two personas of one domain: no effect, nothing written, status 1"):
        twin = {"persona": 1, "name": "twin", "lessons": "twin.lessons.jsonl"}
        (home.folder / "twin.json").write_text(json.dumps(twin))
        text = (home.folder / "tale.lessons.jsonl").read_text().splitlines(keepends=True)
        (home.folder / "twin.lessons.jsonl").write_text("".join(text[::2]))
        (home.folder / "tale.lessons.jsonl").write_text("".join(text[1::2]))
        there = sorted(os.listdir(home.folder))
        done = home.run("personas", "derive", "twin", "-m", MODELS["natural"], "--against", "tale",
                        check_status=False)
        assert done.returncode == 1 and "twin: no effect found: " in done.stderr and not done.stdout, done
        assert sorted(os.listdir(home.folder)) == there


def talks():
    folder = Path(environment("derive")["HOME"]) / ".config/consilium/personas"
    Home.fill(folder, COUNT, 1)
    for name in ("coder", "critic", "philosopher"):  # these speak English, which the model does not know
        (folder / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name}))
    t = Talk("derive", "-m", MODELS["planted"], "-p", "sums,code", "--merge", "none", "--max-tokens=8", model=False)
    with case("/derive: Ctrl-C leaves all as it was; a name that nobody has, and a bad mode are told"):
        t.send("/derive sums ban\r")
        t.wait_text("reading: ", 30)
        t.send("\x03")
        t.wait_prompt()
        assert "interrupted" in t.text() and not list(folder.glob("*.mask.json"))
        assert "no persona nobody" in t.say("/derive nobody") and "/derive NAME" in t.say("/derive sums loud")
    with case("/derive NAME shows the table, writes the mask beside the persona, and it is spoken by"):
        said = " ".join(t.say("/derive sums ban").split())
        assert "random masks of its size" in said and "sums acts by mask now" in said, said
        made = json.loads(next(folder.glob("sums.*.mask.json")).read_text())
        assert made["mode"] == "ban" and made["layers"], made
        t.say("Go on.")
        assert "sums  mask" in t.text() and "code  none" in t.text(), t.text()[-900:]
    t.close()


def main():
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch), COUNT)
        if SANITIZED:
            skip("masks planted and natural, continuations, files", "a slower build")
        else:
            mask = natural(home)
            planted(home)
            says(home)
            writes(home, Path(scratch), mask)
            checks(home)
            interrupted.derive(Path(scratch) / "interrupted", 3)
        finds_nothing(home)
    talks()
    check("fixtures are small", sum(p.stat().st_size for m in MODELS.values() for p in m.iterdir()) < 5e6)
    finish()


if __name__ == "__main__":
    main()
