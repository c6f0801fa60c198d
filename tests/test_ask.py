#!/usr/bin/env python3
"""`ask` as scripts and people use it: every way to give a prompt, every format, options, exit
statuses, Ctrl-C, config.json. The model is a tiny random one that chats (council_model.py): its
words are noise, so these checks are about everything around them.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect

from council_model import EXPERTS, LAYERS, make_model
from suite import BINARY, FIXTURES, SANITIZED, case, finish, run

NAMES = ["philosopher", "coder", "critic"]
STOPS = {"end", "length", "loop", "interrupted", "error"}
ACTS = re.compile(r"none|prompt|(prompt\+)?(mask|adapter|mask\+adapter|experts \d+|router)")
PATIENCE = 600 if SANITIZED else 60  # seconds
scratch = Path(tempfile.mkdtemp(prefix="ask-"))
HOME = {"HOME": str(scratch / "home"), "XDG_CONFIG_HOME": str(scratch / "config"),
        "XDG_CACHE_HOME": str(scratch / "cache")}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | HOME
MODEL = make_model(scratch / "moe")


def ask(*words, status=0, prompt=None, **more):
    """(stdout, stderr) of `ask` on the tiny model; prompt goes through a pipe."""
    stdin = {"stdin": subprocess.DEVNULL} if prompt is None else {"stdin": None, "input": prompt}
    done = run("ask", *words, "-m", MODEL, check_status=False, env=ENVIRONMENT, **(stdin | more))
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stdout, done.stderr


def ask_json(*words, **more):
    return json.loads(ask(*words, "--format=json", "--max-tokens=6", "--seed=4", **more)[0])


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def check_answer(a):
    kinds = {"persona": str, "text": str, "tokens": list, "prompt_tokens": int, "stop": str,
             "seed": int, "acts_by": str, "routing": dict}
    for key, kind in kinds.items():
        assert isinstance(a[key], kind), f"{key}: {a.get(key)!r}"
    assert is_number(a["seconds"]) and is_number(a["tokens_per_second"])
    assert a["stop"] in STOPS and ACTS.fullmatch(a["acts_by"])
    assert all(isinstance(t, int) for t in a["tokens"])
    for key in ("allowed", "used"):
        values = a["routing"][key]
        assert len(values) == LAYERS and all(0 <= v <= EXPERTS for v in values)
    assert 0 <= a["routing"]["banned_mass"] <= 1


def check_merge(m, answers):
    if m is None:
        return
    assert m["method"] in {"vote", "synth", "debate", "blend"} and isinstance(m["text"], str)
    assert m["by"] is None or isinstance(m["by"], str)
    assert m["scores"] == [] or all(len(row) == answers for row in m["scores"])


def check_model(m):
    assert m["architecture"] == "qwen3_moe" and re.fullmatch("[0-9a-f]{64}", m["fingerprint"])
    assert (m["layers"], m["experts"], m["experts_per_token"]) == (LAYERS, EXPERTS, 3)
    assert m["path"]


def check_timings(t):
    for key in ("load", "prefill", "decode", "merge", "union_experts_per_step"):
        assert is_number(t[key]), key
    assert t["prefill_mode"] in ("own", "shared")


def check_object(o):
    assert o["consilium"] == 1 and isinstance(o["prompt"], str)
    check_model(o["model"])
    for a in o["answers"]:
        check_answer(a)
    check_merge(o["merge"], len(o["answers"]))
    check_timings(o["timings"])


# ---- the prompt -------------------------------------------------------------------------------


def prompts():
    (scratch / "one").write_text("file one\n")
    (scratch / "two").write_text("file two\n")
    files = ["-f", scratch / "one", "-f", scratch / "two"]
    with case("PROMPT, pipe and files are joined by blank lines, in this order"):
        def prompt(*words, **more):
            return ask_json(*words, "--only=coder", **more)["prompt"]
        assert prompt("word") == "word"
        assert prompt(prompt="piped\n") == "piped"
        assert prompt("-", prompt="piped\n") == "piped"
        assert prompt("word", prompt="piped\n") == "word\n\npiped"
        assert prompt("word", *files, prompt="piped\n") == "word\n\npiped\n\nfile one\n\nfile two"
        assert prompt(*files) == "file one\n\nfile two"
        assert prompt("word", "--no-input", prompt="piped") == "word"
    with case("a pipe without a command is `ask -`, options included"):
        done = run("-m", MODEL, "--only=coder", "--max-tokens=3", "--format", "json",
                   input="hello", stdin=None, env=ENVIRONMENT)
        assert json.loads(done.stdout)["prompt"] == "hello"
        bad = run("--tokens=1", input="x", stdin=None, env=ENVIRONMENT, check_status=False)
        assert bad.returncode == 2 and "ask takes no --tokens" in bad.stderr
    with case("no prompt at all: status 2"):
        assert "needs a PROMPT" in ask(status=2)[1]
        assert "needs a PROMPT" in ask("-", status=2, prompt="")[1]
    with case("a prompt that is no UTF-8: status 2 and the offset"):
        done = subprocess.run([BINARY, "ask", "-m", MODEL], input=b"ab\xff", capture_output=True,
                              env=ENVIRONMENT)
        assert done.returncode == 2 and b"byte 2" in done.stderr, done.stderr
        (scratch / "broken").write_bytes(b"abc\xff")
        err = ask("word", "-f", scratch / "one", "-f", scratch / "broken", status=2)[1]
        assert "broken is no UTF-8 at byte 3" in err, err
    with case("too long for the context: status 2, both counts, nothing printed"):
        for style in ("text", "json", "ndjson"):
            out, err = ask("x" * 500, "--context=100", "--format", style, status=2)
            assert not out and re.search(r"\d{3} tokens", err) and "100" in err, err
    with case("only the built-in model is said to know English alone"):
        russian = "Стоит ли городу закрыть старую библиотеку?"
        assert "-m" not in ask(russian, "--max-tokens=2", "--only=coder", "-q")[1]
        cache = scratch / "cache" / "consilium"
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "built-in.gguf").symlink_to(MODEL)
        for text, told in ((russian, True), ("Is it (да) right?", False), ("12 + 30 🙂", False)):
            done = run("ask", text, "--max-tokens=1", "--only=coder", env=ENVIRONMENT,
                       check_status=False)
            assert ("English" in done.stderr) == told, (text, done.stderr)
        (cache / "built-in.gguf").unlink()


# ---- formats ----------------------------------------------------------------------------------


def formats():
    with case("json is the documented object, for every merge"):
        for merge in ("vote", "synth", "debate:1", "blend", "none", "auto"):
            o = ask_json("Is it ever right to lie?", "--merge", merge)
            check_object(o)
            assert [a["persona"] for a in o["answers"]] == NAMES
            method = {"debate:1": "debate", "auto": "vote", "none": None}.get(merge, merge)
            assert (o["merge"] or {}).get("method") == method
            assert o["answers"][0]["seed"] == 4
    with case("bytes that are no UTF-8 become U+FFFD, and ids stay exact"):
        o = ask_json("hello", "--temperature=2")
        texts = [a["text"] for a in o["answers"]]
        assert any("\ufffd" in text for text in texts), texts
        assert o["answers"] == ask_json("hello", "--temperature=2")["answers"] or all(
            a["tokens"] == b["tokens"] for a, b in
            zip(o["answers"], ask_json("hello", "--temperature=2")["answers"]))
    with case("ndjson: start, tokens that make the texts, answers, merge, end"):
        out, _ = ask("hello", "--format=ndjson", "--max-tokens=6", "--seed=4")
        events = [json.loads(line) for line in out.rstrip("\n").split("\n")]
        kinds = [e["event"] for e in events]
        assert kinds[0] == "start" and kinds[-2:] == ["merge", "end"]
        assert set(kinds) == {"start", "token", "answer", "merge", "end"}
        check_model(events[0]["model"])
        answers = [e["answer"] for e in events if e["event"] == "answer"]
        assert sorted(a["persona"] for a in answers) == sorted(NAMES)
        for a in answers:
            check_answer(a)
            said = "".join(e["text"] for e in events
                           if e["event"] == "token" and e["persona"] == a["persona"])
            assert said == a["text"], (said, a["text"])
        check_merge(events[-2]["merge"], 3)
        check_timings(events[-1]["timings"])
    with case("text: sections in order, plain in a pipe; figures and seed on stderr"):
        out, err = ask("hello", "--max-tokens=5", "--merge=vote", "--temperature=0")
        heads = re.findall(r"^(\w+) \(prompt\)$", out, re.M)
        assert heads == NAMES and "\nmerged (vote: " in out and "\x1b" not in out + err
        winner = re.search(r"^merged \(vote: . (\w+) 0\.\d\d, .*; picked by fit to the question; "
                           r"ahead by 0\.\d\d.*\)\nthe answer of \1, above", out, re.M)
        assert winner and out.count("\n\n") == 3, out  # and is not printed again
        assert re.search(r"^prefill: own.*seed \d+$", err, re.M), err
        assert re.search(r"^coder: prompt, 5 tokens, .* length$", err, re.M), err
        assert re.search(r"^merge: vote, \d+\.\d s$", err, re.M) and not re.search(r"\d s\b", out), (out, err)
        assert ask("hello", "--max-tokens=5", "--merge=vote", "--temperature=0")[0] == out  # holds no times
        assert not ask("hello", "--max-tokens=2", "-q", "--control")[1]
    with case("--only prints the bare text of one, and the others rest"):
        whole = ask_json("hello")
        alone = ask_json("hello", "--only=critic")
        assert [a["persona"] for a in alone["answers"]] == ["critic"] and alone["merge"] is None
        assert alone["answers"][0]["tokens"] == whole["answers"][2]["tokens"]
        out, _ = ask("hello", "--only=critic", "--max-tokens=6", "--seed=4", "--experts=coder=2")
        assert "critic" not in out and out.count("\n") == 1 + whole["answers"][2]["text"].count("\n")
        merged, _ = ask("hello", "--only=merge", "--max-tokens=6", "--seed=4")
        assert merged.strip() and "merged" not in merged and "above" not in merged
        ask("hello", "--only=nobody", status=2)
        assert ask("hello", "--only=coder:prompt", "--control=prompt", "--max-tokens=2")[0]
        assert ask("hello", "--only=control", "--control", "--max-tokens=2")[0]
    with case("md quotes the prompt and names everyone"):
        out, _ = ask("a\nb", "--format=md", "--max-tokens=3", "--merge=vote")
        assert out.startswith("> a\n> b\n") and "## Merged" in out
        assert all(f"## {name}" in out for name in NAMES)
        assert re.search(r"## Merged\n\nThe answer of \w+, above\.\n\n\*vote: ", out), out


# ---- options ----------------------------------------------------------------------------------


def options():
    with case("a seed repeats an answer; without one it is drawn, below 2^53"):
        one, two = ask_json("hello"), ask_json("hello")
        assert [a["tokens"] for a in one["answers"]] == [a["tokens"] for a in two["answers"]]
        seeds = {json.loads(ask("x", "--format=json", "--max-tokens=1", "--only=coder")[0])
                 ["answers"][0]["seed"] for _ in range(3)}
        assert len(seeds) == 3 and all(0 <= s < 2 ** 53 for s in seeds)
    with case("--experts beyond a mask is capped and says so"):
        mask = scratch / "four.json"
        mask.write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0-5":"0-3"}}')
        words = ["hello", "--experts=8", "--mask", f"coder={mask}", "--max-tokens=4"]
        out, _ = ask(*words)
        assert "coder (prompt+mask, 4 of 8 experts)" in out, out
        assert "critic (prompt+experts 8)" in out, out
        o = json.loads(ask(*words, "--format=json")[0])
        coder = o["answers"][1]["routing"]
        assert coder["allowed"] == [4] * LAYERS and max(coder["used"]) <= 4
        assert coder["banned_mass"] > 0
    with case("a mask may name nobody, and an option that names a stranger is refused"):
        o = ask_json("hello", "--mask", mask, "--control")
        assert [a["routing"]["allowed"][0] for a in o["answers"]] == [4, 4, 4, EXPERTS]
        assert o["answers"][3]["acts_by"] == "none"
        assert "stranger" in ask("hello", "--experts=stranger=2", status=2)[1]
    with case("--control adds the comparison that is asked for"):
        names = [a["persona"] for a in ask_json("hello", "--control=prompt")["answers"]]
        assert names == [n for p in NAMES for n in (p, f"{p}:prompt")]
        ask("hello", "--control=maybe", status=2)
    with case("--no-instruction leaves nothing to act by on a stock model"):
        assert {a["acts_by"] for a in ask_json("hello", "--no-instruction")["answers"]} == {"none"}
    with case("--prefill shared is said, in json and in text"):
        o = ask_json("hello", "--prefill=shared")
        assert o["timings"]["prefill_mode"] == "shared"
        assert "prefill: shared" in ask("hello", "--prefill=shared", "--max-tokens=2")[1]
        assert ask_json("w" * 300)["timings"]["prefill_mode"] == "shared"
    with case("--stop ends an answer before the string"):
        whole = ask_json("hello", "--temperature=0")["answers"][1]["text"]
        letter = whole[2]
        cut = ask_json("hello", "--temperature=0", "--stop", letter)["answers"][1]
        assert cut["stop"] == "end" and cut["text"] == whole[:whole.index(letter)]
        assert "--stop" in ask("hello", "--stop", "", status=2)[1]
    with case("--only merge where nothing is merged: status 2, not an empty output"):
        assert "--merge none" in ask("hello", "--only=merge", "--merge=none", status=2)[1]
        assert "one answer" in ask("hello", "--only=merge", "-p", "coder", status=2)[1]
        assert "one answer" in ask("hello", "--only=merge", "-p", "coder", "--control", status=2)[1]
    with case("a control, plain or one-halved, neither judges nor wins nor speaks in a merge"):
        for words in (["--control"], ["--control=prompt"], ["--control=mask"]):
            for method in ("vote", "debate:1", "blend", "auto"):
                o = ask_json("hello", f"--merge={method}", "-p", "coder,critic", *words)
                m, names = o["merge"], [a["persona"] for a in o["answers"]]
                check_merge(m, len(names))
                members = [i for i, name in enumerate(names) if name in ("coder", "critic")]
                assert len(names) > 2 and m["by"] in ("coder", "critic", None)
                for j, row in enumerate(m["scores"]):
                    assert [v is not None for v in row] == [
                        j in members and i in members for i in range(len(names))], m["scores"]
                for key in ("shares", "revised"):
                    if key in m:
                        assert [v is not None for v in m[key]] == [
                            i in members for i in range(len(names))], m
        alone = ask_json("hello", "-p", "coder", "--control", "--merge=vote")
        assert alone["merge"] is None and "merge_error" not in alone
    with case("--loop: by how much text a cycle covers, and off"):
        words = ["why", "--merge=none", "--temperature=0", "--repeat-penalty=0.5", "-p", "coder",
                 "--max-tokens=200", "--format=json"]
        loops = {n: json.loads(ask(*words, f"--loop={n}", f"--session=loop-{n}")[0])["answers"][0]
                 for n in (12, 24, "off")}
        assert [loops[n]["stop"] for n in loops] == ["loop", "loop", "length"], loops
        counts = [len(loops[n]["tokens"]) for n in loops]
        assert 12 <= counts[0] < counts[1] < counts[2] == 200 and counts[1] >= 24, counts
        for wrong in ("0", "1", "-3", "x", "12x", "", "99999999999"):
            assert "--loop" in ask("hello", f"--loop={wrong}", status=2)[1]
        kept = next((scratch / "home").rglob("loop-24.jsonl"))
        setting = next(r for r in map(json.loads, kept.read_text().rstrip("\n").split("\n")) if "seats" in r)
        assert setting["loop"] == 24
        # Written before there was such a setting: what was said then is said again.
        old = kept.with_name("old.jsonl")
        long = kept.with_name("loop-off.jsonl").read_text().replace('"loop-off"', '"old"')
        old.write_text(re.sub(r'"loop":\d+,', "", long))
        assert '"loop":' not in old.read_text()
        for name in ("loop-12", "loop-24", "loop-off", "old"):
            done = run("transcripts", "replay", name, env=ENVIRONMENT)
            assert not done.returncode and "equal" in done.stdout + done.stderr, done
    with case("a merge that was cut says why, as text and as Markdown"):
        out, err = ask("hello", "--merge=blend", "--max-tokens=5", "--temperature=0")
        assert "\nmerged (blend, length)\n" in out, (out, err)
        out, err = ask("hello", "--merge=blend", "--max-tokens=5", "--temperature=0", "--format=md")
        assert re.search(r"^\*blend, length, [\d.]+ m?s\*$", out, re.M), out
    with case("a small model's synthesis is quoted: the same bytes again, by nobody, each answer named"):
        first, again = (ask_json("Why is it?", "--merge=synth", "--seed=3", "--max-tokens=30")
                        for _ in range(2))
        m = first["merge"]
        assert m["text"] == again["merge"]["text"] and m["text"]
        assert m["note"] == "quoted from the answers, not written" and not m["by"], m
        for line in re.findall(r"^- (\w+): (.*?)\u2026?$", m["text"], re.M):
            said = next(a["text"] for a in first["answers"] if a["persona"] == line[0])
            assert line[1].replace("*", "") in re.sub(r"\s", " ", said).replace("*", ""), (line, said)
        out, err = ask("Why is it?", "--merge=synth", "--seed=3", "--max-tokens=30")
        assert "merged (synth (quoted from the answers, not written))" in out, out
    with case("--raw continues text without turns; a debate needs them, quoting does not"):
        assert ask_json("hello", "--raw")["answers"][0]["prompt_tokens"] == 5
        out, err = ask("hello", "--raw", "--merge=debate", "--max-tokens=2", status=4)
        assert "the merge failed" in err and "critic" in out
        failed = json.loads(ask("hello", "--raw", "--merge=debate", "--max-tokens=2",
                                "--format=json", status=4)[0])
        assert failed["merge"] is None and "--raw has none" in failed["merge_error"]
        *_, last = ask("hello", "--raw", "--merge=debate", "--max-tokens=2", "--format=ndjson",
                       status=4)[0].splitlines()
        assert json.loads(last)["merge_error"] == failed["merge_error"]
        assert "merge_error" not in ask_json("hello", "--merge=vote")
    with case("a model without a chat template: status 3, but --raw works"):
        mute = make_model(scratch / "mute", chat=False)
        done = run("ask", "x", "-m", mute, env=ENVIRONMENT, check_status=False)
        assert done.returncode == 3 and "--raw" in done.stderr and not done.stdout
        run("ask", "x", "-m", mute, "--raw", "--max-tokens=2", env=ENVIRONMENT)
    with case("--think takes a number or none; personas that stand twice are refused"):
        ask_json("hello", "--think=4", "--only=coder")
        ask("hello", "--think=0", status=2)
        assert "twice" in ask("hello", "-p", "coder,coder", status=2)[1]
        assert "nobody" in ask("hello", "-p", "nobody", status=3)[1]


def thinking():
    def thinker(*words):
        done = run("ask", "Is it ever right to lie?", "-m", FIXTURES / "thinker", "--format=json",
                   "--max-tokens=24", "--seed=4", *words, env=ENVIRONMENT)
        return json.loads(done.stdout)
    with case("--think: a thought is told apart, at most N tokens long, and no merge repeats it"):
        for merge in ("vote", "debate:1", "synth"):
            o = thinker("--think=6", "--merge", merge)
            for a in o["answers"]:
                assert a["thought"] and "think>" not in a["text"], a
                assert not a["text"].startswith(a["thought"]) and len(a["tokens"]) <= 24
            said = [o["merge"]["text"], *o["merge"].get("revised", [])]
            assert not any("think>" in text for text in said), said
            if merge == "vote":
                assert o["merge"]["text"] in [a["text"] for a in o["answers"]]
    with case("without --think nobody thinks"):
        assert all("thought" not in a for a in thinker("--merge=none")["answers"])


# ---- Ctrl-C -----------------------------------------------------------------------------------


SEEDS = 10


def interrupted(*words, after):
    """Runs until the bytes `after` were printed, interrupts, returns (status, stdout)."""
    child = subprocess.Popen([BINARY, "ask", "hello " * 30, "-m", MODEL, *words], bufsize=0,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=ENVIRONMENT)
    seen = b""
    while after not in seen:
        chunk = child.stdout.read(4096)
        assert chunk, "it ended by itself"
        seen += chunk
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=PATIENCE)
    return child.returncode, (seen + rest).decode()


def control_c():
    long_answers = ["--max-tokens=3000", "--temperature=1.5", "--merge=vote"]
    # Noise may end by itself before the signal comes, which is no fault; so more than one seed is tried.
    with case("Ctrl-C keeps what was said, marks it, and ends with 130"):
        for seed in range(1, SEEDS + 1):
            status, out = interrupted(*long_answers, f"--seed={seed}", after=b"philosopher")
            if status == 130 and "[interrupted]" in out:
                break
            assert status in (0, 130), (status, out[-200:])
        else:
            raise AssertionError(f"none of {SEEDS} answers was interrupted")
    with case("ndjson stays whole lines after Ctrl-C"):
        for seed in range(1, SEEDS + 1):
            status, out = interrupted(*long_answers, f"--seed={seed}", "--format=ndjson", after=b'"token"')
            events = [json.loads(line) for line in out.rstrip("\n").split("\n")]
            stops = [e["answer"]["stop"] for e in events if e["event"] == "answer"]
            assert len(stops) == 3 and events[-1]["event"] == "end", (seed, status, stops)
            if "interrupted" in stops:
                assert status == 130, status
                break
        else:
            raise AssertionError(f"none of {SEEDS} answers was interrupted")
    with case("json stays one object when the prompt is still being read"):
        child = subprocess.Popen(
            [BINARY, "ask", "-f", "/dev/stdin", "-m", MODEL, "--format=json", "--prefill=own"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        child.stdin.write(b"q " * 1500)
        child.stdin.close()
        # The handler is in place and the model is mapped: now it reads.
        maps = Path(f"/proc/{child.pid}/maps")
        while child.poll() is None and b"model.safetensors" not in maps.read_bytes():
            time.sleep(0.002)
        child.send_signal(signal.SIGINT)
        out, err = child.stdout.read(), child.stderr.read()
        assert child.wait(PATIENCE) == 130, err
        if out:  # what was not begun prints nothing
            o = json.loads(out)
            check_object(o)
            assert all(a["stop"] == "interrupted" for a in o["answers"])


# ---- terminal ---------------------------------------------------------------------------------


def terminal():
    with case("on a terminal with --plain: bold headings, nothing that moves"):
        child = pexpect.spawn(str(BINARY), ["ask", "hello", "-m", str(MODEL), "--max-tokens=4", "--plain"],
                              env=ENVIRONMENT | {"TERM": "xterm-256color"}, timeout=60,
                              dimensions=(40, 100))
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        text = child.before.decode()
        assert "\x1b[1mphilosopher\x1b[0m" in text
        assert not re.findall(r"\x1b(?!\[[0-2]?m|\[K)", text), text[:200]


# ---- config.json ------------------------------------------------------------------------------


def configuration():
    folder = scratch / "config" / "consilium"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "config.json"

    def with_config(value, *words, **more):
        place.write_text(value if isinstance(value, str) else json.dumps(value))
        try:
            return ask("hello", "--format=json", *words, **more)
        finally:
            place.unlink()

    def names(config, *words):
        return [a["persona"] for a in json.loads(with_config(config, *words)[0])["answers"]]

    with case("config.json gives defaults by option name; flags win"):
        config = {"personas": "critic,coder", "max-tokens": 3, "seed": 9, "control": True, "loop": 32,
                  "merge": "none", "quiet": True, "experts": 2, "stop": ["zzz", "yyy"]}
        out, err = with_config(config)
        o = json.loads(out)
        assert [a["persona"] for a in o["answers"]] == ["critic", "coder", "control"] and not err
        assert o["merge"] is None and all(len(a["tokens"]) <= 3 for a in o["answers"])
        assert {a["seed"] for a in o["answers"]} == {9}
        assert names(config, "--personas=coder") == ["coder", "control"]
        assert names(config | {"control": False}) == ["critic", "coder"]
    with case("sampling: flag, else persona, else config.json"):
        # The coder's file says temperature 0.2; the pass without a persona takes the file's 0.
        def tokens(config, *words):
            answers = json.loads(with_config(config, "--control", "--personas=coder", *words,
                                             "--merge=none", "--max-tokens=12", "--seed=3")[0])
            return [a["tokens"] for a in answers["answers"]]
        plain, cold = tokens({}), tokens({"temperature": 0})
        assert cold[0] == plain[0] and cold[1] != plain[1]
        greedy = tokens({"temperature": 1}, "--temperature=0")
        assert greedy == tokens({}, "--temperature=0") and greedy[1] == cold[1]
    with case("keys of other commands are checked and left to them"):
        assert names({"passes": "1,2", "backend": "cpu", "prompt": 64}) == NAMES
    with case("what config.json routes is for those who answer: logits and perplexity stay plain"):
        mask = scratch / "half.mask.json"
        mask.write_text(json.dumps({"mask": 1, "model": None, "mode": "keep",
                                    "layers": {f"0-{LAYERS - 1}": "0-3"}}))
        text = scratch / "plain.txt"
        text.write_text("A town is a way of living together. " * 40)

        def measured(*words):
            run("logits", "-m", MODEL, "--tokens=1,2,3,4", "--output", scratch / "z", *words,
                env=ENVIRONMENT)
            ppl = run("perplexity", text, "-m", MODEL, *words, env=ENVIRONMENT).stdout
            return (scratch / "z").read_bytes(), ppl
        plain, masked = measured(), measured("--mask", mask)
        assert plain[0] != masked[0] and plain[1] != masked[1]
        place.write_text(json.dumps({"personas": "critic", "experts": 1, "strength": 0.5,
                                     "mask": [str(mask)], "quiet": True}))
        assert measured() == plain and measured("--mask", mask) == masked
        place.write_text(json.dumps({"personas": "critic,coder", "experts": "coder=1"}))
        assert measured() == plain
        place.unlink()
    with case("an unknown key, a bad value, bad JSON: status 2 naming file and key"):
        bad = [({"temprature": 1}, ["temprature", "temperature?"]), ({"seed": -1}, ["seed"]),
               ({"temperature": "warm"}, ["temperature", "number"]), ({"quiet": 1}, ["quiet"]),
               ({"kv": "f8"}, ["kv", "f16"]), ({"help": True}, ["help", "command line"]),
               ({"personas": ["a"]}, ["personas", "list"]), ({"stop": [1, {}]}, ["stop"]),
               ({"threads": 0}, ["threads", "1..1024"]), ("{", ["offset"]), ("[]", ["object"]),
               ('{"seed":1,"seed":2}', ["seed", "twice"]), ({"merge": "sum"}, ["sum", "vote"])]
        for config, says in bad:
            out, err = with_config(config, status=2)
            where = [] if config == {"merge": "sum"} else [str(place)]
            assert not out and all(w in err for w in says + where), (config, err)
    with case("--help and --version need no good config.json"):
        place.write_text("{")
        run("ask", "--help", env=ENVIRONMENT)
        run("--version", env=ENVIRONMENT)
        place.unlink()


def main():
    (scratch / "home").mkdir()
    prompts()
    formats()
    options()
    thinking()
    control_c()
    terminal()
    configuration()
    finish()


if __name__ == "__main__":
    main()
