#!/usr/bin/env python3
"""`ask` keeps transcripts: named sessions that go on, --resume, --no-save, damage, a full disk;
and `transcripts replay`. The model is a tiny random one (council_model.py), so a conversation takes
milliseconds; ten turns are the built-in model's.
"""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from council_model import TEMPLATE, make_model
from suite import BINARY, ROOT, SANITIZED, case, finish, run, skip
from talk_screen import Talk

scratch = Path(tempfile.mkdtemp(prefix="sessions-"))
DATA = scratch / "data"
PLACE = DATA / "consilium" / "transcripts"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch / "home"), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache"), "XDG_DATA_HOME": str(DATA)}
MODEL = make_model(scratch / "moe")
BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
SHORT = ["--max-tokens=6", "--seed=4", "--temperature=0", "--merge=vote"]


def ask(*words, status=0, model=MODEL, **environment):
    done = run("ask", *SHORT, *words, *(["-m", model] if model else []), check_status=False,
               env=ENVIRONMENT | environment)
    statuses = status if isinstance(status, tuple) else (status,)
    assert done.returncode in statuses, f"exit {done.returncode}: {done.stderr[-300:]}"
    assert 4 not in statuses or (done.returncode == 4) == ("not saved: " in done.stderr)
    return done.stdout, done.stderr


def records(name):
    return [json.loads(line) for line in (PLACE / f"{name}.jsonl").read_text().rstrip("\n").split("\n")]


def sessions():
    return sorted(p.name for p in PLACE.glob("*")) if PLACE.exists() else []


def saving():
    with case("ask saves: one line on standard error, an id in the JSON, everything in the file"):
        out, err = ask("hello", "--format=json")
        told = json.loads(out)
        name = told["session"]
        assert len(name) == 8 and f"saved {name[:4]}\n" in err, err
        assert sessions() == [f"{name}.jsonl"]
        assert (PLACE / f"{name}.jsonl").stat().st_mode & 0o777 == 0o600
        assert PLACE.stat().st_mode & 0o777 == 0o700
        head, *rest = records(name)
        assert head["transcript"] == 1 and head["id"] == name
        assert head["model"] == told["model"] and head["isa"] == rest[0]["isa"] != ""
        kinds = [r["type"] for r in rest]
        assert kinds == ["setting", "prompt", "answer", "answer", "answer", "merge"], kinds
        assert [r["n"] for r in rest] == list(range(1, 7))
        assert rest[1]["text"] == "hello"
        for kept, said in zip(rest[2:5], told["answers"]):
            assert kept["parent"] == 2
            for key in ("persona", "text", "tokens", "prompt_tokens", "stop", "seed", "acts_by"):
                assert kept[key] == said[key], key
        assert rest[5]["by"] == told["merge"]["by"] and rest[5]["scores"] == told["merge"]["scores"]
        seats = rest[0]["seats"]
        assert [s["name"] for s in seats] == [a["persona"] for a in told["answers"]]
        assert all(s["instruction"] and len(s["program"]) == 16 for s in seats)
    with case("-q says nothing, the session is saved all the same"):
        before = len(sessions())
        assert ask("hello", "-q")[1] == ""
        assert len(sessions()) == before + 1
    with case("--no-save, CONSILIUM_NOHISTORY and no-save in config.json keep nothing"):
        before = sessions()
        for words, more in ((["--no-save"], {}), ([], {"CONSILIUM_NOHISTORY": "1"}),
                            (["--no-save", "--session=x"], {})):
            out, err = ask("hello", "--format=json", *words, **more)
            assert json.loads(out)["session"] is None and "saved" not in err, err
        config = scratch / "quiet" / "consilium"
        config.mkdir(parents=True)
        (config / "config.json").write_text('{"no-save": true}')
        ask("hello", XDG_CONFIG_HOME=str(config.parent))
        assert sessions() == before
    with case("a session that is named is kept in spite of CONSILIUM_NOHISTORY"):
        assert "saved in-spite" in ask("hello", "--session=in-spite", CONSILIUM_NOHISTORY="1")[1]
    with case("the stream of events ends with the session"):
        out, _ = ask("hello", "--format=ndjson", "--session=stream")
        assert json.loads(out.rstrip("\n").split("\n")[-1])["session"] == "stream"


