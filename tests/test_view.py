#!/usr/bin/env python3
"""The view on a real pty: screens cell by cell, the scrollback, resizing, Ctrl-Z, bytes per token."""
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect
import pyte

import view_screens
from suite import BUILD, SANITIZED, case, finish
from view_script import CODER, COLUMNS, CRITIC, PHILOSOPHER, Script, escape

TOOL = BUILD / "tests" / "tool_view"
scratch = Path(tempfile.mkdtemp(prefix="consilium-view-"))
ANSWERS = [PHILOSOPHER, CODER, CRITIC]
ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
SLOW = 4 if SANITIZED else 1


class Screen(pyte.HistoryScreen):
    """Resized as terminals are: made narrower it forgets only what is below the cursor (others fold
    long rows); made lower it gives up rows below the cursor, then moves those at the top to the
    scrollback."""

    def resize(self, lines, columns):
        kept = {y: dict(self.buffer[y]) for y in range(self.cursor.y)}
        super().resize(lines=max(lines, self.lines), columns=columns)
        for y, cells in kept.items():
            self.buffer[y].update(cells)
        above = max(0, self.cursor.y + 1 - lines)
        for _ in range(above):
            self.history.top.append(self.buffer[0])
            for y in range(self.lines):
                self.buffer[y] = self.buffer[y + 1]
            self.buffer.pop(self.lines, None)
        for y in range(lines, self.lines):
            self.buffer.pop(y, None)
        self.cursor.y -= above
        self.lines = lines
        self.set_margins()


class Player:
    """tool_view on a pty whose output goes through a terminal with a scrollback."""

    def __init__(self, script, columns, rows=40, **environment):
        path = script.write(scratch / "script.txt")
        self.screen = Screen(columns, rows, history=10000, ratio=0.5)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.child = pexpect.spawn(str(TOOL), [str(path)], dimensions=(rows, columns),
                                   env=ENVIRONMENT | environment, echo=False)

    def pump(self, seconds):
        """Reads for so long, or to the end. True when it ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data = self.child.read_nonblocking(65536, 0.02)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                return True
            self.raw += data
            self.stream.feed(data)
        return False

    def until(self, text, seconds=20):
        """Reads until the text is on the screen."""
        end = time.monotonic() + seconds * SLOW
        while not any(text in line for line in self.screen.display):
            assert not self.pump(0.05) or any(text in line for line in self.screen.display), \
                f"ended before {text!r}: {self.screen.display}"
            assert time.monotonic() < end, f"no {text!r}: {self.screen.display}"

    def arrive(self, gate, seconds=20):
        """Reads until the script waits at a gate, and long enough for all to be drawn and final."""
        end = time.monotonic() + seconds * SLOW
        while not gate.with_name(gate.name + ".here").exists():
            assert not self.pump(0.05), f"ended before {gate.name}"
            assert time.monotonic() < end, f"never came to {gate.name}: {self.screen.display}"
        self.pump(1.2 * SLOW)

    def finish(self, seconds=30):
        assert self.pump(seconds * SLOW), f"did not end: {self.screen.display}"
        self.child.close()
        assert self.child.exitstatus == 0, (self.child.exitstatus, self.child.signalstatus)
        return self

    def resize(self, columns, rows=None):
        rows = rows or self.screen.lines
        self.screen.resize(lines=rows, columns=columns)
        self.child.setwinsize(rows, columns)

    def lines(self):
        """Scrollback and screen, as text without blanks at the ends of lines."""
        top = [cells_text(line, self.screen.columns) for line in self.screen.history.top]
        lines = top + [line.rstrip() for line in shown(self.screen)]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def cells_text(line, columns):
    return "".join(line[x].data for x in range(max(columns, max(line, default=0) + 1))).rstrip()


def shown(screen):
    """Rows as the cells hold them: a wide character's second cell is empty."""
    return [cells_text(screen.buffer[y], screen.columns) for y in range(screen.lines)]


