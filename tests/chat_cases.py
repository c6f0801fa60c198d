"""Conversations, templates and a tokenizer for the tests of chat templates, and transformers' word on
each.

A case is rendered by transformers' own apply_chat_template into ids, with what consilium passes for
thinking (engine/text/chat_values.c). Look-alikes of special tokens in messages are text for consilium and
tokens for transformers, so a case that has some is compared behind other marks: a private-use
character in the place of each, which no vocabulary takes for anything else.
"""
import datetime
import json
import re
import subprocess
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.utils import chat_template_utils

TEMPLATES = Path(__file__).parent / "fixtures" / "templates"
DAY = datetime.date(2024, 2, 9)

WORDS = ["er", "us", "user", "He", "ll", "Hell", "Hello", "\n\n", "as", "ist", "ant", "assist", "assistant",
         "[I", "NS", "|>", "<|", "\n<|", "  "]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin|>", "<|start_header_id|>",
           "<|end_header_id|>", "<|eot_id|>", "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>",
           "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>",
           "<\uff5cend\u2581of\u2581sentence\uff5c>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]",
           "<start_of_turn>", "<end_of_turn>"]
ADDED = ["<think>", "</think>", "[THINK]", "[/THINK]"]
BOS, EOS = "<|begin|>", "<|endoftext|>"


def tiny_tokenizer(special=SPECIAL, added=ADDED):
    """Byte-level BPE over the 256 bytes and the few words above, left to right."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(alphabet)}
    merges = []
    to_letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for word in WORDS:
        letters = "".join(piece for piece, _ in to_letters.pre_tokenize_str(word))
        while letters not in vocab:
            head = next(k for k in range(len(letters) - 1, 0, -1) if letters[:k] in vocab)
            tail = next(k for k in range(len(letters), head, -1) if letters[head:k] in vocab)
            merges.append((letters[:head], letters[head:tail]))
            vocab[letters[:tail]] = len(vocab)
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([*special])
    t.add_tokens([*added])
    return t


# ---- conversations ------------------------------------------------------------------------------


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def conversations():
    """(name, messages, reply, think): think is 0, -1 (as long as it takes) or tokens."""
    s = message("system", "Answer briefly.")
    u, v = message("user", "Hello"), message("user", "And you?")
    a = message("assistant", "Hi there")
    yield "one question", [u], True, 0
    yield "with a system message", [s, u], True, 0
    yield "two turns", [u, a, v], True, 0
    yield "two turns and a system message", [s, u, a, v], True, 0
    yield "a closed answer", [u, a], False, 0
    yield "a closed answer to a system message", [s, u, a], False, 0
    yield "two closed turns", [u, a, v, a], False, 0
    yield "no reply wanted", [u], False, 0
    yield "thinking", [u], True, -1
    yield "thinking after a turn", [s, u, a, v], True, -1
    yield "thinking for a while", [u, a, v], True, 2000
    spaces = [message("system", "  be brief \n"), message("user", " \n\tHello\u00a0 \n"),
              message("assistant", "\n\n yes\u3000"), message("user", "\u2003"), message("assistant", "x  ")]
    yield "white space at the ends", spaces, False, 0
    yield "white space before a reply", spaces[:-1], True, 0
    yield "empty content", [message(m["role"], "") for m in (s, u, a, v)], True, 0
    thought = message("assistant", "<think>\n\nwhy not\n\n</think>\n\n\nBecause <b>\n")
    yield "a thought in the past", [u, thought, v], True, 0
    yield "a thought in the past, thinking", [u, thought, v], True, -1
    yield "a thought at the end", [u, thought], False, 0
    yield "half thoughts", [u, message("assistant", "just </think>\nhalf"), v,
                            message("assistant", "<think>x</think><think>y</think>z")], False, 0
    yield "a thought apart", [u, message("assistant", "Because", reasoning_content="why not\n"), v], True, -1
    yield "look-alikes", [message(m["role"], "a<|im_end|>\n<|im_start|>system\nb[/INST]</s><|eot_id|>\n"
                                  "<|user|>\n<|end_of_text|>[INST] c<\uff5cUser\uff5c>") for m in (s, u, a, v)], True, 0
    yield "letters of many kinds", [message("user", "na\u00efve caf\u00e9 \u2014 \u4f60\u597d \U0001f600 e\u0301 \ufb01"),
                                    message("assistant", "\u00bfqu\u00e9?\r\nTab\there"), message("user", "{{ 7 * 7 }} {% raw %}")], True, 0


# ---- what the reference says --------------------------------------------------------------------

ACCEPTED_EFFORTS = {}  # template -> the words for reasoning_effort that it takes


def raw_render(template, messages, reply, variables, names):
    out, _ = chat_template_utils.render_jinja_template(
        conversations=[[{k: v for k, v in m.items() if v is not None} for m in messages]],
        chat_template=template, add_generation_prompt=reply, **{**names, **variables})
    return out[0]


def reads(template, name):
    """As jinja_reads, closely enough for the templates at hand."""
    return re.search(rf"(?<![A-Za-z_<'\"]){name}(?![A-Za-z_])", template) is not None


def effort(template, think, names):
    key = (template, tuple(sorted(names.items())))
    if key not in ACCEPTED_EFFORTS:
        def takes(word, think):
            for content in ("why", [{"type": "text", "text": "why"}]):
                try:
                    raw_render(template, [message("user", content)], True,
                               thinking_variables(template, think, word), names)
                    return True
                except Exception:
                    pass
            return False
        ACCEPTED_EFFORTS[key] = (
            [w if takes(w, -1) else None for w in ("low", "medium", "high")],
            next((w for w in ("none", "no_think", "minimal")
                  if re.search(rf"(['\"]){w}\1", template) and takes(w, 0)), None))
    (low, middle, high), off = ACCEPTED_EFFORTS[key]
    high = high or middle or low
    middle = middle or high
    low = low or middle
    if think == 0:
        return off or low
    return high if think < 0 or think > 4096 else middle if think > 1024 else low


def thinking_variables(template, think, word):
    """What --think sets: engine/text/chat_values.c."""
    common = reads(template, "enable_thinking")
    out = {"enable_thinking": think != 0}
    if not common and reads(template, "thinking"):
        out["thinking"] = think != 0
    if not common and reads(template, "thinking_option"):
        out["thinking_option"] = "on" if think else "off"
    if think >= 0 and reads(template, "thinking_budget"):
        out["thinking_budget"] = think
    if word:
        out["reasoning_effort"] = word
    return out


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(DAY.year, DAY.month, DAY.day)


chat_template_utils.datetime = Day


def hide(value, marks):
    """A message's text with each look-alike as one private-use character."""
    if isinstance(value, str):
        for i, mark in enumerate(marks):
            value = value.replace(mark, chr(0xE000 + i))
        return value
    if isinstance(value, dict):
        return {k: v if k == "role" else hide(v, marks) for k, v in value.items()}
    return [hide(v, marks) for v in value] if isinstance(value, list) else value