def going_on():
    with case("--session goes on: the earlier turns are remembered, names and personas stay"):
        first, err = ask("one", "--session=talk", "-p", "critic,coder", "--format=json")
        assert "saved talk\n" in err, err
        second, _ = ask("two", "--session=talk", "--format=json")
        told = [json.loads(t) for t in (first, second)]
        assert [a["persona"] for a in told[1]["answers"]] == ["critic", "coder"]
        assert told[1]["answers"][0]["prompt_tokens"] > told[0]["answers"][0]["prompt_tokens"] + 5
        prompts = [r for r in records("talk")[1:] if r["type"] == "prompt"]
        assert [p["turn"] for p in prompts] == [1, 2] and prompts[1]["parent"] == prompts[0]["n"]
        alone = json.loads(ask("two", "--no-save", "-p", "critic,coder", "--format=json")[0])
        assert alone["answers"][0]["tokens"] != told[1]["answers"][0]["tokens"]
    with case("--resume takes the beginning of an id, and the model of the session"):
        out, err = ask("three", "--resume=ta", "--format=json", model=None)
        assert json.loads(out)["session"] == "talk" and "saved talk" in err
        assert json.loads(out)["model"]["path"] == str(MODEL)
        assert len([r for r in records("talk")[1:] if r["type"] == "prompt"]) == 3
    with case("--no-save reads an earlier session and writes nothing"):
        before = (PLACE / "talk.jsonl").read_bytes()
        out = json.loads(ask("four", "--resume=talk", "--no-save", "--format=json")[0])
        assert out["answers"][0]["prompt_tokens"] > 60 and out["session"] is None
        assert (PLACE / "talk.jsonl").read_bytes() == before
    with case("names that cannot be, ids that are not there, both at once: status 2"):
        for words in (["--session=a/b"], ["--session="], ["--resume=zzz"],
                      ["--session=x", "--resume=talk"]):
            assert ask("x", *words, status=2)[1].startswith("consilium: "), words
        assert "talk" in ask("x", "--resume=tax", status=2)[1]
    with case("a session that another process writes is refused, by name, before anything runs"):
        with open(PLACE / "talk.jsonl") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            out, err = ask("x", "--session=talk", status=1)
            assert "session talk is being written by" in err and not out
            assert str(os.getpid()) in err or "another process" in err


def nearly_full():
    with case("a question that leaves room for two tokens is answered, and three more turns have room"):
        words = ["x" * 50, "-p", "coder", "--max-tokens=40", "--format=json", "--merge=none",
                 "--temperature=1"]
        needed = json.loads(ask(*words, "--no-save")[0])["answers"][0]["prompt_tokens"]
        for turn in range(4):
            out, err = ask(*words, "--session=full-up", f"--context={needed + 2}")
            a = json.loads(out)["answers"][0]
            assert a["prompt_tokens"] == needed and len(a["tokens"]) == 3, a  # the last is not read
            assert a["stop"] == "length"
            assert (turn == 0) == ("left the context" not in err), err
        prompts = [r for r in records("full-up")[1:] if r["type"] == "prompt"]
        assert [p["from"] for p in prompts] == [1, 2, 3, 4]


def damage():
    with case("a torn end is cut off, told and kept; the session goes on"):
        path = PLACE / "torn.jsonl"
        ask("one", "--session=torn")
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"type":"prompt","n":7,"te')
        _, err = ask("two", "--session=torn", "-q")
        assert "torn record: its 26 bytes were cut off and lie in" in err, err
        assert (PLACE / "torn.jsonl.torn-1").read_bytes() == b'{"type":"prompt","n":7,"te'
        assert path.read_bytes().startswith(whole)
        assert len(records("torn")) == 1 + 6 + 6
    with case("damage inside is told and stays"):
        path = PLACE / "holes.jsonl"
        ask("one", "--session=holes")
        lines = path.read_bytes().splitlines(keepends=True)
        lines[4] = b"\0" * 500 + b"\n"
        path.write_bytes(b"".join(lines))
        _, err = ask("two", "--session=holes")
        assert "1 damaged line, the first is line 5" in err, err
        assert b"\0" * 500 in path.read_bytes()
    with case("what is no transcript is refused: status 3, the file stays"):
        (PLACE / "alien.jsonl").write_text("{}\n")
        assert "alien.jsonl" in ask("x", "--session=alien", status=3)[1]
        assert (PLACE / "alien.jsonl").read_text() == "{}\n"


def not_saved(name, **environment):
    with case(f"{name}: the answers come, status 4, \"not saved\" and why"):
        for words in ([], ["-q"]):
            out, err = ask("hello", "--format=json", *words, status=4, **environment)
            told = json.loads(out)
            assert len(told["answers"]) == 3 and told["merge"] and told["session"] is None
            assert "consilium: not saved: " in err and "\nsaved" not in err, err


