#!/usr/bin/env python3
"""Exports as others open them: a page that parses to what is allowed and nothing else whatever was
written into it, Markdown that renders with our structure, JSON that holds everything.

With chromium there is also what a browser makes of the page: its tree, its policy, its pictures at
two widths in light and dark. With cmark, what a Markdown program makes of the other.
"""
import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from make_transcript import Transcript, library
from pictures import pixels
from suite import BINARY, FIXTURES, SANITIZED, case, check, finish, ok, skip
from transcript_vectors import VECTORS

ENVIRONMENT = dict(os.environ, TZ="UTC")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CMARK = shutil.which("cmark")
VOID = {"meta", "br", "hr"}
PERSONAS = ["philosopher", "coder", "critic"]

NUMBER = r"-?\d+(\.\d+)?"
CLASSES = set("""top mark cast meta damage turn n prompt long note figures columns answer merge who acts pick
    picked text lang failed none thought earlier version route all allowed used ballot shares num scroll vote own end
    pc p0 p1 p2 p3 p4 p5 p6 p7 h0 h1 h2 h3 h4""".split())
ALLOWED = {  # tag: attribute: what its whole value may be
    "html": {"lang": "en"}, "head": {}, "title": {}, "style": {}, "body": {}, "main": {}, "g": {},
    "meta": {"charset": "utf-8", "name": "viewport|color-scheme|referrer|robots", "content": ".*",
             "http-equiv": "Content-Security-Policy"},
    "header": {"class": None}, "article": {"class": None, "id": r"turn-\d+"},
    "section": {"class": None}, "footer": {"class": None}, "div": {"class": None}, "span": {"class": None},
    "p": {"class": None, "dir": "auto"}, "ul": {"class": None}, "ol": {"start": r"\d+"},
    "li": {"class": None, "dir": "auto"}, "h2": {"class": None, "dir": "auto"}, "h3": {},
    "h4": {"dir": "auto"}, "h5": {"dir": "auto"}, "blockquote": {"dir": "auto"}, "bdi": {}, "br": {},
    "hr": {}, "strong": {}, "em": {}, "b": {"class": None}, "pre": {}, "code": {"dir": "ltr"},
    "a": {"href": r"(?i:https?://|mailto:)[!-~]+", "rel": "noopener noreferrer nofollow"},
    "details": {"class": None}, "summary": {}, "figure": {"class": None}, "figcaption": {}, "caption": {},
    "svg": {"viewbox": rf"0 0 {NUMBER} {NUMBER}", "preserveaspectratio": "none", "role": "img",
            "aria-label": r"Experts allowed and used, layer by layer|\d+ percent"},
    "rect": {"class": None, "x": NUMBER, "y": NUMBER, "width": NUMBER, "height": NUMBER},
    "table": {"class": None}, "thead": {}, "tbody": {}, "tr": {}, "th": {"class": None, "scope": "row|col"},
    "td": {"class": None, "title": "its own answer: not counted"},
}


