#!/usr/bin/env python3
"""Checks the lessons: the questions and answers from which the personas learn their voices.

Format. personas/shipped/NAME.lessons.jsonl holds one JSON object a line:
    {"id":"q001","form":"should","topic":"school","question":"..","answer":".."}
and, where the form is "followup", also the turn that came before:
    "before":[{"role":"user","text":".."},{"role":"assistant","text":".."}]
All personas answer the same questions in the same order under the same ids; only the answers and
the assistant's half of "before" differ. NAME.lessons.ru.jsonl is the same in Russian, for models
that speak it.

Held-out rule. Every fifth topic, as they are first met in the file, is never trained on: its lessons
test whether a voice is kept where nothing was taught (personas/lessons/lessons.h).

Length. An answer has 30 to 70 words (split at white space, code included), of a fact, a sum, a yes or
no 20 to 70. A question that asks for more (the words in LONG_CUE) has 90 to 140, one that asks for less
(BRIEF_CUE) 8 to 45, and no other question has: so length is something the prompt asks for, and a short
question gets an answer that ends soon. Of questions that are not terse 10 to 20 % ask for more.

Voices (also of the turn before, unless that is the same for all: the plain model's). The philosopher
asks at least one question. The coder has a code block that runs and a number; a comment behind a
print(..) is what it prints, and is compared. The critic names a fault in words of
tests/fixtures/critic_words.txt. Only the coder uses code blocks.

Run from anywhere: python3 tests/test_lessons.py. Prints "ok NAME" or "not ok NAME # why" a line,
exits 1 when anything failed. Needs only the standard library; C blocks are checked when gcc is
there, shell blocks when sh is.
"""

import collections
import concurrent.futures
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PERSONAS = ("philosopher", "coder", "critic")
FORMS = ("should", "arithmetic", "how", "greeting", "why", "pasted", "what", "code", "explain",
         "followup", "compare", "write", "list", "yesno", "fact")
LEAST_OF_A_FORM = {"": 40, ".ru": 8}
MIN_QUESTIONS = {"": 1200, ".ru": 150}
HELD_LEAST = 100
BRIEF, TERSE, SHORT, LONG = (8, 45), (20, 70), (30, 70), (90, 140)
TERSE_FORMS = ("fact", "arithmetic", "yesno")
PASTED = (40, 90)
LONG_CUE = re.compile(r"\b(in detail|at length|step by step|thoroughly|in depth|"
                      r"подробно|шаг за шагом)\b", re.I)
BRIEF_CUE = re.compile(r"\b(in one sentence|briefly|in short|in a few words|in one line|одним предложением|"
                       r"коротко|вкратце|кратко)\b", re.I)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PROMISE = re.compile(r"^ *print\(.*\)  +# (.+)$", re.M)
BLOCK_SECONDS = 5

failures = 0


def report(name, problems):
    """One line per check; of many problems the first three are enough to start mending."""
    global failures
    if problems:
        failures += 1
        more = "" if len(problems) <= 3 else " (and %d more)" % (len(problems) - 3)
        print("not ok %s # %s%s" % (name, "; ".join(problems[:3]), more))
    else:
        print("ok " + name)


def read_lines(path):
    with open(os.path.join(ROOT, path), "rb") as f:
        return f.read().decode("utf-8").split("\n")


def load(persona, language):
    """All lessons of one persona, or the reason why its file is not valid."""
    path = "personas/shipped/%s.lessons%s.jsonl" % (persona, language)
    lessons, problems = [], []
    try:
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as e:
        return [], [str(e)]
    if lines[-1] != "":
        problems.append("no newline at the end")
    for n, line in enumerate(lines[:-1], 1):
        try:
            lesson = json.loads(line)
        except ValueError as e:
            problems.append("line %d: %s" % (n, e))
            continue
        wanted = {"id", "form", "topic", "question", "answer"} - ({"topic"} if language else set())
        if lesson.get("form") == "followup":
            wanted.add("before")
        if set(lesson) != wanted:
            problems.append("line %d: fields %s" % (n, sorted(set(lesson) ^ wanted)))
        elif lesson["form"] not in FORMS:
            problems.append("line %d: form %s" % (n, lesson["form"]))
        elif lesson["id"] != "q%03d" % n:
            problems.append("line %d: id %s" % (n, lesson["id"]))
        elif "before" in lesson and [t.get("role") for t in lesson["before"]] != ["user",
                                                                                   "assistant"]:
            problems.append("line %d: before is not one user and one assistant turn" % n)
        else:
            lessons.append(lesson)
    return lessons, problems


def texts(lesson):
    found = [lesson["question"], lesson["answer"]]
    return found + [turn["text"] for turn in lesson.get("before", [])]


def prose(text):
    """The answer without its code blocks: what style rules are about."""
    return BLOCK.sub("\n", text)


def words(text):
    return re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower())