def exchange(*settings, texts=ANSWERS, columns=COLUMNS, wait=0, marks=(), merge=True):
    s = Script(*settings, columns=columns).lockstep(texts, wait=wait, marks=marks).add("settle")
    if merge:
        s.add("merge", "vote  critic 0.41 · coder 0.33 · philosopher 0.26 (nearly a tie)",
              escape("merged by vote: " + texts[-1]))
        s.add("footer", "saved 3f9a · /diverge /pick /debate /retry critic", "context 212/8192")
    return s


MARKS = re.compile(r"\*\*|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])|`")


def letters(text):
    """What a text says, without marks, blanks and ends of lines."""
    text = re.sub(r"(?m)^```.*$", "", text)
    text = re.sub(r"(?m)^#+ ", "", text)
    text = re.sub(r"(?m)^- ", "• ", text)
    return re.sub(r"\s", "", MARKS.sub("", text))


def column_letters(lines, start, end):
    """The letters of one column: cells start to end of each line, without rules and cut marks."""
    parts = []
    for line in lines:
        cells = split_cells(line)[start:end]
        text = "".join(cells).rstrip()
        if re.fullmatch(r" *─* ?\w* ?─+", text):
            continue
        parts.append(re.sub(r"^ ›", "", text))
    return re.sub(r"\s", "", "".join(parts))


def split_cells(text):
    """One entry for each cell; a wide character is followed by an empty one."""
    from wcwidth import wcwidth
    cells = []
    for c in text:
        width = wcwidth(c)
        if width == 0 and cells:
            cells[-1 if cells[-1] else -2] += c
        else:
            cells += [c] + [""] * (width - 1)
    return cells


def section(lines, first, last):
    """Lines between the first that contains one text and the next that contains another."""
    a = next(i for i, line in enumerate(lines) if first in line)
    b = next(i for i in range(a + 1, len(lines)) if last in lines[i])
    return lines[a + 1:b]


