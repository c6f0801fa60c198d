#!/usr/bin/env python3
"""Models larger than the memory that they may take: the same bytes, a bound that is kept or refused by name, what a
council needs, and what `model fit` proposes."""
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import council_model
from suite import case, check, finish, run

council_model.EXPERT_WIDTH = 1024  # experts that outweigh a batch: 48 of 393 KB
IDS = ",".join(str(i * 7 % 90 + 3) for i in range(40))


LEAST = r"fewest that (?:it|they) can run with ([0-9.e+-]+)"


def refusal(*args):
    """(status, what is said, the least in GiB that would do)"""
    done = run(*args, "--memory", "0.0001", check_status=False)
    found = re.search(LEAST, done.stderr)
    return done.returncode, done.stderr, found and float(found.group(1))


def bounded(args, name, sessions=1):
    """Runs with the least memory that will do; returns that and what is said. sessions: of a command that opens them
    one after another, each may be refused once."""
    status, said, least = refusal(*args)
    check(f"{name}: too little is refused as a usage error", status == 2 and least, said)
    for _ in range(sessions):
        done = run(*args, "--memory", f"{least or 0:.9f}", "-v", check_status=False)
        found = re.search(LEAST, done.stderr)
        if not found:
            break
        least = float(found.group(1))
    check(f"{name}: what is named as enough is enough", done.returncode == 0, done.stderr)
    check(f"{name}: told that the model does not fit",
          re.search(r"of [0-9.e+-]+ GiB of experts [0-9.e+-]+ are kept", done.stderr), done.stderr)
    return done


def logits(model, scratch):
    wanted, got = scratch / "wanted", scratch / "got"
    args = ("logits", "-m", model, "--tokens", IDS, "--context", "64", "--output")
    run(*args, wanted)
    bounded((*args, got), "logits")
    check("logits: the same bytes", wanted.read_bytes() == got.read_bytes())


def answers(model):
    args = ("ask", "Which way?", "-m", model, "--seed", "4", "--max-tokens", "12", "--context", "256", "--no-save",
            "--format", "json", "--merge", "none")

    def said(done):
        return [(a["persona"], a["tokens"], a["routing"]) for a in json.loads(done.stdout)["answers"]]
    plain = said(run(*args))
    check("answers of a council: the same tokens and routes", plain == said(bounded(args, "ask")), plain)


def compared(model, scratch):
    """Two models in one command share the bound, and their columns are what they are without one."""
    other = shutil.copytree(model, scratch / "other")
    args = ("compare", "Which way?", "-m", model, "--set", "here:seed=4", "--set", f"there:seed=5,model={other}",
            "--max-tokens", "8", "--context", "256", "--format", "json")

    def said(done):
        return [(c["name"], c["answer"]["tokens"]) for c in json.loads(done.stdout)["columns"]]
    plain = said(run(*args))
    done = bounded(args, "compare", sessions=8)
    check("compare: the same tokens in both columns", plain == said(done), plain)
    check("compare: both models gave way", done.stderr.count("does not fit in memory") == 2, done.stderr)


def budget(model, scratch):
    """A council whose masks leave 4 of 8 experts of a layer needs no others."""
    os.environ["XDG_CONFIG_HOME"] = str(scratch / "config")
    folder = scratch / "config" / "consilium" / "personas"
    folder.mkdir(parents=True)
    args = ("model", "info", "-m", model, "--context", "64", "--format", "json")
    plain = json.loads(run(*args).stdout)
    check("model info says nothing of a council unasked", "council" not in plain, plain)
    mark = plain["fingerprint"][:16]
    for name, kept in (("left", "0-2"), ("right", "2-3,5")):
        (folder / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name, "router": {"mode": "keep"}}))
        (folder / f"{name}.{mark}.mask.json").write_text(json.dumps(
            {"mask": 1, "model": plain["fingerprint"], "mode": "keep", "layers": {"0": kept, "1-5": "0-3"}}))
    needs = {who: json.loads(run(*args, "--personas", who).stdout)["council"] for who in ("left", "left,right")}
    check("one of them: its own experts", needs["left"]["experts"] == 23 and needs["left"]["experts_of"] == 48, needs)
    two = needs["left,right"]
    check("both: those that any may call", two["experts"] == 5 + 20 and two["passes"] == 2, two)
    check("its parts are the whole", two["bytes"] == two["dense_bytes"] + two["expert_bytes"] + two["kv_bytes"]
          + two["batch_bytes"] and two["least_bytes"] <= two["bytes"], two)
    check("keys and values are of two passes", two["kv_bytes"] == 2 * plain["kv_bytes"]["f16"], two)
    text = run(*args[:-2], "--personas", "left,right").stdout
    check("and in words", "25 of 48 experts may be called" in text, text)
    least = float(re.search(r"it runs with --memory ([0-9.e+-]+) or more", text).group(1))
    check("with that least it runs", least * 2**30 >= two["least_bytes"] >= least * 2**30 * 0.985, (least, two))


def fit(model):
    with case("model fit proposes what fits"):
        got = json.loads(run("model", "fit", model, "--format", "json", "--check").stdout)
        own = got["variants"][0]
        assert own["own"] and own["fits"] and own["one_tps"] > 0 and own["together_tps"] > 0, got
        assert got["proposed"]["fits"] and got["proposed"]["own"] and got["proposed"]["context"] >= 64, got
        assert got["passes"] == 3 and len(got["proposed"]["personas"]) >= 1, got
        assert got["checked"]["predicted_tps"] > 0 and got["checked"]["measured_tps"] > 0, got
        print(f"# checked: {got['checked']}")
    with case("smaller types take less"):
        sizes = [v["file_bytes"] for v in got["variants"]]
        assert sizes == sorted(sizes, reverse=True), got["variants"]
    with case("and says in words how to run it"):
        text = run("model", "fit", "-m", model).stdout
        assert "proposed: " in text and "--threads" in text and "--personas philosopher" in text, text
    with case("a model that does not fit is read from the disk"):
        least = refusal("logits", "-m", model, "--tokens", "1", "--context", "64", "--output", os.devnull)[2]
        got = json.loads(run("model", "fit", model, "--context", "64", "--format", "json", "--memory",
                             f"{least:.9f}").stdout)
        assert not got["variants"][0]["fits"] and got["disk_gbps"] > 0, got


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        model = council_model.make_model(scratch / "model")
        logits(model, scratch)
        answers(model)
        compared(model, scratch)
        fit(model)
        budget(model, scratch)
    finish()


if __name__ == "__main__":
    main()