class Page(HTMLParser):
    """What the page is made of, and what of it is not allowed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.text, self.style, self.metas, self.tags = [], [], [], [], [], {}
        self.feed(text)
        self.close()
        if self.open:
            self.wrong.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        allowed = ALLOWED.get(tag)
        if allowed is None:
            self.wrong.append(f"<{tag}>")
            return
        if len({name for name, _ in attributes}) != len(attributes):
            self.wrong.append(f"<{tag}> has an attribute twice")
        for name, value in attributes:
            rule = allowed.get(name, "(?!)")
            good = value and (set(value.split()) <= CLASSES if rule is None else re.fullmatch(rule, value))
            if not good:
                self.wrong.append(f"<{tag} {name}={value!r}>")
        if tag == "meta":
            self.metas.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> within {self.open[-3:]}")
            return
        self.open.pop()

    def handle_data(self, data):
        (self.style if "style" in self.open else self.text).append(data)

    def handle_comment(self, data):
        self.wrong.append("a comment")

    def handle_pi(self, data):
        self.wrong.append("a processing instruction")

    def unknown_decl(self, data):
        self.wrong.append("a declaration")

    def policy(self):
        return next(m["content"] for m in self.metas if "http-equiv" in m)


def poisoned(vector):
    """A transcript with the vector wherever a text may stand."""
    v = vector.replace("\0", "\ufffd")  # as the program writes it; the bytes stand in "exact"
    exact = {"exact": base64.b64encode(vector.encode()).decode()} if v != vector else {}
    model = {"path": v, "architecture": v, "fingerprint": v, "layers": 3, "experts": 8,
             "experts_per_token": 2}
    out = Transcript(v, model=model, created=v)
    out.lines[0].update(version=v, isa=v)
    out.add("setting", seats=[{"name": v}])
    for turn in (1, 2):
        prompt = out.add("prompt", turn, 0, text=v, context=v, only=v, **exact, **{"from": 2})
        for persona in (v, "coder"):
            out.add("answer", turn, prompt, persona=persona, acts_by=v, color=v, text=v, thought=v, stop=v, **exact,
                    failure=v if turn == 2 else None, program=v, tokens=[1, 2], seed=1, seconds=1,
                    tokens_per_second=2, routing={"allowed": [8, 4, 0], "used": [3, 3, 0], "banned_mass": 0.5})
        out.add("answer", turn, prompt, persona="coder", text="```\n" + v + "\n```\n" + v, stop="end", tokens=[])
        out.add("merge", turn, prompt, method=v, by=v, note=v, text=v + "!", of=[v, "coder"], winner=0,
                scores=[[-1, -2], [None, 0.5]], shares=[0.7, 0.3], revised=[{"text": v}, {"text": v}],
                tokens=[], failure=v if turn == 2 else None, seconds=1)
        out.add("pick", turn, prompt, name=v)
    return out


class Place:
    """A folder of transcripts that the program looks into."""

    def __init__(self, root):
        self.root = Path(root)
        self.folder = self.root / "data" / "consilium" / "transcripts"
        self.folder.mkdir(parents=True)
        self.environment = dict(ENVIRONMENT, XDG_DATA_HOME=str(self.root / "data"),
                                XDG_CACHE_HOME=str(self.root / "cache"))

    def put(self, name, text):
        (self.folder / f"{name}.jsonl").write_bytes(text.encode("utf-8", "surrogatepass"))

    def export(self, name, to):
        done = subprocess.run([BINARY, "transcripts", "export", name, "--to", to], timeout=120,
                              capture_output=True, stdin=subprocess.DEVNULL, env=self.environment)
        if done.returncode:
            raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode()[-400:]}")
        return done.stdout.decode()


def no_control(text):
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-"
                         "\U000e007f]", text)


# ---- parts ------------------------------------------------------------------------------------------


def check_page(place):
    """The fixture: everything that the issue names is there."""
    text = place.export("library", "html")
    page = Page(text)
    check("the page holds only what is allowed", not page.wrong, page.wrong[:5])
    digest = base64.b64encode(hashlib.sha256("".join(page.style).encode()).digest()).decode()
    check("the policy allows one style sheet, by hash, and nothing else",
          page.policy() == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
          page.policy())
    check("nothing is fetched", not re.search(r"(?i)url\(|@import|src=|<link|<script", text))
    words = "".join(page.text)
    check("prompts, names and answers are there", all(w in words for w in (
        "Should a town close its old library?", *PERSONAS, "nothing breaks that day", "print(cost / visits)",
        "All three agree", "not counted", "1 earlier version", "picked")))
    check("bars for each layer of each answer, a line where there are no experts",
          page.tags["g"] == 3 * 30 * 2 and text.count("no experts<") == 3 * 10 * 2, page.tags)
    check("one matrix, its diagonal marked", page.tags["table"] == 1 and text.count('class="own"') == 3)
    check("the link is a link", '<a rel="noopener noreferrer nofollow" href="https://www.ifla.org' in text)
    return text


def luminance(color):
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def check_contrast(text):
    light, dark = text.split("@media (prefers-color-scheme:dark)", 1)
    worst = {}
    for theme, part in (("light", light), ("dark", dark.split("}}", 1)[0])):
        colors = dict(re.findall(r"--([a-z]+\d?):(#[0-9a-f]{6})", part))
        inks = [c for n, c in colors.items() if re.fullmatch(r"p[c0-7]|ink|soft|merge", n)]
        worst[theme] = min(contrast(ink, colors[ground]) for ink in inks for ground in ("page", "card", "code")
                           if (ink, ground) != (colors["soft"], "code"))
        check(f"{theme}: eight personas, control, merge and texts", len(inks) == 12, inks)
    check("every colour has a contrast of 4.5 or more", min(worst.values()) >= 4.5, worst)
    print(f"# least contrast: light {worst['light']:.2f}, dark {worst['dark']:.2f}")


def check_vectors(place):
    vectors = VECTORS[::6] if SANITIZED else VECTORS
    bad = {"html": [], "md": [], "json": []}
    everything = Transcript("everything")
    for i, vector in enumerate(vectors):
        transcript = poisoned(vector)
        place.put("v", transcript.text())
        page = Page(place.export("v", "html"))
        if page.wrong or not no_control("".join(page.text)):
            bad["html"].append((vector[:60], page.wrong[:2]))
        wrong = wrong_markdown(place.export("v", "md"), turns=2, thirds=6)
        if wrong:
            bad["md"].append((vector[:60], wrong))
        got = json.loads(place.export("v", "json"))
        if got["turns"][0]["answers"][0]["text"].replace("\0", "\ufffd") != vector.replace("\0", "\ufffd"):
            bad["json"].append(vector[:60])
        if len(vector) < 10000:
            add_turns(everything, transcript)
    place.put("everything", everything.text())
    for name, found in bad.items():
        check(f"{len(vectors)} texts in every field break nothing: {name}", not found,
              f"{len(found)}: {found[:3]}")


def add_turns(everything, transcript):
    """The turns of one transcript behind those of another."""
    base = everything.n
    for line in transcript.lines[1:]:
        moved = {k: v for k, v in line.items() if k not in ("type", "n", "turn", "parent", "time")}
        turn = line["turn"] + base if line["turn"] else 0
        everything.add(line["type"], turn, line["parent"] and line["parent"] + base, **moved)


# ---- Markdown ---------------------------------------------------------------------------------------

RENDERED = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "blockquote", "ol", "ul", "li", "pre", "code", "strong", "em", "a",
            "hr", "br"}


class Rendered(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.other = {}, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        values = dict(attributes)
        if tag == "a":
            self.links.append(values.pop("href", ""))
            values.pop("title", None)
        if tag == "code" and re.fullmatch(r"language-[A-Za-z0-9+#._-]+", values.get("class") or ""):
            values.pop("class")
        if tag == "ol":
            values.pop("start", None)
        if tag not in RENDERED or values:
            self.other.append(f"<{tag} {values}>")

    def handle_comment(self, data):
        self.other.append("a comment")

    def handle_decl(self, data):
        self.other.append("a declaration")

    def handle_pi(self, data):
        self.other.append("an instruction")


def wrong_markdown(text, turns, thirds):
    """What is wrong with the structure that the document renders to, or None."""
    if not no_control(text):
        return "a control character"
    if not CMARK:
        return None
    page = Rendered(subprocess.run([CMARK, "--unsafe"], input=text, capture_output=True, text=True,
                                   timeout=60).stdout)
    got = tuple(page.tags.get(h, 0) for h in ("h1", "h2", "h3"))
    if got != (1, turns, thirds):
        return f"headings {got}, not {(1, turns, thirds)}"
    bad = [u for u in page.links if not re.match(r"(?i)https?://|mailto:|#", u)]
    return page.other[:3] or bad[:3] or None


def check_markdown(place):
    if not CMARK:
        skip("Markdown renders with our structure", "cmark is not installed")
    text = place.export("library", "md")
    check("headings for the title, each turn, each persona and merge", not wrong_markdown(text, 2, 8),
          wrong_markdown(text, 2, 8))
    check("code keeps its fence", "```python\nvisits, cost = 12_400, 310_000\n" in text)
    check("every persona has its heading", all(text.count(f"\n### {p}") == 2 for p in PERSONAS))


def check_json(place):
    got = json.loads(place.export("library", "json"))
    lines = [json.loads(line) for line in library().rstrip("\n").split("\n")]
    answers = [a for t in got["turns"] for a in t["answers"]]
    with case("JSON holds every answer, field by field"):
        for have, want in zip(answers, (r for r in lines[1:] if r["type"] == "answer"), strict=True):
            for key in ("persona", "text", "tokens", "prompt_tokens", "stop", "seed", "seconds",
                        "tokens_per_second", "acts_by", "program", "routing", "color"):
                assert have[key] == want[key], (key, have[key], want[key])
    merges = [m for t in got["turns"] for m in t["merges"]]
    with case("JSON holds every merge, pick and setting"):
        for have, want in zip(merges, (r for r in lines[1:] if r["type"] == "merge"), strict=True):
            for key in ("method", "by", "text", "of", "scores", "shares"):
                assert have.get(key) == want.get(key, have.get(key)), (key, have[key])
        assert [t["picked"] for t in got["turns"]] == ["critic", "merge"]
        assert got["turns"][0]["setting"]["seats"] == lines[1]["seats"]
        assert [a["in_force"] for a in got["turns"][1]["answers"]] == [False, True, True, True]


# ---- a browser --------------------------------------------------------------------------------------


def browse(place, name, *options):
    """Runs chromium on a page; returns its standard output and its log."""
    profile = place.root / "chromium"
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
         f"--user-data-dir={profile}", *options, f"file://{place.root / name}"],
        capture_output=True, timeout=180, stdin=subprocess.DEVNULL,
        env=dict(ENVIRONMENT, HOME=str(place.root), XDG_CONFIG_HOME=str(place.root / "config")))
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def cards_side_by_side(image, colors):
    """How many of the personas' coloured upper edges lie in the row of pixels that holds the most."""
    rows = [np.all(np.abs(image.astype(int) - c) <= 6, axis=2).sum(axis=1) > 80 for c in colors]
    return max(np.sum(rows, axis=0))