def columns():
    for name, settings, width in (("COLUMNS_200", [], 200), ("COLUMNS_100", [], 100), ("STACK_80", [], 80),
                                  ("FOCUS_100", ["layout\tfocus\tcoder"], 100),
                                  ("ASCII_120", ["ascii"], 120), ("COLUMNS_120", [], 120)):
        with case(f"{name}: every cell"):
            p = Player(exchange(*settings), width, rows=60).finish()
            got, want = p.lines(), getattr(view_screens, name).splitlines()
            for i, (one, other) in enumerate(zip(got, want)):
                assert one == other, (i, one, other)
            assert len(got) == len(want), got
    with case("names in their colours, the rest dim, code cyan, bold bold"):
        cell = p.screen.buffer[0][1]
        assert cell.data == "p" and cell.bold and cell.fg == "magenta", cell
        assert p.screen.buffer[0][41].fg == "green" and p.screen.buffer[0][81].fg == "red"
        row = next(y for y in range(60) if "A town" in p.screen.display[y])
        x = p.screen.display[row].index("A town")
        assert p.screen.buffer[row][x].bold and not p.screen.buffer[row][x + 8].bold
        row = next(y for y in range(60) if "visits, cost" in p.screen.display[y])
        assert p.screen.buffer[row][43].fg == "cyan"
    for count, width in ((2, 80), (3, 200), (4, 160), (7, 260)):
        with case(f"{count} columns at {width}: each holds its answer once"):
            texts = (ANSWERS * 3)[:count]
            names = [(f"{'n' * 60}{i:04}", "mask", "green", "-") for i in range(count)]
            p = Player(exchange(texts=texts, columns=names, merge=False), width).finish()
            starts = borders(p.lines())
            assert len(starts) == count, p.lines()
            body = section(p.lines(), "┼", "┴")
            for i, text in enumerate(texts):
                got = column_letters(body, starts[i], starts[i + 1] - 1 if i + 1 < count else None)
                assert got == letters(text), (i, got, letters(text))
    with case("while they grow: waiting, thinking, writing, a block where the next word comes"):
        go = scratch / "go-live"
        s = Script()
        for i in range(12):
            s.add("think", 0)
        for piece in ("Half a ", "se", "ntence with **bo"):
            s.add("token", 1, piece)
        p = Player(s.add("await", go).add("settle"), 120)
        p.until("sentence")
        got = [re.sub(r"\d\.\d s", "#.# s", line) for line in p.lines()]
        assert got == [
            " philosopher  mask                     │ coder  prompt+mask                    │ critic  "
            "mask  4 of 8 experts",
            " thinking 12 tok · #.# s ──────────────┼ writing 3 tok · #.# s ────────────────┼ waiting "
            "──────────────────────────────",
            " thinking, 12 tokens                   │ Half a sentence with bo▌              │",
            "───────────────────────────────────────┴───────────────────────────────────────┴"
            "───────────────────────────────────────"], got
        assert p.screen.buffer[2][64].data == "▌" and p.screen.buffer[2][63].bold
        assert (p.screen.cursor.x, p.screen.cursor.y) == (0, 0), p.screen.cursor
        go.touch()
        p.finish()
        assert "with **bo" in "".join(p.lines()) and "interrupted" in p.lines()[1], p.lines()
    with case("a merge is seen to be at work, and its words as they come"):
        go, further = scratch / "go-vote", scratch / "go-synth"
        s = exchange(merge=False).add("progress", "synth", 0).add("await", go)
        s.add("progress", "synth", 1).add("merge_token", "All agree").add("await", further)
        p = Player(s.add("merge", "synth  by chair", ""), 120)
        p.until(" synth  at work")
        go.touch()
        p.until("All agree▌")
        further.touch()
        p.finish()
        assert p.lines()[-2:] == [" synth  by chair", " All agree"], p.lines()
    with case("a terminal that thinks an emoji wider breaks no column"):
        emoji = "👩‍🚀 and 👨‍👩‍👧‍👦 and 🇩🇪🇫🇷 and ❤️ and 1️⃣ go on " * 8
        p = Player(exchange(texts=[emoji] * 3, merge=False), 120).finish()
        rows = section(p.lines(), "┼", "┴")
        for y in range(2, 2 + len(rows)):
            assert p.screen.buffer[y][39].data == p.screen.buffer[y][79].data == "│", p.lines()
        assert all(line.count("go") % 3 == 0 for line in rows), rows
    with case("columns that would be too narrow become a stack"):
        p = Player(exchange(merge=False), 98).finish()
        assert len(borders(p.lines())) == 3, p.lines()
        p = Player(exchange(merge=False), 97).finish()
        assert not any("│" in line for line in p.lines()), p.lines()
        p = Player(exchange(merge=False), 80).finish()
        assert not any("│" in line for line in p.lines()), p.lines()
        got = column_letters([line for line in p.lines() if "tok" not in line], 0, None)
        assert got == "".join(map(letters, ANSWERS)), got
    with case("without UTF-8: ASCII lines and no other byte"):
        p = Player(exchange("ascii"), 120).finish()
        assert p.raw.isascii() and any("+" in line for line in p.lines())
        assert not any(line.strip("-+ ") == "" and "─" in line for line in p.lines())
    with case("NO_COLOR: marks stay, no SGR"):
        p = Player(exchange(merge=False), 120, NO_COLOR="1").finish()
        assert not re.search(rb"\x1b\[[\d;]*m", p.raw)
        assert any("**A town**" in line for line in p.lines()), p.lines()


def tokens(text):
    from view_script import tokens_of
    return tokens_of(text)


def borders(lines):
    """First cells of columns, from the line below the names."""
    line = next(line for line in lines if "┼" in line)
    return [0] + [i + 1 for i, c in enumerate(split_cells(line)) if c == "┼"]