def sentences(text):
    """Pieces of prose between full stops; list numbers alone are not sentences."""
    return [s for s in re.split(r"(?<=[.!?:])\s+|\n+", prose(text)) if re.search(r"[^\W\d]", s)]


def check_text(name, lessons, language):
    """Plain characters, no stray white space, and a proper end."""
    problems = []
    for lesson in lessons:
        for text in texts(lesson):
            bad = [c for c in text if c != "\n" and unicodedata.category(c)[0] == "C"]
            if not language:
                bad += [c for c in text if ord(c) > 126]
            if bad:
                problems.append("%s: character U+%04X" % (lesson["id"], ord(bad[0])))
            if text != text.strip() or "  \n" in text or "\n\n\n" in text:
                problems.append(lesson["id"] + ": stray white space")
        for text in [lesson["answer"]] + [t["text"] for t in lesson.get("before", [])[1:]]:
            if not re.search(r"([.!?]['\")»]?|\n```)\Z", text):
                problems.append("%s: ends in %r" % (lesson["id"], text[-12:]))
            if text.count("```") != 2 * len(BLOCK.findall(text)):
                problems.append(lesson["id"] + ": a code fence is not closed")
    report(name + " text", problems)


def check_length(name, lessons):
    problems, long_ones = [], 0
    for lesson in lessons:
        count = len(lesson["answer"].split())
        cued = bool(LONG_CUE.search(lesson["question"]))
        low, high = LONG if cued else BRIEF if BRIEF_CUE.search(lesson["question"]) else SHORT
        if (low, high) == SHORT and lesson["form"] in TERSE_FORMS:
            low, high = TERSE
        long_ones += cued
        if not low <= count <= high:
            problems.append("%s: %d words, not %d to %d" % (lesson["id"], count, low, high))
        if lesson["form"] == "pasted":
            longest = max(len(p.split()) for p in lesson["question"].split("\n"))
            if not PASTED[0] <= longest <= PASTED[1]:
                problems.append("%s: pasted paragraph of %d words" % (lesson["id"], longest))
    share = long_ones / max(1, sum(x["form"] not in TERSE_FORMS for x in lessons))
    if not 0.10 <= share <= 0.20:
        problems.append("%.0f %% longer answers, not 10 to 20" % (100 * share))
    report(name + " length", problems)


