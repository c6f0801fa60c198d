#!/usr/bin/env python3
"""Draw seeded items of reasoning-gym as a set for `consilium eval`.

usage: make_reasoning_items.py [--tasks A,B,...] [--each N] [--seed N] [-o SET]
       make_reasoning_items.py --list

reasoning-gym (PyPI, Apache-2.0, version in tests/requirements-reasoning.txt) makes tasks with one short
answer each. Kept are those of the chosen tasks whose answer is at most four words, as exact items: the same
tasks, seed and number give the same bytes. No test needs it; it is for whoever wants more questions than
are shipped.
"""
import argparse
import json
import sys

# Within reach of a small model: one or two steps each.
TASKS = ["basic_arithmetic", "chain_sum", "gcd", "lcm", "leg_counting", "letter_counting", "number_sorting",
         "products", "simple_equations", "time_intervals", "calendar_arithmetic", "family_relationships",
         "propositional_logic", "syllogism", "word_sorting", "fraction_simplification", "prime_factorization",
         "base_conversion", "bitwise_arithmetic", "count_bits"]
WORDS = 4


def gym():
    try:
        import reasoning_gym
    except ImportError:
        sys.exit("reasoning-gym is missing: pip install -r tests/requirements-reasoning.txt")
    return reasoning_gym


def items(task, each, seed):
    for number, entry in enumerate(gym().create_dataset(task, size=each, seed=seed)):
        answer = str(entry["answer"] or "").strip()
        question = str(entry["question"]).strip()
        if not answer or len(answer.split()) > WORDS or not question:
            continue
        yield {"id": f"{task}-{seed}-{number}", "kind": "exact", "question": question, "keys": [answer],
               "topic": task}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--each", type=int, default=20, help="items drawn of each task")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", default="-")
    parser.add_argument("--list", action="store_true", help="the names of all tasks")
    given = parser.parse_args()
    if given.list:
        print("\n".join(sorted(gym().factory.DATASETS)))
        return
    lines = [json.dumps(item, ensure_ascii=False) for task in given.tasks.split(",")
             for item in items(task, given.each, given.seed)]
    text = "".join(line + "\n" for line in lines)
    if given.output == "-":
        sys.stdout.write(text)
    else:
        with open(given.output, "w", encoding="utf-8") as out:
            out.write(text)
    print(f"{len(lines)} items", file=sys.stderr)


if __name__ == "__main__":
    main()