def other_layouts():
    with case("a stack: one answer below the other, figures beside the name"):
        p = Player(exchange("layout\tstack"), 120).finish()
        heads = [line for line in p.lines() if "39 t/s" in line]
        assert [line.split()[0] for line in heads] == [c[0] for c in COLUMNS], heads
        assert all(line.endswith("──") for line in heads)
    with case("a stack while it streams: the others in a line each"):
        go = scratch / "go-stack"
        p = Player(exchange("layout\tstack", marks=[(20, ("await", go))]), 120)
        p.until("coder  prompt+mask  writing")
        status = [line for line in p.screen.display if "writing" in line]
        assert len(status) == 3 and status[0].startswith(" philosopher"), status
        go.touch()
        p.finish()
        assert not any("writing" in line for line in p.lines()), p.lines()
    with case("focus: one answer, the others as figures"):
        p = Player(exchange("layout\tfocus\tcoder", merge=False), 120).finish()
        text = "\n".join(p.lines())
        assert "Decide with numbers" in text and "What closes" not in text, text
        assert len([line for line in p.lines() if "39 t/s" in line]) == 3, text
    with case("linear: whole answers under headings, no sequence at all"):
        p = Player(exchange("plain"), 120).finish()
        text = " ".join(p.raw.decode().split())  # its lines end between words
        assert "\x1b" not in text
        at = [text.index(" ".join(x.split())) for x in ("philosopher (mask", PHILOSOPHER, "coder (prompt+mask", CODER,
                                      "critic (mask, 4 of 8 experts", CRITIC, "merged by vote")]
        assert at == sorted(at), at
    with case("a pipe is linear"):
        path = exchange().write(scratch / "pipe.txt")
        done = subprocess.run([TOOL, path], env=ENVIRONMENT, capture_output=True, timeout=60)
        assert b"\x1b" not in done.stdout and CODER.rstrip().encode() in done.stdout, done
    with case("TERM=dumb is linear"):
        p = Player(exchange(), 120, TERM="dumb").finish()
        text = " ".join(p.raw.decode().split())
        assert "\x1b" not in text and " ".join(PHILOSOPHER.split()) in text


