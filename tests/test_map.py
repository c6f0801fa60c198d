#!/usr/bin/env python3
"""`model map`: the parts of a model add up to what it weighs, masks of personas stand on it layer by layer, two are
told apart by what differs and by nothing else, and the picture is valid XML with rectangles and text alone, whatever
a file or a persona is called.
"""
import json
import os
import re
import shutil
import tempfile
import xml.etree.ElementTree as tree
from pathlib import Path

from suite import MODELS, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="map-"))
HOME = {"HOME": str(scratch / "home"), "XDG_CONFIG_HOME": str(scratch / "config"),
        "XDG_CACHE_HOME": str(scratch / "cache")}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | HOME
MOE, DENSE = MODELS / "qwen3_moe", MODELS / "llama"  # 2 layers, 7 experts, 3 a token
SVG = "{http://www.w3.org/2000/svg}"
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def model_map(*words, status=0):
    done = run("model", "map", *words, check_status=False, env=ENVIRONMENT)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stdout, done.stderr


def seat(name, layers):
    """A persona with a mask for the model."""
    folder = scratch / "config/consilium/personas"
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint = json.loads(run("model", "info", "-m", MOE, "--format=json").stdout)["fingerprint"]
    (folder / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name}))
    (folder / f"{name}.{fingerprint[:16]}.mask.json").write_text(
        json.dumps({"mask": 1, "model": None, "mode": "keep", "layers": layers}))


def text():
    shown = model_map("-m", MOE)[0]
    with case("every part is there, and none weighs more than the whole"):
        for label in ("embedding", "attention", "rope", "reach", "router", "experts", "keys, values"):
            assert re.search(f"^  {label} ", shown, re.M), label
        whole, parts = [[float(n) * UNITS[u] for n, u in re.findall(r" ([0-9.]+) (B|KiB|MiB)(?=  )", part)]
                        for part in (shown.split("\n")[0].replace(" of weights", "  "),
                                     shown.split("\n", 1)[1])]
        assert 0.9 * whole[0] <= sum(parts) <= 1.01 * whole[0], (whole, parts)
    with case("masks stand on it; layers that are alike are one line"):
        seat("ann", {"0-1": "0-3"})
        seat("bob", {"0": "1,3,5", "1": "2-6"})
        shown = model_map("-m", MOE)[0]
        assert re.search(r"^  0 +████··· +·█·█·█· *$", shown, re.M), shown
        assert re.search(r"^  1 +████··· +··█████ *$", shown, re.M), shown
        assert "57 %" in shown
        (scratch / "config/consilium/personas/bob.json").unlink()
        assert re.search(r"^  0-1 +████··· *$", model_map("-m", MOE)[0], re.M)


def two():
    with case("a model is the same structure as itself"):
        assert "the same structure" in model_map(MOE, MOE)[0]
    with case("what differs is told, and nothing else"):
        shown = model_map(MOE, DENSE)[0]
        assert "    + nothing of the kind" in shown and "  experts\n    - 7 in each" in shown
        same = re.search(r"alike in (\d+) of (\d+) rows", shown)
        assert same and 0 < int(same[1]) < int(same[2]), shown
        assert "  embedding\n" not in shown or "    - " in shown
    with case("a model twice named, and one that is not there"):
        model_map(MOE, "-m", MOE, status=2)
        model_map(MOE, scratch / "none.gguf", status=3)


def picture():
    hostile = scratch / "<script>alert('x')&\" onload=x"
    shutil.copytree(MOE, hostile)
    for words in ((hostile,), (MOE, hostile)):
        with case(f"the picture of {len(words)} is valid, and holds boxes and text alone"):
            out = scratch / "map.svg"
            model_map(*words, "-o", out, "--force")
            root = tree.parse(out).getroot()
            assert root.tag == f"{SVG}svg"
            tags = {e.tag.removeprefix(SVG) for e in root.iter()}
            assert tags == {"svg", "title", "style", "rect", "text"}, tags
            names = {a for e in root.iter() for a in e.attrib}
            assert names <= {"width", "height", "viewBox", "x", "y", "class"}, names
            assert "url(" not in out.read_text() and "http" not in out.read_text().replace(SVG[1:-1], "")
            assert any("alert" in (e.text or "") for e in root.iter(f"{SVG}text"))
            marked = [e for e in root.iter(f"{SVG}rect") if e.get("class") == "differs"]
            assert not marked  # the same model under another name
    with case("a file that is there is left alone without --force"):
        model_map(MOE, "-o", out, status=1)


text()
two()
picture()
finish()
