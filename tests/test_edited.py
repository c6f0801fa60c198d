#!/usr/bin/env python3
"""Transcripts that somebody edited, as commands meet them, and files that must not be written over.

The model is a tiny random one. Whatever a transcript says, no command dies of it, and what is said on
is numbered from 1 up; an export never takes a transcript's place, by whatever name it is called.
"""
import json
import os
import subprocess
import tempfile
from pathlib import Path

from council_model import make_model
from suite import case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="edited-"))
PLACE = scratch / "data" / "consilium" / "transcripts"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache"), "XDG_DATA_HOME": str(scratch / "data")}
MODEL = make_model(scratch / "moe")


def consilium(*words, statuses=(0,), **more):
    done = run(*words, check_status=False, **({"env": ENVIRONMENT} | more))
    assert done.returncode in statuses, f"{words}: exit {done.returncode}: {done.stderr[-300:]}"
    return done


def ask(*words, **more):
    return consilium("ask", *words, "-m", MODEL, "--max-tokens=3", "--seed=1", **more)


def edit(name, change):
    """A copy of the session "whole" whose records went through change(record)."""
    head, *rest = (PLACE / "whole.jsonl").read_text().rstrip("\n").split("\n")
    out = [head]
    for line in rest:
        record = json.loads(line)
        change(record)
        out.append(json.dumps(record, separators=(",", ":")))
    (PLACE / f"{name}.jsonl").write_text("\n".join(out) + "\n")


def of(kind, **fields):
    def change(record):
        if record["type"] == kind:
            record.update(fields)
    return change


def replays():
    told = consilium("transcripts", "replay", "whole", "-m", MODEL)
    assert "all equal" in told.stdout, told.stdout
    with case("an answer of nobody who sits there cannot be replayed, and that is said"):
        edit("nobody", of("answer", persona="zebra"))
        done = consilium("transcripts", "replay", "nobody", "-m", MODEL, statuses=(1,))
        assert "nobody of that name speaks" in done.stderr and "equal" not in done.stdout, done
    with case("one of several: the others are compared"):
        def one(record):
            if record["type"] == "answer" and record["persona"] == "coder":
                record["persona"] = "zebra"
        edit("one", one)
        done = consilium("transcripts", "replay", "one", "-m", MODEL)
        assert "1 answer cannot" in done.stderr or "2 answers cannot" in done.stderr, done.stderr
    with case("a token that the model does not have differs, and is no memory of anybody's"):
        for token in (10**6, 4000, 2**24):
            edit("far", of("answer", tokens=[token, 1, 2]))
            done = consilium("transcripts", "replay", "far", statuses=(1,))
            assert "token 1 of 3 differs" in done.stdout, done.stdout
            ask("more", "--resume=far", "-p", "critic")
    with case("a prompt that only a stranger was asked, a merge of a method that there is not"):
        edit("only", of("prompt", only="zebra"))
        consilium("transcripts", "replay", "only", "-m", MODEL, statuses=(0, 1))
        edit("method", of("merge", method="vortex", winner=0))
        assert "all equal" in consilium("transcripts", "replay", "method", "-m", MODEL).stdout
        ask("more", "--resume=method")
    with case("fields that are null, absent or of another type: no command dies"):
        for value in (None, "absent", [], {}, "x", -1, 1e300, True):
            for kind in ("setting", "prompt", "answer", "merge"):
                def spoil(record, kind=kind, value=value):
                    for key in list(record) if record["type"] == kind else ():
                        if key not in ("type", "n"):
                            record.pop(key) if value == "absent" else record.update({key: value})
                edit("spoilt", spoil)
                consilium("transcripts", "replay", "spoilt", "-m", MODEL, statuses=(0, 1, 2, 3))
                consilium("transcripts", "show", "spoilt")
                ask("more", "--resume=spoilt", statuses=(0, 3))
    with case("each field of the setting alone"):
        keys = [k for k in json.loads((PLACE / "whole.jsonl").read_text().rstrip("\n").split("\n")[1])]
        for key in keys:
            for value in (None, [None], [{}], {"a": [0]}, 2**53, -2**31):
                if key not in ("type", "n"):
                    edit("setting", of("setting", **{key: value}))
                    consilium("transcripts", "replay", "setting", "-m", MODEL,
                              statuses=(0, 1, 2, 3))


