#!/usr/bin/env python3
"""Makes fixtures/markdown.json: texts with the fenced code and the code spans that CommonMark 0.31 finds in them,
section by section. What stands here was read off the specification; markdown-it-py must find the same, or nothing is
written.

usage: make_markdown_fixtures.py   (with the interpreter of build/venv-reference)
"""
import json
import sys
from pathlib import Path

from markdown_it import MarkdownIt

# Code that no fence closes: it ends with its container or the text.
OPEN = object()

# Text, then for each block of fenced code (info string, content) or (info string, content, OPEN).
FENCES = [
    ("```\nred\n green\n```", ("", "red\n green\n")),
    ("~~~\nred\n green\n~~~", ("", "red\n green\n")),
    ("``\nred\n``",),
    ("```\nred\n~~~\n```", ("", "red\n~~~\n")),
    ("~~~\nred\n```\n~~~", ("", "red\n```\n")),
    ("````\nred\n```\n``````", ("", "red\n```\n")),
    ("~~~~\nred\n~~~\n~~~~", ("", "red\n~~~\n")),
    ("```", ("", "", OPEN)),
    ("`````\n\n```\nred", ("", "\n```\nred\n", OPEN)),
    ("> ```\n> red\n\nblue", ("", "red\n", OPEN)),
    ("```\n\n  \n```", ("", "\n  \n")),
    ("```\n```", ("", "")),
    (" ```\n red\nred\n```", ("", "red\nred\n")),
    ("  ```\nred\n  red\nred\n  ```", ("", "red\nred\nred\n")),
    ("   ```\n   red\n    red\n  red\n   ```", ("", "red\n red\nred\n")),
    ("    ```\n    red\n    ```",),
    ("```\nred\n  ```", ("", "red\n")),
    ("   ```\nred\n  ```", ("", "red\n")),
    ("```\nred\n    ```", ("", "red\n    ```\n", OPEN)),
    ("``` ```\nred",),
    ("~~~~~~\nred\n~~~ ~~", ("", "red\n~~~ ~~\n", OPEN)),
    ("above\n```\nred\n```\nbelow", ("", "red\n")),
    ("above\n---\n~~~\nred\n~~~\n# below", ("", "red\n")),
    ("```ruby\ndef red(x)\n  return 3\nend\n```", ("ruby", "def red(x)\n  return 3\nend\n")),
    ("~~~~    ruby startline=3 $%@#$\nred\n~~~~~~~", ("ruby startline=3 $%@#$", "red\n")),
    ("````;\n````", (";", "")),
    ("``` red ```\nblue",),
    ("~~~ red ``` ~~~\nblue\n~~~", ("red ``` ~~~", "blue\n")),
    ("```\n``` red\n```", ("", "``` red\n")),
    ("```a``` is code\n\nred",),
    ("```a``` is code\n```\nred\n```", ("", "red\n")),
    ("```\nred\n```  \t\nblue", ("", "red\n")),
    ("```\nred\n``` x\n```", ("", "red\n``` x\n")),
    ("~~~c`c\nred\n~~~", ("c`c", "red\n")),
    ("```\n\tred\n  \tblue\n```", ("", "\tred\n  \tblue\n")),
    ("  ```\n\tred\n```", ("", "  red\n")),
    ("\t```\n\tred",),
    ("# red\n```\nblue\n```", ("", "blue\n")),
    ("red\n    ```\nblue\n    ```",),
    ("```\nred\n```\n```\nblue\n```", ("", "red\n"), ("", "blue\n")),
    ("~~~\nred\n\n~~~\n\n~~~\nblue\n", ("", "red\n\n"), ("", "blue\n", OPEN)),
    ("```  \nred\n```", ("", "red\n")),
    ("\\```\nred\n```", ("", "", OPEN)),
]
QUOTES = [
    ("> ```c\n> red\n>  blue\n> ```\n> green", ("c", "red\n blue\n")),
    (">```\n>red\n>```", ("", "red\n")),
    ("> ```\nred\n```", ("", "", OPEN), ("", "", OPEN)),
    ("> red\n```\nblue\n```", ("", "blue\n")),
    ("> > ~~~\n> > red\n> blue", ("", "red\n", OPEN)),
    (">     ```\n> red",),
    ("   > ```\n   > red\n   > ```", ("", "red\n")),
    ("    > ```\n    > red",),
    (">\t```\n>\tred\n>\t```", ("", "red\n")),
    ("> red\nblue\n> ```\n> green\n> ```", ("", "green\n")),
]
ITEMS = [
    ("- ```c\n  red\n  ```", ("c", "red\n")),
    ("- ```c\n  red\n  ```\n- blue", ("c", "red\n")),
    ("- ```c\n  red\nblue\n\ngreen", ("c", "red\n", OPEN)),
    ("1. red\n\n   ```\n   blue\n   ```\n2. green", ("", "blue\n")),
    ("1. red\n   ```\n   blue\n   ```\n2. green\n   ```\n   grey\n   ```", ("", "blue\n"), ("", "grey\n")),
    ("1.  ```\n    red\n      blue\n    ```", ("", "red\n  blue\n")),
    ("- red\n```\nblue\n```", ("", "blue\n")),
    ("- red\n      ```\n      blue",),
    ("- red\n\n  ~~~\n  blue\n\n\n  green\n  ~~~", ("", "blue\n\n\ngreen\n")),
    ("-\n  red\n-\n  ```\n  blue\n  ```", ("", "blue\n")),
    ("-\n\n  ```\n  red\n  ```", ("", "red\n")),
    ("-\n\n    ```\n    red",),
    ("-   \n  ```\n  red\n  ```", ("", "red\n")),
    ("10) red\n    ```\n    blue\n    ```", ("", "blue\n")),
    ("10) red\n   ```\n   blue\n   ```", ("", "blue\n")),
    ("red\n14. blue\n    ```\n    green\n",),
    ("red\n1. ~~~\n   blue\n   ~~~", ("", "blue\n")),
    ("-      ```\n  red",),
    ("-    ```\n     red\n     ```", ("", "red\n")),
    ("1234567890. ```\nred",),
    ("123456789. ```\n           red\n           ```", ("", "red\n")),
    ("0. red\n\n   ```\n   blue\n   ```", ("", "blue\n")),
    ("-red\n\n```\nblue\n```", ("", "blue\n")),
    ("- red\n  - blue\n    - ```\n      green\n      ```", ("", "green\n")),
    ("- red\n - blue\n  - green\n   - ```\n     grey\n     ```", ("", "grey\n")),
    ("- - ```\n    red\n    ```", ("", "red\n")),
    ("1. - 2. ~~~\n        red\n  blue", ("", "red\n", OPEN)),
    ("> 1. > ```\n>    > red\n>    > ```", ("", "red\n")),
    ("- > ```\n  > red\n  blue", ("", "red\n", OPEN)),
    ("- a\n\n\n  ```\n  red\n  ```\n\n- b", ("", "red\n")),
    ("- red\n+ blue\n* ```\n  green\n  ```", ("", "green\n")),
    ("* * *\n```\nred\n```", ("", "red\n")),
    ("- * * *\n- ```\n  red\n  ```", ("", "red\n")),
    ("- red\n***\n  ```\n  blue\n  ```", ("", "blue\n")),
    ("- red\n---\n```\nblue\n```", ("", "blue\n")),
    ("-\t```\n\t  red\n\t```", ("", "  red\n")),
    ("- red\n\n\t```\n\tblue\n\t```", ("", "blue\n")),
    ("-\tred\n\n\t```\n\tblue\n\t```", ("", "blue\n")),
    (" 1.  red\n\n     ```\n     blue\n     ```", ("", "blue\n")),
    ("- ```\n\n  red\n\n\n  ```\n\n  blue", ("", "\nred\n\n\n")),
    ("1. red\nlazy\n2. ```\n   blue\n   ```", ("", "blue\n")),
    ("> - red\nlazy\n> - ```\n>   blue\n>   ```", ("", "blue\n")),
    ("- # red\n- ```\n  blue\n  ```", ("", "blue\n")),
    ("- ```\n red\n  ```", ("", "", OPEN), ("", "", OPEN)),
]
# Text, and the content of each code span.
SPANS = [
    ("`red`", "red"),
    ("`` red ` blue ``", "red ` blue"),
    ("` `` `", "``"),
    ("`  ``  `", " `` "),
    ("` a`", " a"),
    ("` `", " "),
    ("`  `", "  "),
    ("`red   blue `", "red   blue "),
    ("`red\\`blue`", "red\\"),
    ("``red`blue``", "red`blue"),
    ("` red `` blue `", "red `` blue"),
    ("*red`*`", "*"),
    ("```red``",),
    ("`red",),
    ("`red``blue``", "blue"),
    ("```a``` is code", "a"),
    ("a ``b```c``` d`` e", "b```c``` d"),
]


def fences(tokens):
    for t in tokens:
        if t.type == "fence":
            lines = t.content.splitlines()
            content = "".join(line + "\n" for line in lines)
            yield [t.info.strip(), content, t.map[1] - t.map[0] == len(lines) + 2]


def check(reader, text, blocks):
    want = [[b[0], b[1], OPEN not in b] for b in blocks]
    got = list(fences(reader.parse(text)))
    if got != want:
        sys.exit(f"{text!r}: {want}; but markdown-it-py finds {got}")
    return {"text": text, "blocks": [{"info": i, "code": c, "closed": e} for i, c, e in want]}


def check_spans(reader, text, spans):
    got = [t.content for b in reader.parse(text) for t in b.children or () if t.type == "code_inline"]
    if got != spans:
        sys.exit(f"{text!r}: {spans}; but markdown-it-py finds {got}")
    return {"text": text, "spans": spans}


def main():
    reader = MarkdownIt("commonmark")
    document = {
        "blocks": [check(reader, text, blocks) for text, *blocks in FENCES + QUOTES + ITEMS],
        "spans": [check_spans(reader, text, spans) for text, *spans in SPANS],
    }
    out = Path(__file__).parent / "fixtures" / "markdown.json"
    out.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
