#!/usr/bin/env python3
"""The sets that come with the program (personas/shipped/sets): form, keys, sums computed anew, solutions run.

A key that stands in its question, two questions that are one, a right choice that is always the third or a
check that any function passes would make every figure of `eval` worthless: that is what is looked for.
"""
import collections
import json
import re
import subprocess
import sys

from suite import FIXTURES, ROOT, case, check, finish

SETS = ROOT / "personas/shipped/sets"
#       set: (items, letter of the ids, digits, kinds)
FORMS = {"facts": (200, "f", 3, "exact choice"), "yesno": (100, "y", 3, "exact"), "sums": (100, "s", 3, "exact"),
         "programs": (60, "p", 3, "program"), "judgement": (60, "j", 3, "rubric"),
         "keyed": (2000, "k", 4, "exact choice")}
FIELDS = {"exact": "keys", "choice": "choices right", "program": "check", "rubric": "keys need"}
NEGATION = re.compile(r"\b(not|never|no|none|nothing|without|\w+n't|cannot)\b")
A, B = r"(\d+)", r"(\d+)"
SUMS = [(rf"{A} (?:\+|plus) {B}|[Aa]dd {A} (?:and|to) {B}|sum of {A} and {B}", lambda a, b: a + b),
        (rf"{A} (?:-|minus) {B}", lambda a, b: a - b),
        (rf"ifference between {A} and {B}", lambda a, b: abs(a - b)),
        (rf"[Tt]ake {A} away from {B}|[Ss]ubtract {A} from {B}|when {A} is taken from {B}", lambda a, b: b - a),
        (rf"{A} (?:x|times) {B}\?|product of {A} and {B}|[Mm]ultiply {A} by {B}", lambda a, b: a * b),
        (rf"{A} divided by {B}|[Dd]ivide {A} by {B}", lambda a, b: a / b),
        (rf"does {A} go into {B}", lambda a, b: b / a)]
STUBS = ("return None", "return a[0]", "return 0", "return True", "return False", "return []", "return ''")
RUNNER = """import json, sys
for line in sys.stdin:
    name, code, check = json.loads(line)
    try:
        exec(code + "\\n" + check, {})
        print(name, "pass")
    except Exception as e:
        print(name, type(e).__name__)
"""


def words(text):
    """Letters and digits in lower case, without articles, between blanks."""
    parts = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    return " %s " % " ".join(p for p in parts if p not in ("a", "an", "the"))


def read(name):
    return [json.loads(line) for line in (SETS / f"{name}.jsonl").read_text(encoding="ascii").splitlines()]


ITEMS = {name: read(name) for name in FORMS}


def forms():
    for name, (count, letter, digits, kinds) in FORMS.items():
        with case(f"{name}: {count} items, ids in order, fields of their kind, questions as they should be"):
            assert [i["id"] for i in ITEMS[name]] == [f"{letter}{n:0{digits}d}" for n in range(1, count + 1)]
            for i in ITEMS[name]:
                assert i["kind"] in kinds.split(), i
                assert list(i) == ["id", "kind", "question", *FIELDS[i["kind"]].split(), "topic"], i
                assert i["topic"] and len(i["question"]) >= 10 and i["question"] == i["question"].strip(), i
    with case("no question stands twice, in whatever set"):
        seen = collections.Counter(words(i["question"]) for items in ITEMS.values() for i in items)
        assert max(seen.values()) == 1, seen.most_common(1)


def keys():
    of_kind = lambda kind: [i for items in ITEMS.values() for i in items if i["kind"] == kind]
    with case("exact: keys are words, different, and not in the question"):
        for i in of_kind("exact"):
            assert len({k.lower() for k in i["keys"]}) == len(i["keys"]) and all(words(k).strip() for k in i["keys"]), i
            given = i["keys"][0] in ("yes", "no")
            assert given or not any(words(k) in words(i["question"]) for k in i["keys"]), i
            assert not given or len(i["keys"]) == 1 and i["question"].endswith(" Answer yes or no."), i
    with case("choice: four that do not contain each other; the right one is in each place as often"):
        for i in of_kind("choice"):
            texts = [words(c) for c in i["choices"]]
            assert len(texts) == 4 and not any(a is not b and a in b for a in texts for b in texts), i
        for name in ("facts", "keyed"):
            places = collections.Counter(i["right"] for i in ITEMS[name] if i["kind"] == "choice")
            assert max(places.values()) - min(places.values()) <= 1 and len(places) == 4, places
    with case("yes/no: half and half, no negation in a question"):
        assert collections.Counter(i["keys"][0] for i in ITEMS["yesno"]) == {"yes": 50, "no": 50}
        for i in ITEMS["yesno"]:
            assert not NEGATION.search(i["question"].replace(" Answer yes or no.", "").lower()), i
    with case("rubric: no word in two groups or in the question"):
        for i in of_kind("rubric"):
            flat = [w for group in i["keys"] for w in group]
            assert len(set(flat)) == len(flat) and 1 < i["need"] < len(i["keys"]), i
            assert not any(re.search(r"\b" + re.escape(w), i["question"].lower()) for w in flat), i


def computed():
    done = 0
    with case("sums: what a question of two numbers asks is what its key says"):
        for i in ITEMS["sums"] + [i for i in ITEMS["keyed"] if i["topic"] == "sums"]:
            if len(re.findall(r"\d+", i["question"])) != 2:
                continue
            for form, value in SUMS:
                m = re.search(form, i["question"])
                if m:
                    a, b = [int(g) for g in m.groups() if g]
                    assert value(a, b) == int(i["keys"][0].replace(",", "")), i
                    done += 1
                    break
    check("sums: at least 90 were computed anew", done >= 90, done)


def run_all(rows):
    done = subprocess.run([sys.executable, "-c", RUNNER], input="".join(json.dumps(r) + "\n" for r in rows),
                          capture_output=True, text=True, timeout=60, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def programs():
    items = ITEMS["programs"]
    solutions = {s["id"]: s["code"] for s in map(json.loads, (FIXTURES / "sets/programs.solutions.jsonl").open())}
    results = run_all([(i["id"], solutions[i["id"]], i["check"]) for i in items])
    check("programs: each has a solution that passes", results == {i["id"]: "pass" for i in items}, results)
    for stub in STUBS:
        rows = [(i["id"], "def %s(*a):\n    %s" % (re.search(r"function (\w+)\(", i["question"])[1], stub), i["check"])
                for i in items]
        passed = [k for k, v in run_all(rows).items() if v == "pass"]
        check(f"programs: `{stub}` passes none", not passed, passed)


forms()
keys()
computed()
programs()
finish()
