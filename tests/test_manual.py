#!/usr/bin/env python3
"""The manual page, the completions of three shells, and where `make install` puts them."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from suite import ROOT, case, finish, run, skip

_scratch = tempfile.TemporaryDirectory()
SCRATCH = Path(_scratch.name)

page = run("manual").stdout
with case("the manual page names every command and option, and every command of a talk"):
    plain = page.replace("\\-", "-")
    for name in re.findall(r"^  ([a-z][a-z -]*[a-z]) {2,}", run("--help").stdout, re.M):
        assert f"\\fB{name}\\fR" in plain, name
    assert "\\fB/merge\\fR" in plain and "\\fB-m, --model\\fR" in plain
    assert "EXIT STATUS" in page
with case("`manual` refuses other words"):
    assert run("manual", "tcsh", check_status=False).returncode == 2
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "consilium.1").write_text(page)
    for checker, words in (("mandoc", ["-Tlint", "-Wstyle"]), ("groff", ["-man", "-Tutf8", "-wall", "-z"])):
        if not shutil.which(checker):
            skip(f"{checker} finds nothing in the manual page", f"{checker} is not installed")
            continue
        with case(f"{checker} finds nothing in the manual page"):
            done = subprocess.run([checker, *words, "consilium.1"], cwd=folder, text=True,
                                  capture_output=True)
            assert not done.stdout + done.stderr, (done.stdout + done.stderr)[:400]
for shell in ("bash", "zsh", "fish"):
    script = run("manual", shell).stdout
    if not shutil.which(shell):
        skip(f"{shell} reads its completions", f"{shell} is not installed")
        continue
    with case(f"{shell} reads its completions"):
        path = SCRATCH / f"completion.{shell}"
        path.write_text(script)
        subprocess.run([shell, "-n", str(path)], check=True, capture_output=True)
with case("bash completes commands, options and choices"):
    path = SCRATCH / "completion.bash"
    for words, wanted in ((["mo"], "model"), (["model", ""], "build-default"),
                          (["ask", "--prefi"], "--prefill"), (["ask", "--prefill", ""], "shared"),
                          (["--res"], "--resume")):
        script = (f"source {path}; COMP_WORDS=(consilium {' '.join(repr(w) for w in words)}); "
                  f"COMP_CWORD={len(words)}; _consilium; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True)
        assert wanted in done.stdout.split(), (words, done.stdout)
with case("make install puts page and completions where they are looked for"):
    target = SCRATCH / "root"
    subprocess.run(["make", "-s", f"BUILD={os.environ.get('BUILD', 'build')}", "install",
                    f"DESTDIR={target}", "PREFIX=/usr"], cwd=ROOT, check=True,
                   capture_output=True)
    for path in ("bin/consilium", "share/man/man1/consilium.1",
                 "share/bash-completion/completions/consilium",
                 "share/zsh/site-functions/_consilium",
                 "share/fish/vendor_completions.d/consilium.fish",
                 "share/consilium/personas/coder.json", "share/consilium/personas/sets/facts.jsonl"):
        assert (target / "usr" / path).stat().st_size > 0, path
finish()