def numbers():
    for number in (2**31 - 1, 2**31, 2**63 - 1, -5, 0, 2**24, 2**24 + 1):
        with case(f"a session whose turn is {number} goes on with a turn that is counted"):
            edit("far", lambda r: r.update(turn=number))
            for question in ("more", "and more"):
                done = ask(question, "--resume=far", statuses=(0, 2))
                assert done.returncode == (2 if number == 2**24 else 0), done.stderr
            turns = [json.loads(line) for line in (PLACE / "far.jsonl").read_text().rstrip("\n").split("\n")[1:]]
            turns = [r["turn"] for r in turns if r["type"] == "prompt"]
            assert turns[1:] == ([] if number == 2**24 else [2, 3]), turns
            consilium("transcripts", "show", "far")


def refused(path, *words, cwd=None):
    before = (PLACE / "whole.jsonl").read_bytes()
    for force in ([], ["--force"]):
        consilium("transcripts", "export", "whole", "-o", path, *words, *force, statuses=(1,), cwd=cwd)
        assert (PLACE / "whole.jsonl").read_bytes() == before, path
    done = consilium("transcripts", "export", "whole", "-o", path, "--force", *words, statuses=(1,),
                     cwd=cwd)
    assert "transcript" in done.stderr, done.stderr


def exports():
    copy = scratch / "copy.jsonl"
    with case("an export onto a transcript is refused, also with --force, also through links"):
        refused(PLACE / "whole.jsonl")
        (scratch / "link").symlink_to(PLACE / "whole.jsonl")
        refused(scratch / "link", "--to=html")
        (scratch / "link2").symlink_to(scratch / "link")
        refused(scratch / "link2", "--to=json")
        os.link(PLACE / "whole.jsonl", scratch / "hard.md")
        refused(scratch / "hard.md")
        (scratch / "folder").symlink_to(PLACE)
        refused(scratch / "folder" / "whole.jsonl")
        refused(scratch / "folder" / ".." / "transcripts" / "whole.jsonl")
        refused("whole.jsonl", "--to=md", cwd=PLACE)
        os.unlink(scratch / "hard.md")
    with case("another's copy of a transcript, somewhere else, is refused as well"):
        copy.write_bytes((PLACE / "whole.jsonl").read_bytes())
        refused(copy)
        assert copy.read_bytes() == (PLACE / "whole.jsonl").read_bytes()
    with case("nothing new is put among the transcripts"):
        before = sorted(PLACE.iterdir())
        refused(PLACE / "new.md")
        refused("new.jsonl", "--to=json", cwd=PLACE)
        assert sorted(PLACE.iterdir()) == before
    with case("an export over an export, and over anything else, still goes with --force"):
        for kind in ("md", "html", "json"):
            file = scratch / f"talk.{kind}"
            consilium("transcripts", "export", "whole", "-o", file)
            consilium("transcripts", "export", "whole", "-o", file, statuses=(1,))
            consilium("transcripts", "export", "whole", "-o", file, "--force")
        (scratch / "other.md").write_text('{"transcript":2')
        consilium("transcripts", "export", "whole", "-o", scratch / "other.md", "--force")
    with case("logits write over no transcript either"):
        before = (PLACE / "whole.jsonl").read_bytes()
        consilium("logits", "-m", MODEL, "--tokens=1,2", "--output", PLACE / "whole.jsonl",
                  statuses=(1,))
        assert (PLACE / "whole.jsonl").read_bytes() == before


ask("one", "--session=whole", "--merge=vote")
replays()
numbers()
exports()
finish()
