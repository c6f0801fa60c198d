#!/usr/bin/env python3
"""Render small templates of every construct with jinja2 and keep what comes out.

usage: make_jinja_fixtures.py   (with the interpreter of build/venv-reference)

Writes tests/fixtures/jinja/cases.jsonl: {"template", "context", "text"} or {"template", "context",
"error"} a line; test_jinja.c expects the same text, or an error.
"""
import json
from pathlib import Path

from jinja_reference import render
from jinja_snippets import CONTEXT, SNIPPETS

OUT = Path(__file__).parent / "fixtures" / "jinja" / "cases.jsonl"


def main():
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for snippet in SNIPPETS:
        source, context = snippet if isinstance(snippet, tuple) else (snippet, CONTEXT)
        kind, value = render(source, context)
        case = {"template": source, kind: value}
        if context is not CONTEXT:
            case["context"] = context
        lines.append(json.dumps(case, ensure_ascii=False))
    first = json.dumps({"context": CONTEXT}, ensure_ascii=False)
    OUT.write_text("\n".join([first, *lines]) + "\n", encoding="utf-8")
    errors = sum('"error": ' in line for line in lines)
    print(f"{len(lines)} cases, {errors} of them refused: {OUT}")


if __name__ == "__main__":
    main()
