#!/usr/bin/env python3
"""What is typed arrives unchanged, whatever the locale: characters, several lines, words that are
commands; and Ctrl-C at the prompt."""
import json
import os
import re
import subprocess

from suite import ROOT, case, finish, not_ok
from talk_screen import Talk, scratch

BEGIN, END = "\x1b[200~", "\x1b[201~"
QUICK = ("-p", "coder", "--merge", "none", "--max-tokens", "1")


def records(talk, kind):
    found = []
    for path in sorted(talk.transcripts(), key=os.path.getmtime):
        whole, _, _ = path.read_bytes().rpartition(b"\n")  # what follows is being written
        for line in filter(None, whole.decode(errors="replace").split("\n")):  # U+0085 is text
            record = json.loads(line)
            if record.get("type") == kind:
                found.append(record["text"])
    return found


def prompts_of(talk):
    return records(talk, "prompt")


def screen_end(talk):
    """The row of the cursor, up to it."""
    return talk.rows()[talk.screen.cursor.y]


def at_prompt(talk):
    return screen_end(talk) in ("own 1 \u203a", "own 1 >")


def enter(talk, text, keys=None):
    """Types it, sends it; what the transcripts hold of it."""
    before = len(prompts_of(talk))
    talk.wait(lambda: at_prompt(talk), "prompt")
    talk.send((keys or text) + "\r" if isinstance(keys or text, str) else keys + b"\r")
    talk.wait(lambda: len(prompts_of(talk)) > before, f"record of {text!r}", 20)
    return prompts_of(talk)[-1]


# ---- 11 locales, 12 texts ------------------------------------------------------------------------

TEXTS = ("привет", "漢字かな交じり", "déjà vu", "Ünïcödé — “quoted”", "😀 👩\u200d🚀 ⚠\ufe0f", "e\u0301 und a\u0308",
         "שלום עולם", "नमस्ते", "3,5 µm ≤ 4\u00a0mm", "Ûżýăβ", "ﬁ½①", "한국어")


def latin_locale():
    folder = scratch / "locales"
    folder.mkdir()
    subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(folder / "de_DE")],
                   check=True, capture_output=True)
    return folder


LOCALES = {
    "LC_ALL=C": {"LC_ALL": "C"},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX"},
    "LANG=C": {"LANG": "C"},
    "LC_CTYPE=C": {"LC_CTYPE": "C", "LANG": "en_US.UTF-8"},
    "no locale at all": {},
    "empty names": {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""},
    "LANG=en_US.UTF-8, not installed": {"LANG": "en_US.UTF-8"},
    "LC_ALL=xx_YY, not there": {"LC_ALL": "xx_YY"},
    "LC_ALL=C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "LC_ALL=de_DE.UTF-8": {"LC_ALL": "de_DE.UTF-8", "LOCPATH": str(ROOT / "build/locale")},
    "LC_ALL=de_DE (ISO-8859-1)": {"LC_ALL": "de_DE", "LOCPATH": None},
}


def open_in(name, locale, *arguments, **more):
    t = Talk.__new__(Talk)
    kept = {k: os.environ.pop(k) for k in list(os.environ)
            if k.startswith("LC_") or k in ("LANG", "LANGUAGE", "LOCPATH")}
    try:
        t.__init__(name, *QUICK, *arguments, wait=False, **({"LC_ALL": ""} | locale | more))
    finally:
        os.environ.update(kept)
    t.wait(lambda: at_prompt(t), "prompt")
    return t


def every_locale():
    LOCALES["LC_ALL=de_DE (ISO-8859-1)"]["LOCPATH"] = str(latin_locale())
    for number, (title, locale) in enumerate(LOCALES.items()):
        try:
            t = open_in(f"locale{number}", locale)
        except Exception as fault:
            not_ok(title, fault)
            continue
        for text in TEXTS:
            with case(f"{title}: {text} arrives"):
                got = enter(t, text)
                assert got == text, f"{got!r}"
        with case(f"{title}: the history keeps them"):
            assert t.history() == list(TEXTS), t.history()
        t.leave()


# ---- the ways that a text comes in ---------------------------------------------------------------

def editor(folder):
    script = folder / "editor.sh"
    script.write_text("#!/bin/sh\nprintf 'правка ' > \"$1.new\"; cat \"$1\" >> \"$1.new\"; "
                      "mv \"$1.new\" \"$1\"\n")
    script.chmod(0o755)
    return script


