#!/usr/bin/env python3
"""Makes fixtures/chat.json: the tiny vocabularies of chat_cases.py, every template of
fixtures/templates, and for each conversation the ids that transformers makes of it (null = it
refuses). Needs transformers:

    build/venv-reference/bin/python tests/make_chat_fixtures.py
"""
import json
from pathlib import Path

import chat_cases


def main():
    cases = list(chat_cases.conversations())
    words = [chat_cases.Vocabulary(thoughts=t) for t in (False, True)]
    templates = []
    for path in sorted(chat_cases.TEMPLATES.glob("*.jinja")):
        text = path.read_bytes().decode()
        templates.append({"name": path.stem, "ids": [
            words[not chat_cases.thoughtful(c)].reference(text, c)[0] for c in cases]})
    document = {
        "day": chat_cases.DAY.isoformat(),
        "plain": json.loads(words[0].tokenizer.to_str()),
        "thinking": json.loads(words[1].tokenizer.to_str()),
        "cases": [{"name": name, "messages": json.dumps(messages, ensure_ascii=False), "reply": reply,
                   "think": think, "tokenizer": "plain" if chat_cases.thoughtful((0, messages)) else "thinking"}
                  for name, messages, reply, think in cases],
        "templates": templates,
    }
    out = Path(__file__).parent / "fixtures" / "chat.json"
    out.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
