#!/usr/bin/env python3
"""The page of `consilium trace`: its policy lets its own style and script run and nothing else, foreign text
stays text, and in Chromium the replay shows what the arrays say."""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from suite import FIXTURES, SANITIZED, case, finish, ok, run, skip

scratch = Path(tempfile.mkdtemp(prefix="page-"))
MODEL = FIXTURES / "council"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(scratch / "nothing")
KEEP = scratch / "keep.mask.json"
KEEP.write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0":"0-3","1":"2-5"}}')
EVIL = '</pre><script>alert(1)</script><img src=x onerror=alert(2)> "quoted" & \u202e'
TEXT = scratch / "a&b<i>.txt"
TEXT.write_text("the code is the code\n")
ASKED = [EVIL, "--seed=5", "--max-tokens=16", "--control", "--personas=coder,critic", "--mask", f"coder={KEEP}",
         "--text", TEXT, "-m", MODEL, "--threads=1"]
run("trace", *ASKED, "-o", scratch / "p.html", "-o", scratch / "p.npz")
page = (scratch / "p.html").read_text()
arrays = np.load(scratch / "p.npz")


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.inside, self.text = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style", "pre", "h1"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if self.inside:
            self.text[self.inside[-1]] = self.text.get(self.inside[-1], "") + data


parsed = Tags(page)

with case("one style sheet and one script, allowed by their hashes, and nothing else"):
    policy = next(a["content"] for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    hashes = {k: f"'sha256-{base64.b64encode(hashlib.sha256(parsed.text[k].encode()).digest()).decode()}'"
              for k in ("style", "script")}
    assert policy == (f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; "
                      "base-uri 'none'; form-action 'none'"), policy
    names = [t for t, _ in parsed.tags]
    assert names.count("script") == names.count("style") == names.count("pre") == 1
    assert not {"img", "link", "iframe", "a", "object", "form"} & set(names)
    bad = [a for _, a in parsed.tags if any(k.startswith("on") or k in ("style", "src", "href") for k in a)]
    assert not bad, bad
    assert not re.search(r"https?:", page), "an address"
    assert not re.search(r"\b(eval|fetch|innerHTML|outerHTML|insertAdjacentHTML|XMLHttpRequest|WebSocket|import)\b",
                         parsed.text["script"])

with case("foreign text stays text"):
    assert "alert(1)" in parsed.text["h1"] and "\u202e" not in parsed.text["h1"]
    data = json.loads(parsed.text["pre"])
    assert [t["text"] for t in data["tracks"]] == ["", "", ""] + 3 * [str(TEXT)]

with case("the numbers are those of the arrays, as fine as a picture needs"):
    for t in data["tracks"][:3]:
        want = arrays[t["name"] + ".experts"]
        shape = t["n"], len(data["layers"]), t["k"]
        got = np.frombuffer(base64.b64decode(t["experts"]), "<u2").reshape(shape)
        assert (got == np.where(want < 0, 65535, want)).all()
        gates = np.frombuffer(base64.b64decode(t["gates"]), np.uint8).reshape(shape) / 255
        assert np.abs(gates - arrays[t["name"] + ".gates"]).max() <= 0.5 / 255 + 1e-6
        assert t["start"] == arrays[t["name"] + ".prompt"] and len(t["pieces"]) == len(arrays[t["name"] + ".tokens"])

with case("the place where answers part, and the distance of the routes there"):
    a, b = ((arrays[n + ".tokens"], int(arrays[n + ".prompt"]), arrays[n + ".experts"]) for n in ("coder", "control"))
    shared = next(i for i in range(64) if a[0][a[1] + i] != b[0][b[1] + i])
    x, y = a[2][a[1] + shared - 1], b[2][b[1] + shared - 1]
    apart = np.mean([1 - len(set(p) & set(q)) / len(set(p) | set(q)) for p, q in zip(x.tolist(), y.tolist())])
    said = re.search(r"coder</b> and <b[^>]*>control</b> part at token (\d+).*?routes that are (\d+) % apart", page, re.S)
    assert int(said[1]) == shared + 1 and abs(int(said[2]) - 100 * apart) <= 0.5, (said[0], shared, apart)

with case("the atlas has a cell for each expert that was called"):
    called = set()
    for key in arrays.files:
        if key.endswith(".experts"):
            for layer in (0, 1):
                called |= {(layer, e) for e in arrays[key][:, layer].ravel().tolist() if e >= 0}
    cells = [a for t, a in parsed.tags if t == "rect" and "opacity" in a]
    assert {(int(c["y"]) // 10, int(c["x"]) // 10) for c in cells} == called

with case("the same bytes each time"):
    run("trace", *ASKED, "-o", scratch / "again.html")
    assert (scratch / "again.html").read_text() == page


def browse(*options):
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
         f"--user-data-dir={scratch / 'chromium'}", *options, f"file://{scratch / 'p.html'}"],
        capture_output=True, timeout=180, stdin=subprocess.DEVNULL,
        env=dict(os.environ, HOME=str(scratch), XDG_CONFIG_HOME=str(scratch / "config")))
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


if SANITIZED:
    ok("the browser looks at pages of the plain build only")
elif not CHROMIUM:
    skip("the page in a browser", "chromium is not installed (see .ci/install.sh)")
else:
    with case("in a browser the script runs, and its first picture is the first token"):
        tree, log = browse("--dump-dom")
        assert "Content Security Policy" not in log and "Uncaught" not in log, log[-400:]
        lanes = re.findall(r'<article class="lane (\w+)"><h3>(\w+)</h3>', tree)
        assert [name for _, name in lanes] == ["coder", "critic", "control"], lanes
        assert len(re.findall(r'<span data-i="\d+" class="this"|<span class="this" data-i="\d+"', tree)) == 3
        t = data["tracks"][0]
        at = int(t["start"])
        denied = [set(arrays["coder.wanted"][at, layer].tolist()) - set(arrays["coder.experts"][at, layer].tolist())
                  for layer in (0, 1)]
        shown = re.search(r'<div class="scroll bite".*?</table>', tree, re.S)[0]
        rows = re.findall(r"<tr><th[^>]*>\d+</th><td>(.*?)</td>", shown)
        assert [{int(e) for e in re.findall(r'class="no">(\d+) ', r)} for r in rows] == denied, (rows, denied)
        boxes = re.findall(r'<div class="(\w+)"><b class="who">(\w+)</b>(.*?)</div>', tree)
        shares = {}
        for name in ("coder", "critic", "control"):
            tracks = [t for t in data["tracks"] if t["name"] == name]
            count = np.zeros((2, data["experts"]))
            for t in tracks:
                ids = np.frombuffer(base64.b64decode(t["experts"]), "<u2").reshape(t["n"], 2, t["k"])
                for layer in (0, 1):
                    count[layer] += np.bincount(ids[:, layer].ravel(), minlength=65536)[:data["experts"]]
            shares[name] = count / sum(t["n"] for t in tracks)
        assert [b[1] for b in boxes] == list(shares), boxes
        for _, name, inside in boxes:
            ahead = shares[name] - np.max([s for other, s in shares.items() if other != name], axis=0)
            best = sorted((-round(float(x), 6), i) for i, x in enumerate(ahead.ravel()) if x > 0.02)[:8]
            want = [(i // data["experts"], i % data["experts"]) for _, i in best]
            told = [tuple(map(int, m)) for m in re.findall(r">(\d+):(\d+)<span", inside)]
            assert sorted(told) == sorted(want) and told, (name, told, want)
        assert 'id="expert"' in tree and "called for so many of the tokens" in tree
        assert re.search(r'<div class="bar" id="bar">', tree)

finish()
