"""Scripts for tool_view: exchanges whose answers come token by token."""
import re

PHILOSOPHER = (
    "What closes when a library closes: a building, or a way of meeting people whom we did not "
    "choose? **A town** that asks only what a thing *costs* has already answered.\n\n"
    "There are two questions:\n\n"
    "- What do we owe those who cannot pay for a quiet room, a lamp and a shelf of books?\n"
    "- What would we *notice* first when it is gone?\n\n"
    "Perhaps the honest thing is to keep the door open for a year and count who comes in.")
CODER = (
    "Decide with numbers:\n\n"
    "```python\n"
    "visits, cost = 12_400, 310_000\n"
    "print(cost / visits)  # 25.0 for each visit, which is more than a ticket\n"
    "if cost / visits < 30:\n"
    "    print(\"keep it\")\n"
    "```\n\n"
    "## Then\n"
    "1. Measure `visits` for a **whole** year, not for one month in summer.\n"
    "2. Compare with the cost of a bus to the next town.\n")
CRITIC = (
    "The question hides two claims. First, that \"old\" means useless; nothing shows that. Second, "
    "that closing saves money; the building must be heated in any case 🙂. Ask instead: 図書館は誰のもの "
    "ですか? Whoever answers \"nobody's\" should say who paid for it.")

COLUMNS = [("philosopher", "mask", "magenta", "-"), ("coder", "prompt+mask", "green", "-"),
           ("critic", "mask", "red", "4 of 8 experts")]


def escape(text):
    """A text as one word of a script."""
    out = []
    for c in text:
        out.append({"\n": "\\n", "\t": "\\t", "\\": "\\\\"}.get(c, c))
    return "".join(out)


def tokens_of(text, size=4):
    """Pieces of a few characters, cut inside words too."""
    return re.findall(r"(?s)\s?[^\s]{1,%d}|\s" % size, text)


class Script:
    def __init__(self, *settings, columns=COLUMNS):
        self.lines = list(settings)
        self.columns = columns
        self.tokens = 0
        for column in columns:
            self.add("column", *column)

    def add(self, *words):
        self.lines.append("\t".join(str(w) for w in words))
        return self

    def lockstep(self, texts, wait=0, marks=()):
        """One token of each answer in turn; marks: {index of a round: step}."""
        answers = [tokens_of(t) for t in texts]
        for n in range(max(map(len, answers))):
            for i, answer in enumerate(answers):
                if n < len(answer):
                    self.add("token", i, escape(answer[n]))
                    self.tokens += 1
                if n + 1 == len(answer):
                    self.add("answer", i, "end", len(answer), "39.0", f"{len(answer) / 39:.2f}")
            for at, step in marks:
                if at == n:
                    self.add(*step)
            if wait:
                self.add("wait", wait)
        return self

    def write(self, path):
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return path
