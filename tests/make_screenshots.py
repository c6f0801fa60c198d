#!/usr/bin/env python3
"""Draws the pictures of a page of routes for the README: fixtures/trace/{routes,atlas}-{light,dark}.png.

usage: make_screenshots.py [CONSILIUM]      with the built-in model and chromium, both installed
The page is that of `consilium trace` with --lessons. Pictures are of its replay, with where masks bit and
answers part, and of its atlas, as a window of 1280 pixels shows them, in 256 colours.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from pictures import pixels, write_png

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "fixtures" / "trace"
ASKED = ["Should a town close its old library?", "--seed=3", "--max-tokens=90", "--control", "--lessons=64"]
WIDE, HIGH = 1280, 4000
MOST = 150_000  # bytes of a picture


def shot(page, theme, scratch):
    """The whole page as an array of pixels, without what is empty below it."""
    png = scratch / f"{theme}.png"
    subprocess.run([shutil.which("chromium") or "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                    "--hide-scrollbars", "--no-first-run", f"--user-data-dir={scratch / 'profile'}",
                    f"--window-size={WIDE},{HIGH}", f"--screenshot={png}",
                    f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}", f"file://{page}"],
                   check=True, capture_output=True, timeout=300, env=os.environ | {"HOME": str(scratch)})
    image = pixels(png)
    used = np.flatnonzero((image != image[-1, 0]).any(axis=(1, 2)))
    return image[:used[-1] + 24]


def headings(image):
    """Rows in which a section's heading begins: text at the left edge below a gap of 30 rows at least."""
    rows = np.flatnonzero((image[:, :400] != image[-1, 0]).any(axis=(1, 2)))
    return [int(b) for a, b in zip(rows, rows[1:]) if b - a > 30]


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "consilium"
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        page = scratch / "routes.html"
        subprocess.run([program, "trace", *ASKED, "-q", "-o", page], check=True, stdout=subprocess.DEVNULL)
        for theme in ("light", "dark"):
            image = shot(page, theme, scratch)
            starts = headings(image)
            assert len(starts) == 6, starts  # question, figures, routes, masks, parts, atlas
            for name, part in (("routes", image[starts[2] - 24:starts[5] - 16]), ("atlas", image[starts[5] - 24:])):
                path = TARGET / f"{name}-{theme}.png"
                write_png(path, part)
                assert path.stat().st_size < MOST, (path, path.stat().st_size)
                print(path.name, part.shape, path.stat().st_size)


if __name__ == "__main__":
    main()