def no_room():
    blocked = scratch / "blocked"
    blocked.write_text("a file where the folder should be")
    not_saved("a folder that cannot be made", XDG_DATA_HOME=str(blocked))
    not_saved("no home at all", XDG_DATA_HOME="", HOME="")
    with case("a link to /dev/full is not followed"):
        (PLACE / "full.jsonl").symlink_to("/dev/full")
        assert "is a link" in ask("hello", "--session=full", status=1)[1]
    small = scratch / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small],
                             capture_output=True).returncode == 0
    if not mounted:
        skip("a disk of 64 KiB that is full", "no tmpfs can be mounted here")
        return
    try:
        filler = small / "filler"
        filler.write_bytes(b"x" * (40 << 10))
        with case("a disk of 64 KiB: sessions go on until it is full, then say so"):
            for turn in range(100):
                out, err = ask("hello " * 20, "--session=s", "--merge=none", status=(0, 4),
                               XDG_DATA_HOME=str(small))
                assert "critic" in out
                if "not saved: " in err:
                    break
                assert "saved s" in err
            assert "No space left" in err and turn > 0, (turn, err)
            kept = (small / "consilium/transcripts/s.jsonl").read_text()
            assert kept.endswith("}\n") and [json.loads(line) for line in kept.rstrip("\n").split("\n")]
        with case("with room again the session goes on"):
            filler.unlink()
            _, err = ask("hello", "--session=s", "--merge=none", XDG_DATA_HOME=str(small))
            assert "saved s" in err, err
    finally:
        subprocess.run(["umount", small])


def cut_short():
    with case("a limit on file sizes ends no process: the answers come, nothing half-written stays"):
        ask("one", "--session=limit")
        before = (PLACE / "limit.jsonl").read_bytes()
        done = subprocess.run(
            ["sh", "-c", f"ulimit -f {len(before) // 512 + 1}; exec \"$0\" \"$@\"", BINARY, "ask",
             "two", "--session=limit", *SHORT, "-m", MODEL], capture_output=True, text=True,
            env=ENVIRONMENT, stdin=subprocess.DEVNULL)
        assert done.returncode == 4 and "not saved: " in done.stderr, (done.returncode, done.stderr)
        assert "File too large" in done.stderr and "critic" in done.stdout
        kept = (PLACE / "limit.jsonl").read_bytes()
        assert kept.startswith(before) and kept.endswith(b"}\n")


# ---- replay ------------------------------------------------------------------------------------


def replay(name, *words, status=0, **environment):
    done = run("transcripts", "replay", name, *words, check_status=False, timeout=300,
               env=ENVIRONMENT | environment)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stdout, done.stderr


