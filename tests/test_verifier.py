#!/usr/bin/env python3
"""`train --what verifier` from end to end on a tiny model of random weights: what is told, what a run that
was killed goes on to, what a vote then says and records. And the rule without a verifier on the built-in's
base: what is said in prose and in code fares alike. What is learned from planted examples is test_verifier.c's.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from council_model import make_model
from suite import BINARY, BUILD, ROOT, SANITIZED, case, finish

scratch = Path(tempfile.mkdtemp(prefix="verifier-"))
MODEL = make_model(scratch / "moe")
BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
ITEMS = 60
# Two answers to a question, in prose and in code, that say the same.
PAIRS = [
    ("What is the capital of France?", "The capital of France is Paris.",
     'capital = {"France": "Paris"}\nprint(capital["France"])  # Paris'),
    ("How many days are in a week?", "A week has seven days.", "days_in_week = 7\nprint(days_in_week)  # 7"),
    ("How do I boil an egg?", "Put the egg in boiling water for eight minutes, then cool it in cold water.",
     'boil(egg, minutes=8)\ncool(egg, water="cold")'),
    ("What is 12 times 4?", "Twelve times four is 48.", "product = 12 * 4\nprint(product)  # 48"),
    ("Which colour do blue and yellow make?", "Blue and yellow together make green.",
     'mix = {("blue", "yellow"): "green"}\nprint(mix["blue", "yellow"])  # green'),
    ("Should I take an umbrella today?",
     "If the forecast says rain, take the umbrella; if not, leave it at home.",
     'if forecast == "rain":\n    take("umbrella")\nelse:\n    leave("umbrella")'),
    ("How can I save money every month?",
     "Write down what you spend, set a budget, and put a tenth of your income aside.",
     "spent = sum(expenses)\nbudget = income - spent\nsavings = income * 0.1"),
    ("What is the opposite of hot?", "The opposite of hot is cold.",
     'opposite = {"hot": "cold"}\nprint(opposite["hot"])  # cold'),
    ("How do plants get energy?", "Plants make sugar from light, water and carbon dioxide.",
     'def plant(light, water, carbon_dioxide):\n    return "sugar", "oxygen"'),
    ("How should I learn for an exam?", "Make a plan, read the notes, solve old exams and sleep before the day.",
     'plan = ["read notes", "solve old exams", "sleep"]\nfor step in plan:\n    do(step)'),
    ("How many legs does a spider have?", "A spider has eight legs.",
     'legs = {"spider": 8}\nprint(legs["spider"])  # 8'),
    ("Is the Earth flat?", "No, the Earth is round like a ball.",
     'earth_is_flat = False\nshape = "ball"\nprint(earth_is_flat)  # False'),
    ("How do I get rid of a cold?", "Rest, drink warm tea and sleep long; after a week it is gone.",
     'for day in range(7):\n    rest()\n    drink("warm tea")\n    sleep(hours=9)'),
    ("Who wrote Romeo and Juliet?", "William Shakespeare wrote Romeo and Juliet.",
     'author = {"Romeo and Juliet": "William Shakespeare"}\nprint(author["Romeo and Juliet"])'),
    ("What does a doctor do?", "A doctor examines sick people and helps them to become healthy.",
     "class Doctor:\n    def help(self, patient):\n        self.examine(patient)\n        patient.healthy = True"),
    ("How do I clean a window?", "Wash the window with soap and water, then dry it with a cloth.",
     'wash(window, ["soap", "water"])\ndry(window, "cloth")'),
]


class Home:
    def __init__(self, name):
        self.path = scratch / name
        self.path.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        self.environment |= {"HOME": str(self.path), "LC_ALL": "C.UTF-8"}

    def command(self, *words):
        return [str(BINARY), *map(str, words)]

    def run(self, *words, status=0):
        done = subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == status, (done.returncode, done.stderr[-500:])
        return done

    def start(self, *words):
        return subprocess.Popen(self.command(*words), env=self.environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def record(self):
        found = list((self.path / ".local/state/consilium/train").glob("verifier.*.jsonl"))
        return found[0] if found else None

    def verifiers(self):
        return list((self.path / ".config/consilium/personas").glob("council.*.verifier.json"))


def make_set():
    """Whatever letters come, some answers begin words with one of them and some do not."""
    lines = [{"id": f"r{i}", "kind": "rubric", "question": f"Is {i} more than {i * 7 % 11}?",
              "keys": [[chr(97 + (i + k) % 26) for k in range(14)]], "need": 1}
             for i in range(ITEMS)]
    lines.append({"id": "c", "kind": "choice", "question": "Which?", "choices": ["a", "b"], "right": 0})
    path = scratch / "set.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


SET = make_set()
TRAIN = ["train", "--what", "verifier", "-m", MODEL, "--set", SET, "--max-tokens", 16, "--temperature", 1, "--force"]


def trains():
    home = Home("whole")
    with case("a verifier is learned, told in figures, and kept beside the user's personas"):
        done = home.run(*TRAIN, "--threads", 1)
        assert re.search(rf"^{ITEMS} questions, \d+ with right and wrong answers$", done.stdout, re.M), done.stdout
        for word in ("by chance", "best persona", "the verifier", "95 % interval", "any persona"):
            assert word in done.stdout, (word, done.stdout)
        (path,) = home.verifiers()
        made = json.loads(path.read_text())
        assert made["figures"]["questions"] == ITEMS and made["model"]["architecture"] == "qwen3_moe", made
        assert len(home.record().read_text().splitlines()) == 1 + ITEMS
    with case("the same bytes with two threads, and after kill -9"):
        again = Home("killed")
        running = again.start(*TRAIN, "--threads", 2)
        until = time.monotonic() + 200
        while time.monotonic() < until and running.poll() is None:
            record = again.record()
            if record and len(record.read_bytes().splitlines()) > ITEMS // 4:
                break
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert again.record() and len(again.record().read_bytes().splitlines()) <= 1 + ITEMS
        said = again.run(*TRAIN, "--threads", 2)
        assert said.stdout == home.run(*TRAIN).stdout
        assert again.record().read_bytes() == home.record().read_bytes()
        assert again.verifiers()[0].read_bytes() == home.verifiers()[0].read_bytes()
    return home


def gates():
    home = Home("gate")
    with case("a gate is learned from keys, told in figures, the same with two threads, and blends go by it"):
        items = scratch / "keys.jsonl"
        items.write_text("".join(json.dumps({"id": f"k{i}", "kind": "exact", "question": f"What is {i}?",
                                             "keys": [f"it is {i * 7 % 10}"]}) + "\n" for i in range(30)))
        words = ["train", "--what", "blend", "-m", MODEL, "--set", items, "--force"]
        done = home.run(*words, "--threads", 1)
        assert re.search(r"^30 questions, \d+ tokens of right answers$", done.stdout, re.M), done.stdout
        assert re.search(r"gain +[+-][\d.]+ a question, 95 % interval [+-][\d.]+ to [+-][\d.]+", done.stdout), done.stdout
        (path,) = (home.path / ".config/consilium/personas").glob("council.*.gate.json")
        first = path.read_bytes()
        assert json.loads(first)["figures"]["questions"] == 30
        home.run(*words, "--threads", 2)
        assert path.read_bytes() == first
        ask = ["ask", "Why?", "-m", MODEL, "--merge", "blend", "--max-tokens", 8, "--seed", 1, "--no-save"]
        said = home.run(*ask).stdout
        assert re.search(r"weighed by\s+the\s+learned\s+gate\s+[0-9a-f]{8}", said), said
        path.write_bytes(first[:-20])
        assert "gate.json" in home.run(*ask, status=4).stderr
        path.unlink()
        assert "gate" not in home.run(*ask).stdout


def refuses():
    home = Home("refused")
    with case("what is missing or makes no sense is told at once"):
        for words, says in ((["train", "--what", "verifier", "-m", MODEL], "--set FILE"),
                            (["train", "coder", *TRAIN[1:]], "a model's, not a persona's"),
                            (["train", "-m", MODEL], "which persona"),
                            ([*TRAIN, "-p", "coder"], "two personas")):
            assert says in home.run(*words, status=2).stderr, words
            blend = [w if w != "verifier" else "blend" for w in words]
            assert says in home.run(*blend, status=2).stderr, blend
        (scratch / "empty.jsonl").write_text('{"kind":"choice","question":"Q","choices":["a","b"],"right":1}\n')
        done = home.run(*[scratch / "empty.jsonl" if w == SET else w for w in TRAIN], status=2)
        assert "nothing to learn from" in done.stderr
    with case("no better than chance: not written, and told"):
        done = home.run(*[w for w in TRAIN if w != "--force"])
        assert home.verifiers() or "no better than chance" in done.stderr, done.stderr


def votes(home):
    ask = ["ask", "hello", "-m", MODEL, "--merge", "vote", "--max-tokens", 6, "--seed", 4, "--format", "json"]
    with case("a vote says and records what it went by; without a verifier it is the plain rule"):
        (path,) = home.verifiers()
        merge = json.loads(home.run(*ask).stdout)["merge"]
        figures = json.loads(path.read_text())["figures"]
        assert merge["basis"] == (f"a verifier, right on {100 * figures['right']:.0f} % of {ITEMS} questions "
                                  f"(by chance {100 * figures['blind']:.0f} %)"), merge["basis"]
        assert re.fullmatch("[0-9a-f]{16}", merge["verifier"])
        (transcript,) = (home.path / ".local/share/consilium").rglob("*.jsonl")
        assert f'"verifier":"{merge["verifier"]}"' in transcript.read_text()
        path.rename(scratch / "kept.json")
        plain = json.loads(home.run(*ask).stdout)["merge"]
        assert plain["basis"] == "fit to the question" and "verifier" not in plain
        assert [len(row) for row in plain["scores"]] == [3, 3, 3]
    with case("an evaluation by the plain rule is not gone on with by a verifier"):
        facts = scratch / "facts.jsonl"
        facts.write_text('{"kind":"exact","question":"Is it a?","keys":["a"]}\n')
        again = ["eval", facts, "-m", MODEL, "--max-tokens", 4, "-o", scratch / "eval.jsonl", "--arms", "vote"]
        home.run(*again)
        path.write_bytes((scratch / "kept.json").read_bytes())
        refused = home.run(*again, status=2)
        assert "verifier" in refused.stderr, refused.stderr
        path.unlink()
        home.run(*again)
    with case("a verifier that is broken stops the vote by name, and the answers stay"):
        path.write_text('{"verifier":1,"model":3}')
        done = home.run(*ask, status=4)
        assert path.name in done.stderr and json.loads(done.stdout)["merge"] is None, done.stderr
        assert path.name in home.run(*again[:-2], "--arms", "vote", status=3).stderr


def styles():
    with case("what is said in prose and in code fares alike without a verifier"):
        lines = [{"question": q, "answers": [prose, f"```python\n{code}\n```"]} for q, prose, code in PAIRS]
        done = subprocess.run([BUILD / "tests/tool_vote", BASE], input="".join(json.dumps(x) + "\n" for x in lines),
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-300:]
        marks = [json.loads(line)["marks"] for line in done.stdout.splitlines()]
        code = sum(m[1] > m[0] for m in marks)
        # Fair coins: outside of [4, 12] of 16 once in fifty times; likelihood under the others gives 2.
        assert len(marks) == len(PAIRS) and 4 <= code <= 12, [round(m[1] - m[0], 2) for m in marks]


HOME = trains()
refuses()
gates()
votes(HOME)
if not SANITIZED:
    styles()
finish()