def check_variety(name, lessons):
    """No stock openings, closings, phrases or sentences across the answers; no loop inside one."""
    problems = []
    limit = max(1, len(lessons) // 20)
    openings, closings = collections.Counter(), collections.Counter()
    seen, grams_in = collections.Counter(), collections.Counter()
    for lesson in lessons:
        parts = sentences(lesson["answer"])
        openings[" ".join(words(parts[0])[:2])] += 1
        closings[" ".join(words(parts[-1])[:2])] += 1
        seen.update({s.lower() for s in parts if len(s.split()) > 3})
        flat = words(lesson["answer"])
        grams = [tuple(flat[i:i + 4]) for i in range(len(flat) - 3)]
        repeated = len(grams) - len(set(grams))
        if repeated > max(1, len(grams) // 20):
            problems.append("%s: %d repeated 4-grams" % (lesson["id"], repeated))
        plain = words(prose(lesson["answer"]))
        grams_in.update({tuple(plain[i:i + 4]) for i in range(len(plain) - 3)})
    for what, counter in (("opening", openings), ("closing", closings)):
        problems += ["%s %r %d times" % (what, k, n) for k, n in counter.most_common(9)
                     if n > limit]
    problems += ["sentence %r twice" % k for k, n in seen.most_common(9) if n > 1]
    problems += ["phrase %r %d times" % (" ".join(k), n) for k, n in grams_in.most_common(9)
                 if n > limit]
    report(name + " variety", problems)


def read_fault_words():
    listed = [w for w in read_lines("tests/fixtures/critic_words.txt")
              if w and not w.startswith("#")]
    return re.compile(r"\b(%s)\b" % "|".join(map(re.escape, listed)), re.I)


def plain_turns(bank):
    """Ids of the lessons before which the same was said to all: by none of them, in no voice."""
    said = [{x["id"]: x["before"][1]["text"] for x in bank[p] if "before" in x} for p in PERSONAS]
    return {i for i, text in said[0].items() if all(of.get(i) == text for of in said[1:])}


def check_voice(name, persona, lessons, faults, plain):
    problems = []
    for lesson in lessons:
        answers = [lesson["answer"]]
        if lesson["id"] not in plain:
            answers += [t["text"] for t in lesson.get("before", [])[1:]]
        for text in answers:
            blocks = BLOCK.findall(text)
            if persona == "coder" and (not blocks or not re.search(r"\d", text)):
                problems.append(lesson["id"] + ": no code block or no number")
            if persona == "coder" and any(not language for language, _ in blocks):
                problems.append(lesson["id"] + ": a code block does not name its language")
            if persona != "coder" and "```" in text:
                problems.append(lesson["id"] + ": a code block, which is the coder's mark")
            if persona == "philosopher" and "?" not in text:
                problems.append(lesson["id"] + ": asks nothing")
            if persona == "critic" and not faults.search(text):
                problems.append(lesson["id"] + ": names no fault")
    report(name + " voice", problems)


def quiet_run(command, text):
    """Runs a command on text. Returns its output, and why it failed or None."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8",
                              timeout=BLOCK_SECONDS)
    except subprocess.TimeoutExpired:
        return "", "ran longer than %d s" % BLOCK_SECONDS
    reason = (done.stderr.strip().split("\n")[-1] or "failed") if done.returncode else None
    return done.stdout, reason


def run_python(code):
    """Runs the block; each comment behind a print must be found, in order, in what it printed."""
    compile(code, "block", "exec")
    printed, reason = quiet_run([sys.executable, "-X", "utf8", "-I", "-S", "-"], code)
    if reason:
        return reason
    lines = iter(printed.split("\n"))
    for promise in PROMISE.findall(code):
        if not any(line.strip() == promise.strip() for line in lines):
            return "does not print %r" % promise
    return None


def run_block(language, code):
    """Why a code block is not right, or None."""
    if language == "python":
        try:
            return run_python(code)
        except SyntaxError as e:
            return str(e)
    if language == "sql":
        try:
            sqlite3.connect(":memory:").executescript(code)
        except sqlite3.Error as e:
            return str(e)
        return None
    if language == "c":
        gcc = shutil.which("gcc")
        command = [gcc, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-x", "c", "-"]
        return quiet_run(command, code)[1] if gcc else None
    if language == "sh":
        return quiet_run(["sh", "-n"], code)[1] if shutil.which("sh") else None
    return "language %r is not known here" % language


def check_code(name, lessons):
    jobs = [(lesson["id"], language, code) for lesson in lessons for text in texts(lesson)
            for language, code in BLOCK.findall(text)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        reasons = pool.map(lambda job: run_block(*job[1:]), jobs)
        problems = ["%s: %s" % (job[0], reason) for job, reason in zip(jobs, reasons) if reason]
    report(name + " code", problems)


def shared(lesson):
    return (lesson["id"], lesson["form"], lesson["question"],
            [t["text"] for t in lesson.get("before", [])[:1]])


def check_set(language, bank):
    """What concerns all personas of one language: same questions, all forms, held-out share."""
    name = "lessons" + language
    first = bank[PERSONAS[0]]
    report(name + " same questions",
           ["%s differs from %s" % (p, PERSONAS[0]) for p in PERSONAS[1:]
            if [shared(x) for x in bank[p]] != [shared(x) for x in first]])
    problems = []
    if len(first) < MIN_QUESTIONS[language]:
        problems.append("%d questions, not %d" % (len(first), MIN_QUESTIONS[language]))
    count = collections.Counter(x["form"] for x in first)
    problems += ["form %s: %d" % (f, count[f]) for f in FORMS
                 if count[f] < LEAST_OF_A_FORM[language] and not (language and f == "fact")]
    report(name + " forms", problems)
    full = collections.Counter(x["question"] if "before" not in x
                               else x["before"][0]["text"] + "\n" + x["question"] for x in first)
    report(name + " unique", [repr(q) for q, n in full.items() if n > 1])
    if not language:
        topics = list(dict.fromkeys(x["topic"] for x in first))
        held = [x for x in first if topics.index(x["topic"]) % 5 == 4]
        problems = ["no " + f for f in FORMS if f not in {x["form"] for x in held}]
        if len(held) < HELD_LEAST:
            problems.append("%d lessons, not %d" % (len(held), HELD_LEAST))
        report(name + " held out", problems)


def check_fresh(bank):
    """The probe questions must be new to whoever learned from the lessons."""
    fresh = [q for q in read_lines("tests/fixtures/fresh_questions.txt") if q]
    known = {" ".join(words(t)) for x in bank[PERSONAS[0]] for t in texts(x)}
    problems = ["in the lessons: " + q for q in fresh if " ".join(words(q)) in known]
    if len(set(fresh)) != 20:
        problems.append("%d questions, not 20" % len(set(fresh)))
    report("fresh questions", problems)


def main():
    faults = read_fault_words()
    for language in MIN_QUESTIONS:
        bank = {}
        for persona in PERSONAS:
            bank[persona], problems = load(persona, language)
            name = persona + language
            report(name + " format", problems)
            check_text(name, bank[persona], language)
            check_length(name, bank[persona])
            check_variety(name, bank[persona])
        plain = plain_turns(bank)
        for persona in PERSONAS:
            name = persona + language
            check_voice(name, persona, bank[persona], faults, plain)
            if persona == "coder":
                check_code(name, bank[persona])
        check_set(language, bank)
        if not language:
            check_fresh(bank)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