def edit(name, change, to):
    """A copy of a session in which `change` has had its way with each record."""
    lines = [json.loads(line) for line in (PLACE / f"{name}.jsonl").read_text().rstrip("\n").split("\n")]
    lines[0]["id"] = to
    for record in lines[1:]:
        change(record)
    (PLACE / f"{to}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))


def replays():
    words = ["--temperature=0.9", "--max-tokens=12"]
    with case("replay: three turns with all options are equal, at any number of threads"):
        mask = scratch / "mask.json"
        mask.write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0-5":"0-4"}}')
        more = ["--control", f"--mask=coder={mask}", "--experts=critic=2", "--stop=zz",
                "--min-p=0.01", "--repeat-penalty=1.1", "--prefill=shared", "--kv=f32"]
        for turn in range(3):
            ask(f"question {turn}", "--session=again", *words, *more)
        out, err = replay("again")
        assert out.startswith("12 answers of 3 turns, ") and out.endswith("all equal\n"), out
        told = json.loads(replay("again", "--threads=1", "--format=json")[0])
        assert told["equal"] and told["first"] is None and not told["other"], told
        assert told["tokens"] > 40
    with case("replay: one changed token is named with what stands around it: status 1"):
        def change(record):
            if record["type"] == "answer" and record["turn"] == 2 and record["persona"] == "critic":
                record["tokens"][5] = 65 + record["tokens"][5] % 2
        edit("again", change, "bent")
        out, err = replay("bent", status=1)
        assert "turn 2, critic: token 6 of " in out and "\n  recorded  " in out, out
        assert out.count("|") == 2 and "turn 2, critic, token 6" in err, (out, err)
        first = json.loads(replay("bent", "--format=json", status=1)[0])["first"]
        assert first == {"turn": 2, "persona": "critic", "token": 6}, first
    with case("replay: an instruction that changed since does not matter, it was recorded"):
        place = scratch / "config" / "consilium" / "personas"
        place.mkdir(parents=True)
        mine = place / "mine.json"
        mine.write_text('{"persona":1,"name":"mine","instruction":"Say yes."}')
        ask("well?", "--session=mine", "-p", "mine,coder", *words)
        mine.write_text('{"persona":1,"name":"mine","instruction":"Say no.",'
                        '"sampling":{"temperature":0}}')
        assert "all equal" in replay("mine")[0]
        mine.write_text('{"persona":1,"name":"mine","router":{"experts_per_token":2}}')
        out, err = replay("mine", status=1)
        assert "mine: recorded under router program 0000000000000000, which is" in err, err
        assert "\n  recorded\n" in out and "\n  now\n" in out and "coder (equal)" in out, out
        mine.unlink()
        assert "mine" in replay("mine", status=3)[1]
    with case("replay: another model shows both answers, one below the other"):
        other = make_model(scratch / "other", seed=5)
        out, err = replay("again", "-m", other, status=1)
        assert "recorded with model" in err and "turn 1 question 0" in out, (out, err)
        assert out.count("\n  now\n") > 6 and "of 12 answers are equal" in out, out
        assert "no such" in (err := replay("mine", "-m", scratch / "no such", status=3)[1]), err
    with case("replay: a template that asks for the date is told the recorded day"):
        dated = make_model(scratch / "dated")
        (dated / "chat_template.jinja").write_text(
            "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nToday is ' + "
            "strftime_now('%d %B %Y') + '.<|im_end|>\\n' }}{% endif %}" + TEMPLATE)
        ask("what day is it?", "--session=dated", "-p", "coder", "--no-instruction", *words,
            model=dated)
        today = records("dated")[1]["day"]
        assert len(today) == 10 and "all equal" in replay("dated")[0]

        def age(record):
            if record["type"] == "setting":
                record["day"] = "2024-02-09"
        edit("dated", age, "older")
        assert "what was read before it differs" in replay("older", status=1)[0]
    with case("replay: nothing to replay, nothing there: said so"):
        (PLACE / "blank.jsonl").write_text((PLACE / "again.jsonl").read_text().rstrip("\n").split("\n")[0]
                                           + "\n")
        assert "no answer that can be replayed" in replay("blank", status=1)[1]
        assert replay("nowhere", status=2)[1]


def conversations():
    """Everything that changes what is remembered or how it is answered, said on a terminal."""
    with case("replay: a conversation with all commands, and its fork, are equal"):
        t = Talk("replay", "--max-tokens=10", "--temperature=0.9")
        brief = ("One", "/pick coder", "/context picked", "Two", "/retry seed=5", "/undo", "Three",
                 "/fork", "Four")
        whole = ("One", "/vote", "/pick coder", "/context picked", "Two", "/retry coder seed=5",
                 "/retry", "/debate", "/pick merge", "/system Be kind.", "Three", "/undo",
                 "/experts 2", "@critic Four", "/experts coder=1", "/context merged",
                 "/set temperature 0.5", "Five", "/merge synth", "/control on", "/strength 0.5",
                 "Six", "/fork", "/personas -critic", "Seven", "/mask off",
                 "/set max-tokens 7", "/blend", "/pick merge", "/context own", "Eight")
        for line in brief if SANITIZED else whole:
            t.say(line)
        t.leave()
        kept = t.transcripts()
        assert len(kept) == 2
        for path in kept:
            done = run("transcripts", "replay", path.stem, env=t.environment)
            assert "all equal" in done.stdout and not done.stderr, done
            assert int(done.stdout.split()[0]) >= (12 if SANITIZED else 20), done.stdout


def built_in():
    """Ten turns with the model that everybody has."""
    if SANITIZED or not BASE.exists():
        skip("replay: ten turns of the built-in model", "too slow sanitized, or no model to build it of")
        return
    with case("replay: ten turns of the built-in model are equal, with one thread and with three"):
        run("model", "build-default", "--from", BASE, env=ENVIRONMENT)
        for turn in range(10):
            done = run("ask", f"Give me a word that begins with {chr(97 + turn)}.", "--session=ten",
                       "-p", "philosopher,coder", "--max-tokens=12", f"--seed={turn}", "--merge=none", env=ENVIRONMENT)
            assert "saved ten" in done.stderr
        answers = [r for r in records("ten")[1:] if r["type"] == "answer"]
        assert len(answers) == 20 and len({r["text"] for r in answers}) > 10
        assert answers[-1]["prompt_tokens"] > 200
        for threads in (1, 3):
            out, _ = replay("ten", f"--threads={threads}")
            assert out.startswith("20 answers of 10 turns, ") and "all equal" in out, out
    with case("Ctrl-C keeps what was said, saved; a replay ends where it was interrupted"):
        child = subprocess.Popen([BINARY, "ask", "Tell me a long story about a mill.", "--seed=1",
                                  "-p", "coder,critic", "--session=cut", "--max-tokens=500"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        os.read(child.stdout.fileno(), 1)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=120)
        assert child.returncode == 130 and b"saved cut" in err, (child.returncode, err)
        answers = [r for r in records("cut")[1:] if r["type"] == "answer"]
        assert [r["stop"] for r in answers] == ["interrupted"] * 2 and answers[0]["tokens"]
        assert "2 answers of 1 turn" in replay("cut")[0]


saving()
going_on()
nearly_full()
damage()
no_room()
cut_short()
replays()
conversations()
built_in()
shutil.rmtree(scratch)
finish()