def pictures():
    """Of each column a diagonal that moves by a cell with each token."""
    def diagonal(i, n, mark, rows=6, experts=8):
        return [" " * ((i + r + n) % experts) + mark for r in range(rows)]

    def block(lines, mark):
        """The rows below the captions, column by column."""
        at = max(y for y, line in enumerate(lines) if "6 layers" in line)
        edges = [0] + [x + 1 for x, c in enumerate(lines[at]) if c in "│|"] + [200]
        rows = [line for line in lines[at + 1:at + 7] if mark in line]
        return [[row[a + 1:b - 1].rstrip() for row in rows] for a, b in zip(edges, edges[1:])]
    for name, settings, environment, mark in (("shades", [], {"NO_COLOR": "1"}, "█"), ("ASCII", ["ascii"], {"NO_COLOR": "1"}, "@")):
        with case(f"pictures follow the tokens, and the last ones stay, in {name}"):
            go = scratch / f"go-picture-{name}"
            s = Script("picture\t6\t8", *settings)
            for i, n in enumerate((3, 2, 1)):
                for _ in range(n):
                    s.add("token", i, "word ")
            s.add("await", go).add("token", 0, "last").add("settle").add("footer", "saved", "context")
            p = Player(s, 120, **environment)
            p.arrive(go)
            assert block(p.lines(), mark) == [diagonal(i, 3 - i, mark) for i in range(3)], p.lines()
            go.touch()
            p.finish()
            assert block(p.lines(), mark) == [diagonal(i, n, mark) for i, n in enumerate((4, 2, 1))], p.lines()
            assert sum("6 layers" in line for line in p.lines()) == 1 and p.lines()[-1].startswith(" saved")
            assert name != "ASCII" or p.raw.isascii()
    with case("in true colour two layers share a line"):
        p = Player(Script("picture\t6\t8").add("token", 0, "word").add("settle"), 120, COLORTERM="truecolor").finish()
        y = next(y for y, line in enumerate(p.screen.display) if "6 layers" in line) + 1
        bright, dark = "0ac81e", "16181e"
        for r in range(6):
            got = [getattr(p.screen.buffer[y + r // 2][1 + x], "bg" if r % 2 else "fg") for x in range(8)]
            assert got == [bright if x == (r + 1) % 8 else dark for x in range(8)], (r, got)
    with case("on small screens they are lower, and give way to the words; texts are whole"):
        for wide, high, layout in ((120, 24, []), (44, 20, []), (60, 16, ["layout\tfocus\tcoder"]), (30, 12, []), (20, 8, [])):
            p = Player(exchange("picture\t40\t64", *layout, merge=False), wide, rows=high, NO_COLOR="1").finish()
            drawn = [line for line in p.lines() if re.search("[░▒▓█]", line)]
            most = max(0, high // 3 - 1) if high >= 9 else 0
            shown_in = 1 if layout or wide == 120 else 3
            assert len(drawn) == most * shown_in, (wide, high, len(drawn))
            assert all(len(line) <= wide for line in p.lines())
            if not layout and wide < 120:
                said = "".join(line for line in p.lines() if line not in drawn and not re.search("─|tok|layers", line))
                bare, texts = (re.sub(r"[\s*`#•›-]", "", x) for x in (said, "".join(ANSWERS)))
                assert bare == texts, (wide, bare, texts)


LONG = "\n\n".join(f"Paragraph {i} has its own number and some **bold** words in it, so that it is "
                   f"long enough to wrap at any width; it ends with {i}." for i in range(30))


def scrollback():
    texts = [LONG, LONG.replace("Paragraph", "Section"), LONG.replace("Paragraph", "Part")]
    with case("answers taller than the screen: the scrollback holds each once"):
        p = Player(exchange(texts=texts, merge=False), 120, rows=24).finish()
        starts = borders(p.lines())
        body = section(p.lines(), "┼", "┴")
        for i, text in enumerate(texts):
            got = column_letters(body, starts[i], starts[i + 1] - 1 if i < 2 else None)
            assert got == letters(text), (i, got[:300], letters(text)[:300])
    with case("their figures end up below them"):
        assert "39 t/s" in p.lines()[-1] and not any("t/s" in x for x in p.lines()[:-1])
    with case("few bytes for each token"):
        each = len(p.raw) / sum(len(tokens(t)) for t in texts)
        print(f"# {each:.1f} bytes a token at full speed, {len(p.raw)} in all", flush=True)
        assert each < 60, each
    with case("an answer's first word is shown at once, not with the next frame"):
        p = Player(Script().add("prefill", 4, 4).add("token", 0, "alpha").add("token", 1, "beta")
                   .add("token", 1, " gamma").add("settle"), 120)
        p.finish()
        frames = [f for f in p.raw.split(b"\x1b[?2026h") if b"alpha" in f]
        assert frames and b"beta" not in frames[0], p.raw
    with case("20 frames a second at most, in one piece each"):
        p = Player(exchange(wait=10, merge=False), 120)
        start = time.monotonic()
        p.finish()
        seconds = time.monotonic() - start
        frames = p.raw.count(b"\x1b[?2026h")
        assert frames == p.raw.count(b"\x1b[?2026l") and frames <= seconds * 20 + 6, (frames, seconds)
        each = len(p.raw) / sum(len(tokens(t)) for t in ANSWERS)
        print(f"# {each:.1f} bytes a token at 20 frames a second, {frames} frames", flush=True)
        assert each < 250, each


def counted(letter, count):
    """Words that tell their place: "A0x A1x ... A9x." with paragraphs and marks between."""
    words = [f"**{letter}{i}x**" if i % 17 == 0 else f"{letter}{i}x" for i in range(count)]
    return "\n\n".join(" ".join(words[i:i + 23]) for i in range(0, count, 23))


def assert_counted(lines, letter, count):
    got = re.findall(rf"{letter}(\d+)x", "\n".join(lines))
    assert got == [str(i) for i in range(count)], (letter, got, lines)


def resizing():
    texts = [counted("A", 300), counted("B", 280), counted("C", 320)]

    def assert_once(player):
        for letter, count in (("A", 300), ("B", 280), ("C", 320)):
            assert_counted(player.lines(), letter, count)

    with case("resized from 120 to 80 to 200 in mid-stream: every word once, in order"):
        gates = [scratch / f"go-{i}" for i in range(3)]
        marks = [(100 + 150 * i, ("await", gate)) for i, gate in enumerate(gates)]
        p = Player(exchange(texts=texts, marks=marks, merge=False), 120, rows=30)
        for gate, width in zip(gates, (80, 200, 200)):
            p.arrive(gate)
            p.resize(width)
            p.pump(1.2 * SLOW)
            gate.touch()
        p.finish()
        assert_once(p)
        assert b"\x1b[2J" not in p.raw and b"\x1b[3J" not in p.raw and b"1049" not in p.raw
    with case("each width has its head, and the stack between needs no second one"):
        heads = [line for line in p.lines() if "philosopher" in line]
        assert len(heads) == 3 and ["│" in line for line in heads] == [True, False, True], heads
    with case("higher and lower in mid-stream"):
        gate = scratch / "go-high"
        p = Player(exchange(texts=texts, marks=[(200, ("await", gate))], merge=False), 120, rows=30)
        p.arrive(gate)
        for rows in (40, 20, 30):
            p.resize(120, rows)
            p.pump(0.6 * SLOW)
        gate.touch()
        p.finish()
        assert_once(p)
    with case("dragged through eighty widths: no rows left behind, one head"):
        gate = scratch / "go-drag"
        p = Player(exchange(texts=texts, marks=[(200, ("await", gate))], merge=False), 160, rows=30)
        p.arrive(gate)
        before = len(p.lines())
        for width in list(range(159, 119, -1)) + list(range(121, 161)):
            p.resize(width)
            p.pump(0.01)
        p.pump(0.8 * SLOW)
        assert len(p.lines()) <= before + 4, (before, p.lines())
        gate.touch()
        p.finish()
        assert_once(p)
        heads = [line for line in p.lines() if "philosopher" in line]
        assert len(heads) == 2, heads
    with case("a screen of 20 x 5"):
        p = Player(exchange(texts=texts, merge=False), 20, rows=5).finish()
        assert_once(p)


def job_control():
    with case("Ctrl-Z stops with the keyboard restored, fg goes on without repeating anything"):
        go = scratch / "go-z"
        s = exchange(marks=[(30, ("await", go))], merge=False).write(scratch / "z.txt")
        shell = pexpect.spawn("bash", ["--norc", "--noprofile", "-i"], dimensions=(40, 120),
                              env=ENVIRONMENT | {"PS1": "$ ", "HISTFILE": ""}, echo=True)
        screen = pyte.HistoryScreen(120, 40, history=1000)
        stream = pyte.ByteStream(screen)

        def until(text, seconds=15):
            end = time.monotonic() + seconds * SLOW
            while text not in "\n".join(screen.display):
                assert time.monotonic() < end, (text, screen.display)
                try:
                    stream.feed(shell.read_nonblocking(65536, 0.1))
                except pexpect.TIMEOUT:
                    pass

        until("$ ")
        shell.sendline(f"clear; {TOOL} {s}")
        until("writing")
        shell.send("\x1a")
        until("Stopped")
        shell.sendline("stty -a | grep -o -- '-\\?\\b\\(icanon\\|echo\\)\\b' | tr '\\n' ' '; echo .")
        until("icanon echo .")
        shell.sendline("clear; fg")
        until("writing")
        go.touch()
        until("┴")
        time.sleep(0.5)
        until("39 t/s")
        shell.sendline("echo $?")
        until("0")
        text = "\n".join(screen.display)
        assert text.count("critic") <= 1, text
        shell.close(force=True)
    with case("keys typed meanwhile are not shown and not lost"):
        go = scratch / "go-keys"
        s = exchange(marks=[(30, ("await", go))], merge=False).write(scratch / "k.txt")
        shell = pexpect.spawn("bash", ["--norc", "--noprofile", "-c",
                                       f"{TOOL} {s}; read -r line; echo \"got:$line\""],
                              dimensions=(40, 120), env=ENVIRONMENT, echo=True)
        shell.expect("writing")
        shell.send("typed ahead\n")
        time.sleep(0.3)
        go.touch()
        shell.expect("got:typed ahead", timeout=15 * SLOW)
        assert b"typed ahead" not in shell.before.replace(b"read", b""), shell.before[-300:]


def main():
    columns()
    other_layouts()
    pictures()
    scrollback()
    resizing()
    job_control()
    finish()


if __name__ == "__main__":
    main()
