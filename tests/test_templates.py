#!/usr/bin/env python3
"""Chat templates as a user meets them: `tokenize --messages`, --think, --template, --chat-format, what is
said about them, and that a kept conversation replays under the same variables."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

from suite import BINARY, FIXTURES, MODELS, case, check, finish, run

DATA = json.loads((FIXTURES / "chat.json").read_text())
TEMPLATES = FIXTURES / "templates"
TALK = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]


def folder(where, template, words="thinking"):
    where.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (where / name).symlink_to((MODELS / "qwen3_moe" / name).resolve())
    (where / "tokenizer.json").write_text(json.dumps(DATA[words]))
    (where / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|begin|>",
                                                             "eos_token": "<|endoftext|>"}))
    if template:
        (where / "chat_template.jinja").write_text(template)
    return where


def named(scratch, name):
    path = scratch / name
    return path if path.exists() else folder(path, (TEMPLATES / f"{name}.jinja").read_text())


def talker(scratch, template):
    """A model that can be asked: the thinker of the fixtures behind another template, by name or text."""
    text = TEMPLATES / f"{template}.jinja"
    path = scratch / f"talker-{abs(hash(template))}"
    if not path.exists():
        path.mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (path / name).symlink_to((FIXTURES / "thinker" / name).resolve())
        config = json.loads((FIXTURES / "thinker" / "tokenizer_config.json").read_text())
        config["chat_template"] = text.read_text() if "{" not in template else template
        (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def tokenize(model, talk, *options, **more):
    return run("tokenize", "-m", model, "--messages", "-", *options,
               **({"stdin": None, "input": talk if isinstance(talk, str) else json.dumps(talk)} | more))


def spell(ids):
    """The text of ids, from the vocabulary itself."""
    words = {i: w for w, i in DATA["thinking"]["model"]["vocab"].items()}
    added = {t["id"]: t["content"] for t in DATA["thinking"]["added_tokens"]}
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in own]
    byte = {**{chr(b): b for b in own}, **{chr(0x100 + i): b for i, b in enumerate(others)}}
    out = b"".join(added[i].encode() if i in added else bytes(byte[c] for c in words[i]) for i in ids)
    return out.decode()


def says(scratch, name, *options):
    return spell(json.loads(tokenize(named(scratch, name), TALK, *options).stdout))


def list_of_ids(scratch):
    with case("tokenize --messages: the rendered chat, from a file and from a pipe"):
        path = scratch / "talk.json"
        path.write_text(json.dumps(TALK))
        model = named(scratch, "plain-chatml")
        want = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        from_file = json.loads(run("tokenize", "-m", model, "--messages", path).stdout)
        assert spell(from_file) == want + "<|im_start|>assistant\n"
        assert from_file == json.loads(tokenize(model, TALK).stdout)
        assert spell(json.loads(tokenize(model, TALK, "--no-reply").stdout)) == want
    with case("tokenize --messages renders what is given: a system message may be left out or refused"):
        assert "Be kind." not in says(scratch, "no-system")
        done = tokenize(named(scratch, "refuses-system"), TALK, check_status=False)
        assert done.returncode == 1 and "no system message can be said" in done.stderr, done.stderr
    with case("tokenize --messages: other members and parts of content reach the template"):
        talk = [TALK[1], {"role": "assistant", "content": "x", "reasoning": "because"}]
        assert "<think>\nbecause\n</think>\n\nx" in spell(json.loads(
            tokenize(named(scratch, "reasoning-kept"), talk, "--no-reply").stdout))
        talk = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
        assert spell(json.loads(tokenize(named(scratch, "parts-only"), talk, "--no-reply").stdout)) \
            == "<|im_start|>user\nab<|im_end|>\n"
    for talk, words in (("{}", "not a list"), ("[]", "is empty"), ("[1]", "message 1"),
                        ('[{"role":"boss","content":""}]', '"boss" is none of system'),
                        ('[{"role":"user"}]', '"content" is missing'), ("[", "offset"), ("", "offset"),
                        ('[{"role":"user","content":"x"}] x', "offset")):
        done = tokenize(named(scratch, "plain-chatml"), talk, check_status=False)
        check(f"tokenize --messages {talk!r}: exit 2, {words}",
              done.returncode == 2 and words in done.stderr and "standard input" in done.stderr, done.stderr)
    for options, words in ((("--messages", "x", "text"), "only one"), (("text", "--no-reply"), "--no-reply belongs"),
                           (("text", "--think"), "--think belongs")):
        done = run("tokenize", "-m", named(scratch, "plain-chatml"), *options, check_status=False)
        check(f"tokenize {' '.join(options)}: exit 2", done.returncode == 2 and words in done.stderr, done.stderr)
    done = run("tokenize", "-m", folder(scratch / "none", None), "--messages", "-", check_status=False)
    check("tokenize --messages without a template: exit 3 with the formats' names",
          done.returncode == 3 and "--chat-format (chatml" in done.stderr, done.stderr)
    with case("--chat-format serves a model without a template"):
        ids = json.loads(tokenize(scratch / "none", TALK, "--chat-format", "llama3").stdout)
        assert spell(ids).startswith("<|begin|><|start_header_id|>system<|end_header_id|>\n\nBe kind."), spell(ids)


def thinking(scratch):
    opened, closed = "<think>\n", "<think>\n\n</think>\n\n"
    for name, off, on in (("qwen3", closed, "assistant\n"), ("opens-or-closes", closed, opened),
                          ("inverted-thinking", opened, closed), ("opens-thought", opened, opened),
                          ("thinking-variable", "</think>", "<think>")):
        check(f"{name}: --think is enable_thinking", says(scratch, name).endswith(off)
              and says(scratch, name, "--think").endswith(on), says(scratch, name, "--think"))
    with case("reasoning_effort follows --think"):
        assert "Reasoning: low" in says(scratch, "reasoning-effort")
        assert "Reasoning: high" in says(scratch, "reasoning-effort", "--think")
        assert "Reasoning: medium" in says(scratch, "reasoning-effort", "--think=2000")
    with case("a --think that can have no effect says so, others do not"):
        for name, silent in (("plain-chatml", False), ("qwen3", True), ("opens-thought", True)):
            done = tokenize(named(scratch, name), TALK, "--think")
            assert ("has no effect" in done.stderr) != silent, (name, done.stderr)
            done = ask(talker(scratch, name), "--think")
            assert done.stderr.count("has no effect") == (not silent), (name, done.stderr)
        assert "has no effect" in ask(talker(scratch, "qwen3"), "--think", "--raw").stderr
        assert "has no effect" not in ask(talker(scratch, "plain-chatml")).stderr
    with case("a template that always thinks is closed, and says so"):
        done = ask(talker(scratch, "opens-thought"))
        assert "closed at once" in done.stderr, done.stderr
        done = ask(talker(scratch, "opens-thought"), "--think")
        assert "closed at once" not in done.stderr
        events = [json.loads(line) for line in
                  ask(talker(scratch, "opens-thought"), "--think=3", "--format", "ndjson").stdout.rstrip("\n").split("\n")]
        tokens = [e for e in events if e.get("type", e.get("event")) == "token"]
        assert tokens and tokens[0].get("thinking") is True, events[:3]


def ask(model, *options, **more):
    return run("ask", "Hi", "-m", model, "--personas", "coder", "--max-tokens", 8, "--seed", 1, "--no-save",
               *options, **more)


def variables(scratch):
    with case("--template sets a variable, as JSON or as text, and wins over --think"):
        opens = named(scratch, "opens-or-closes")
        assert says(scratch, "opens-or-closes", "--think", "--template", "enable_thinking=false").endswith("</think>\n\n")
        assert "Reasoning: deep" in says(scratch, "reasoning-effort", "--template", "reasoning_effort=deep")
        done = tokenize(opens, TALK, "--template", "unheard=1")
        assert "unheard: the chat template reads no such variable" in done.stderr, done.stderr
    for value in ("messages=[]", "eos_token=x", "add_generation_prompt=false", "x", "=1", "a-b=1"):
        done = ask(talker(scratch, "plain-chatml"), "--template", value, check_status=False)
        check(f"--template {value}: exit 2", done.returncode == 2 and "--template" in done.stderr, done.stderr)
    with case("config.json may hold template"):
        home = scratch / "config"
        (home / "consilium").mkdir(parents=True)
        (home / "consilium" / "config.json").write_text(json.dumps({"template": ["reasoning_effort=odd"]}))
        done = tokenize(named(scratch, "reasoning-effort"), TALK, env={**os.environ, "XDG_CONFIG_HOME": str(home)})
        assert "Reasoning: odd" in spell(json.loads(done.stdout))
    with case("a conversation replays under its variables and its template"):
        env = {**os.environ, "XDG_DATA_HOME": str(scratch / "data")}
        run("ask", "Hi", "-m", talker(scratch, "reasoning-effort"), "--personas", "coder", "--max-tokens", 8,
            "--seed", 1, "--session", "vars", "--template", "reasoning_effort=odd", env=env)
        setting = next(r for r in map(json.loads, (scratch / "data/consilium/transcripts/vars.jsonl").open())
                       if r.get("type") == "setting")
        assert setting["template"] == ["reasoning_effort=odd"] and setting["chat_format"] == "template", setting
        run("transcripts", "replay", "vars", env=env)
        run("ask", "And?", "-m", talker(scratch, "reasoning-effort"), "--max-tokens", 8, "--resume", "vars", env=env)
        run("transcripts", "replay", "vars", env=env)
        settings = [json.loads(r) for r in (scratch / "data/consilium/transcripts/vars.jsonl").open() if '"setting"' in r]
        assert all(s["template"] == ["reasoning_effort=odd"] for s in settings), settings
        # other variables are another conversation
        done = run("transcripts", "replay", "vars", "--template", "reasoning_effort=low", env=env, check_status=False)
        assert done.returncode == 1, done.stdout


def instructions(scratch):
    with case("an instruction that the template leaves out is moved, and that is said once"):
        for name, told in (("no-system", True), ("refuses-system", True), ("plain-chatml", False)):
            done = ask(talker(scratch, name), "--format", "json")
            assert done.stderr.count("leaves out system messages") == told, (name, done.stderr)
        more = json.loads(ask(talker(scratch, "no-system"), "--format", "json").stdout)
        none = json.loads(ask(talker(scratch, "no-system"), "--format", "json", "--no-instruction").stdout)
        assert more["answers"][0]["prompt_tokens"] > none["answers"][0]["prompt_tokens"] + 20


def problems(scratch):
    broken = talker(scratch, "{% for m in messages %}\n{{ m.content | klingon }}{% endfor %}")
    done = ask(broken, check_status=False)
    check("a template that cannot be run: exit 3 with line and column",
          done.returncode == 3 and "line 2, column" in done.stderr and "klingon" in done.stderr
          and "--chat-format (chatml" in done.stderr, done.stderr)
    check("and with --chat-format it can", ask(broken, "--chat-format", "chatml").returncode == 0)
    info = json.loads(run("model", "info", "-m", broken, "--format", "json").stdout)
    check("model info says why", info["chat_format"] is None and "klingon" in info["chat_problem"], info)
    info = json.loads(run("model", "info", "-m", named(scratch, "qwen3"), "--format", "json").stdout)
    check("model info names the model's own template", info["chat_format"] == "template", info)
    endless = talker(scratch, "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}")
    done = run("ask", "Hi", "-m", endless, "--no-save", check_status=False, timeout=20)
    check("a template without end is refused", done.returncode == 3 and "line 1" in done.stderr, done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="consilium-templates-") as scratch:
        scratch = Path(scratch)
        list_of_ids(scratch)
        thinking(scratch)
        variables(scratch)
        instructions(scratch)
        problems(scratch)
    finish()


main()