def every_way(title, locale):
    t = open_in("ways" + title, locale, EDITOR=str(editor(scratch)), INPUTRC=str(scratch / "inputrc"))
    (scratch / "inputrc").write_text("set convert-meta on\nset input-meta off\n")
    ways = {
        "Backspace takes a whole character": ("при漢\x7f\x7fx", "прx"),
        "the cursor moves by characters": ("бв\x1b[D\x1b[Dа", "абв"),
        "transposed characters stay whole": ("аб\x14", "ба"),
        "a paste": (f"{BEGIN}вставка\rдва{END}", "вставка\nдва"),
        "@NAME and a text": ("@coder почему?", "почему?"),
        "the editor": ("текст\x18\x05", "правка текст"),
        "Ctrl-R finds what was typed": ("\x12встав", "вставка\nдва"),
        "Arrow up brings it back": ("\x1b[A", "вставка\nдва"),
    }
    for way, (keys, wanted) in ways.items():
        with case(f"{title}: {way}"):
            got = enter(t, way, keys)
            assert got == wanted, f"{got!r}"
    with case(f"{title}: what is typed stands on the screen"):
        t.wait(lambda: at_prompt(t), "prompt")
        t.send("эхо déjà")
        t.wait(lambda: screen_end(t).endswith("эхо déjà"), "echo", 10)
        t.send("\x15")
    with case(f"{title}: Tab completes names of files, no half of a character"):
        for name in ("é1", "è2"):
            (t.home / f"файл {name}.txt").write_text("x")
        t.wait(lambda: at_prompt(t), "prompt")
        t.send(f"/file {t.home}/фай\t")
        t.wait(lambda: "файл" in screen_end(t), "the name", 10)
        t.send("\x15")
    with case(f"{title}: bytes of another character set are told, and nothing is asked"):
        before = prompts_of(t)
        t.wait(lambda: at_prompt(t), "prompt")
        t.send(b"caf\xe9 au lait\r")
        t.wait_text("the line was not sent", 20)
        t.wait(lambda: at_prompt(t), "prompt")
        assert prompts_of(t) == before, prompts_of(t)
        t.send(f"{BEGIN}/system ".encode() + b"caf\xe9" + END.encode() + b"\r")
        t.wait_text("no UTF-8 at byte 11", 20)
    t.leave()


# ---- what is a command ---------------------------------------------------------------------------

def pasted(t, text):
    """Pastes it, sends it, waits until the prompt is back."""
    t.wait(lambda: at_prompt(t), "prompt")
    t.send(BEGIN + text.replace("\n", "\r") + END)
    t.wait(lambda: not at_prompt(t), "paste", 10)
    t.send("\r")
    t.read(0.1)
    t.wait(lambda: at_prompt(t), "prompt", 20)


def commands():
    t = open_in("commands", {"LC_ALL": "C.UTF-8"})
    first = enter(t, "first question")
    texts = ("/quit\nplease explain what this command of vim does", "/undo\nis a word in this file",
             "/retry\nmore lines", "/system be short\nand kind", "/nonsense\nof many lines",
             "// a comment\nint main(void);", "/usr/bin/env python3\nprint(1)", "/help\n\n\nmore",
             "@property\ndef f(self):", "exit\nand more", "\n/help")
    for text in texts:
        with case(f"{text!r} is text, and sent unchanged"):
            pasted(t, text)
            assert prompts_of(t)[-1] == text, prompts_of(t)[-1]
    asked = len(prompts_of(t))
    for text, shown in (("/context\n", "own: passes remember"), ("/view  \n\n", "view auto"),
                        ("exit", "/quit leaves"), ("QUIT ", "/quit leaves"), ("help\n", "/help tells"),
                        ("/contxt\n", "did you mean /context")):
        with case(f"{text!r} runs or gets a hint, and asks nothing"):
            pasted(t, text)
            assert shown in t.text() and len(prompts_of(t)) == asked, t.text()[-300:]
    with case("a space in front sends the word"):
        pasted(t, " exit")
        assert prompts_of(t)[-1] == " exit", prompts_of(t)[-1]
    with case("@NAME with its text on the next lines asks that one"):
        pasted(t, "@coder\nwhy\nnot")
        assert prompts_of(t)[-1] == "why\nnot", prompts_of(t)[-1]
    t.leave()


