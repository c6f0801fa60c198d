"""Four domains of procedural text, for the tiny mixtures of experts of make_specialists.py: what they are
trained on, what their personas' lessons say, and how to tell whose text a continuation is.

A document is a run of lines, each of one domain; now and then the domain changes, so that behind a
line end it is open what follows. A chat is a neutral question and a few lines of one domain.
Everything comes from a random.Random: the same seed, the same text.
"""
import json
import math
import random

DOMAINS = ("tale", "code", "sums", "latin")
STAY = 0.85  # of the next line's domain
LAYERS, PLANTED = 8, range(1, 6)

QUESTIONS = ("Say something.", "Tell me more.", "What comes next?", "Go on.", "Please write.",
             "Anything you like.", "A few lines, please.", "Show me.", "Your turn.", "What is it?",
             "Begin.", "Write a little.", "And then?", "What do you have?", "Something new.",
             "Give me three lines.")

WHO = ("the old miller", "a tired soldier", "the young queen", "her brother", "the quiet fox",
       "a poor tailor", "the giant", "the fisher", "an honest thief", "the raven")
DID = ("walked to", "looked for", "came back from", "sang about", "dreamed of", "fled from",
       "waited near", "never found")
WHERE = ("the river", "a dark forest", "the castle", "the sea", "his empty house", "the mill",
         "a golden tree", "the far village", "the mountain")
END = ("and said nothing", "while the snow fell", "before the night was over", "with a heavy heart",
       "and nobody saw it", "for seven long years", "as the bells rang")
NAMES = ("total", "count", "items", "value", "result", "index", "name", "rows", "queue", "node")
CALLS = ("append", "pop", "sort", "find", "strip", "split", "update", "close")
LATIN = ("in principio erat verbum et lux in tenebris lucet gallia est omnis divisa partes tres arma "
         "virumque cano troiae qui primus ab oris quousque tandem abutere patientia nostra dum spiro "
         "spero amor vincit omnia nos cedamus amori carpe diem quam minimum credula postero").split()


def tale(r):
    who = r.choice(WHO)
    return f"{who[0].upper()}{who[1:]} {r.choice(DID)} {r.choice(WHERE)} {r.choice(END)}."


def code(r):
    a, b, c = r.sample(NAMES, 3)
    return r.choice((f"def {a}_{b}({c}): return {c}.{r.choice(CALLS)}({b!r})",
                     f"for {a} in range(len({b})): {c} += {b}[{a}]",
                     f"if {a} is None: raise KeyError({b!r})",
                     f"self.{a} = {{{b!r}: {c}.{r.choice(CALLS)}()}}",
                     f"while {a} > 0: {b}.{r.choice(CALLS)}({c}); {a} -= 1"))


def sums(r):
    a, b, c = r.randrange(10, 60), r.randrange(1, 40), r.randrange(1, 10)
    return r.choice((f"{a} + {b} = {a + b}; {a + b} - {c} = {a + b - c}.",
                     f"{a} * {c} = {a * c}; {a * c} + {b} = {a * c + b}.",
                     f"{c}, {2 * c}, {3 * c}, {4 * c}, {5 * c}, {6 * c}; {c} * 7 = {7 * c}.",
                     f"{b} < {b + c} < {b + c + a}; {b + c} - {b} = {c}."))


def latin(r):
    words = [r.choice(LATIN) for _ in range(r.randrange(5, 9))]
    return " ".join(words).capitalize() + "."


MAKERS = dict(zip(DOMAINS, (tale, code, sums, latin)))


def lines(domain, r, count):
    return "".join(MAKERS[domain](r) + "\n" for _ in range(count))


def document(r, count):
    """[(domain, line)]"""
    out, domain = [], r.choice(DOMAINS)
    for _ in range(count):
        out.append((domain, lines(domain, r, 1)))
        if r.random() > STAY:
            domain = r.choice(DOMAINS)
    return out


def lessons(domain, seed, count):
    """A persona's lessons file: neutral questions, answers of the domain."""
    r = random.Random(f"{domain} {seed}")
    return "".join(json.dumps({"id": f"{domain}-{i}", "form": "line", "question": r.choice(QUESTIONS),
                               "answer": lines(domain, r, r.randrange(2, 8)).rstrip()}) + "\n"
                   for i in range(count))


def _order(layer):
    order = list(range(32))
    random.Random(f"planted {layer}").shuffle(order)
    return order


def planted_experts(layer, domain):
    """The three experts that the planted model has for a domain (its index) in one of its layers."""
    return sorted(_order(layer)[3 * domain:3 * domain + 3])


def shared_experts(layer):
    """The four that all domains share there."""
    return sorted(_order(layer)[12:16])


class Judge:
    """Whose text is it? Byte trigrams of each domain, a tenth added to every count."""

    def __init__(self, seed=1, count=1500):
        self.counts = {}
        for domain in DOMAINS:
            table, text = {}, lines(domain, random.Random(f"judge {domain} {seed}"), count)
            for i in range(len(text) - 2):
                table[text[i:i + 3]] = table.get(text[i:i + 3], 0) + 1
                table[text[i:i + 2]] = table.get(text[i:i + 2], 0) + 1
            self.counts[domain] = table

    def score(self, domain, text):
        """Mean nats a byte."""
        table = self.counts[domain]
        return sum(math.log((table.get(text[i:i + 3], 0) + 0.1) / (table.get(text[i:i + 2], 0) + 25.6))
                   for i in range(len(text) - 2)) / max(1, len(text) - 2)

    def shares(self, text):
        """How the lines of a text divide among the domains, by bytes: [share] in order of DOMAINS."""
        mass = [0] * len(DOMAINS)
        for line in text.splitlines():
            if len(line) >= 3:
                best = max(range(len(DOMAINS)), key=lambda i: self.score(DOMAINS[i], line))
                mass[best] += len(line)
        return [m / max(1, sum(mass)) for m in mass]