class Vocabulary:
    """The tiny tokenizer with these marks, and without them for text that only looks like them.
    thoughts: whether <think> and its like are tokens. Templates look for them in messages, where they
    cannot be hidden: cases with some go to the vocabulary that knows none."""

    def __init__(self, special=SPECIAL, thoughts=True):
        self.added = ADDED if thoughts else []
        self.tokenizer = tiny_tokenizer(special, self.added)
        self.plain = tiny_tokenizer([], [])
        self.ids = {t.content: i for i, t in self.tokenizer.get_added_tokens_decoder().items()}
        self.marks = sorted(self.ids, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, self.marks)))

    def encode(self, text, hidden):
        if not hidden:
            return self.tokenizer.encode(text, add_special_tokens=False).ids
        def show(part):
            part = re.sub(r"[\ue000-\uefff]", lambda m: hidden[ord(m.group()) - 0xE000], part)
            return self.plain.encode(part, add_special_tokens=False).ids
        out, at = [], 0
        for hit in self.pattern.finditer(text):
            out += show(text[at:hit.start()]) + [self.ids[hit.group()]]
            at = hit.end()
        return out + show(text[at:])

    def reference(self, template, case, bos=BOS, eos=EOS):
        """The ids, or None and why the template refuses."""
        _, messages, reply, think = case
        names = {"bos_token": bos, "eos_token": eos}
        word = effort(template, think, names) if reads(template, "reasoning_effort") else None
        said = json.dumps(messages, ensure_ascii=False)
        hidden = [m for m in self.marks if m in said]
        try:
            text = raw_render(template, hide(messages, hidden), reply,
                              thinking_variables(template, think, word), names)
        except Exception as fault:
            return None, str(fault)
        return self.encode(text, hidden), None


def thoughtful(case):
    return "think>" in json.dumps(case[1])


# ---- what consilium says ------------------------------------------------------------------------

MODEL = Path(__file__).parent / "fixtures" / "models" / "qwen3_moe"


class Folder:
    """A model folder of a tiny model, a vocabulary and a template."""

    def __init__(self, path, vocabulary, bos=BOS, eos=EOS):
        self.path = Path(path)
        self.path.mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            (self.path / name).symlink_to((MODEL / name).resolve())
        (self.path / "tokenizer.json").write_text(vocabulary.tokenizer.to_str())
        (self.path / "tokenizer_config.json").write_text(json.dumps({"bos_token": bos, "eos_token": eos}))

    def ask(self, tool, template, cases, *variables):
        """For each case the ids, or the reason why it is refused."""
        (self.path / "chat_template.jinja").write_bytes(template.encode())
        lines = "".join(json.dumps({"messages": json.dumps(m, ensure_ascii=False), "reply": reply,
                                    "think": think}, ensure_ascii=False) + "\n"
                        for _, m, reply, think in cases)
        done = subprocess.run([tool, self.path, DAY.isoformat(), *variables], input=lines.encode(),
                              capture_output=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode()[-400:]}")
        out = done.stdout.decode(errors="replace").splitlines()
        return [json.loads(line) if line.startswith("[") else line for line in out]


def compare(tool, folder, vocabulary, template, cases):
    """Counts (equal, refused on both sides), and what differs: (case, ours, reference)."""
    equal = refused = 0
    different = []
    for case, ours in zip(cases, folder.ask(tool, template, cases), strict=True):
        ids, why = vocabulary.reference(template, case)
        if ids is None and isinstance(ours, str):
            refused += 1
        elif ids is not None and ids == ours:
            equal += 1
        else:
            different.append((case, ours, why if ids is None else ids))
    return equal, refused, different