def check_pictures(place):
    colors = {"light": ["6f3cc3", "14724a", "b5362a"], "dark": ["bb9cff", "63d39c", "ff9685"]}
    ground = {"light": (0xf7, 0xf5, 0xf0), "dark": (0x13, 0x14, 0x16)}
    for theme in ("light", "dark"):
        for width, columns in ((1280, 3), (400, 1)):
            shot = place.root / f"{theme}-{width}.png"
            browse(place, "library.html", f"--window-size={width},420", f"--screenshot={shot}",
                   f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}")
            with case(f"{theme}, {width} pixels: {columns} column(s) on the right ground"):
                image = pixels(shot)
                assert image.shape[1] == width, image.shape
                assert tuple(image[5, 5]) == ground[theme], image[5, 5]
                wanted = [tuple(bytes.fromhex(c)) for c in colors[theme]]
                assert cards_side_by_side(image, wanted) == columns
            keep = os.environ.get("SCREENSHOTS")
            if keep:
                shutil.copy(shot, keep)


def check_browser(place, page):
    if not CHROMIUM:
        skip("the pages in a browser", "chromium is not installed (see .ci/install.sh)")
        return
    (place.root / "library.html").write_text(page)
    (place.root / "everything.html").write_text(place.export("everything", "html"))
    for name in ("library.html", "everything.html"):
        tree, log = browse(place, name, "--dump-dom")
        parsed = Page(re.sub(r"^<!DOCTYPE html>", "", tree))
        check(f"{name} in a browser holds only what is allowed", parsed.tags and not parsed.wrong,
              parsed.wrong[:5])
        check(f"{name}: the policy stops nothing of ours, and nobody else tried",
              "Content Security Policy" not in log, log[-400:])
    check_pictures(place)


def main():
    with tempfile.TemporaryDirectory() as root:
        place = Place(root)
        fixture = (FIXTURES / "transcripts" / "library.jsonl").read_text()
        check("the fixture is what its script makes", fixture == library())
        place.put("library", fixture)
        page = check_page(place)
        check_contrast(page)
        check_markdown(place)
        check_json(place)
        check_vectors(place)
        if SANITIZED:
            ok("the browser looks at pages of the plain build only")
        else:
            check_browser(place, page)
    finish()


if __name__ == "__main__":
    sys.exit(main())