# ---- what is told again --------------------------------------------------------------------------

HALF = r"\\x(c[2-9a-f]|d[0-9a-f]|e[0-9a-f]|f[0-4])"


def told_again():
    t = Talk("again", "--max-tokens", "40", "--seed", "2")
    long = "вопрос о старой библиотеке " * 9
    with case("/undo tells the prompt: characters, no bytes, its lines as one"):
        for prompt in (long, "я" + long, "две\\\rстроки"):
            for part in prompt.split("\r"):
                t.send(part + "\r")
            t.read(0.3)
            t.wait_prompt()
        assert "forgotten: две строки" in t.say("/undo")
        for start in ("явопрос", "вопрос"):
            told = " ".join(t.say("/undo").split())
            assert f"forgotten: {start} о старой" in told and "…" in told, told
        assert not re.search(HALF, t.text()) and "\\x0a" not in t.text(), t.text()[-600:]
    with case("where answers part, whole characters stand"):
        for seed in range(3):
            t.say(f"/set seed {seed}")
            t.say("one")
            t.say("/diverge")
        assert "part at token" in t.text()
        assert not re.search(HALF, t.text()), re.search(HALF, t.text())[0]
    t.leave()


# ---- Ctrl-C at the prompt ------------------------------------------------------------------------

def interrupts():
    t = open_in("interrupts", {"LC_ALL": "C.UTF-8"})
    enter(t, "first of all")
    (t.home / "many").mkdir()
    for i in range(150):
        (t.home / "many" / f"file{i}").write_text("x")
    long = "слово " * 50
    states = {
        "at the end of a line": ("half a line", "half a line", ["own 1 › half a line^C"]),
        "at its beginning": ("abc def\x01", "abc def", ["own 1 › abc def^C"]),
        "in a line of several rows": (long + "\x01", "слово слово", None),
        "in several lines": ("one\x1b\rtwo\x1b\rthree\x1b[D\x01", "three", ["own 1 › one", "two", "three^C"]),
        "in a search": ("\x12first", "first of all", ["own 1 › first of all^C"]),
        "behind a number": ("\x1b7", "(arg: 7)", None),
        "at an unfinished key": ("abc\x18", "abc", ["own 1 › abc^C"]),
        "below a list of completions": ("/se\t\t", "/search", ["own 1 › /se^C"]),
        "at a question of the list": (f"/file {t.home}/many/file\t\t", "possibilities", None),
        "in a paste": (f"{BEGIN}pasted\rtext{END}", "text", ["own 1 › pasted", "text^C"]),
    }
    for state, (keys, shown, rows) in states.items():
        with case(f"Ctrl-C {state}: a whole line, a new prompt, and it works"):
            t.wait(lambda: at_prompt(t), "prompt")
            before = t.text()
            t.send(keys)
            t.wait(lambda: shown in t.text()[max(0, len(before.rstrip()) - 200):], shown, 10)
            t.read(0.3)
            t.send("\x03")
            t.wait(lambda: at_prompt(t), "prompt", 10)
            at = t.screen.cursor.y
            if rows:
                assert t.rows()[at - len(rows):at] == rows, t.rows()[max(0, at - 6):at + 1]
            assert t.rows()[at] == "own 1 ›" and not "".join(t.rows()[at + 1:]), t.rows()[at - 2:]
            assert enter(t, "ещё раз") == "ещё раз"
    with case("Ctrl-C at an empty prompt tells how to leave"):
        t.wait(lambda: at_prompt(t), "prompt")
        told = t.text().count("Ctrl-D or /quit leaves")
        t.send("\x03")
        t.wait(lambda: t.text().count("Ctrl-D or /quit leaves") > told, "hint", 10)
        t.wait(lambda: at_prompt(t), "prompt", 10)
        assert t.rows()[t.screen.cursor.y - 2] == "own 1 › ^C", t.rows()[-6:]
    t.leave()


commands()
interrupts()
told_again()
every_locale()
every_way("C", {"LC_ALL": "C"})
every_way("ISO-8859-1", LOCALES["LC_ALL=de_DE (ISO-8859-1)"])
finish()
