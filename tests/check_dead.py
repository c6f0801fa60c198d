#!/usr/bin/env python3
"""Refuse functions that no other file calls: they are dead, or they should be static.

Reads the symbols of the objects in BUILD (nm), so everything must be built, tests too. A function that
only tests call is refused as well, unless it is one of FOR_TESTS.

usage: check_dead.py [BUILD]
"""
import subprocess
import sys
from pathlib import Path

# Files read from memory, for fuzzers; parts of a public interface; and steps that a test pins alone.
FOR_TESTS = set("""
    adapter_read_memory safetensors_read config_from_json eval_set_read pack_read tokenizer_parse
    session_fork jinja_set_all transcript_create
    dialogue_council diverge_shared html_inline learn_weights merge_vote_budget slash_help_text verifier_is verifier_read
    slash_next terminal_open_as transcript_pending samples_say_twice routes_write evidence_gain
    evidence_table_read gate_read gate_examples_add learn_gate_loss guess_marks trainable_from_adapter trainable_take tally_bytes
""".split())

FOLDERS = ("kernels", "engine", "transcripts", "personas", "repl", "tests")


def symbols(paths):
    """(object, letter, name) of all that is defined for others or wanted from them."""
    done = subprocess.run(["nm", "-A", "-g", *paths], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("check_dead.py: build everything first")
    for line in done.stdout.splitlines():
        path, rest = line.split(":", 1)
        *_, letter, name = rest.split()
        yield path, letter, name


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    sources = [p for top in FOLDERS for p in sorted(Path(top).rglob("*.c"))
               if "tests/routers" not in str(p)]  # which suites compile
    objects = [build / p.with_suffix(".o") for p in sources if not p.name.startswith("fuzz_")]
    defined, wanted, tested = {}, {"main"}, set()
    for path, letter, name in symbols(objects):
        source = Path(path).relative_to(build).with_suffix(".c")
        if letter == "U":
            (tested if source.parts[0] == "tests" else wanted).add(name)
        elif source.parts[0] != "tests":
            defined[name] = source
    wrong = 0
    for name, source in sorted(defined.items(), key=lambda item: (item[1], item[0])):
        if name in wanted or (name in tested and name in FOR_TESTS):
            continue
        wrong += 1
        why = "only tests call it" if name in tested else "no other file calls it"
        print(f"{source}: {name}: {why}")
    for name in sorted(name for name in FOR_TESTS if name in wanted or name not in defined):
        wrong += 1
        print(f"tests/check_dead.py: {name} need not be listed any more")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
