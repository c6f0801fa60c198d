#!/usr/bin/env python3
"""Continuations of every persona whose mask steers, greedy and sampled, on the two specialised models,
and what its mask costs beside what a bias by gates does.

usage: long_specialists.py        (some minutes)
"""
import tempfile
from pathlib import Path

import numpy as np

from specialists import DOMAINS
from specialists_support import Home, bias_of_gates, damages, interval, leaning, nats
from suite import case, finish

SEEDS = {0: [1], 1: [1, 2, 3]}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch), 64)
        for model in ("natural", "planted"):
            found = home.derive(model, ",".join(DOMAINS), check_status=False)
            for name in (d for d in DOMAINS if found[d]["found"]):
                costs = [damages(home, model, name, m) for m in (found[name]["mask"], bias_of_gates(home, model, name, 64))]
                print(f"# {model}, {name}: own {nats(costs[0][0])}, others {nats(costs[0][1])}; by a bias of gates "
                      f"{nats(costs[1][0])}, {nats(costs[1][1])}")
            for temperature, seeds in SEEDS.items():
                differences = []
                for name in (d for d in DOMAINS if found[d]["found"]):
                    masked, plain = leaning(home, model, name, seeds, temperature)
                    low, high = interval(masked - plain)
                    print(f"# {model}, {name}, temperature {temperature}: {masked.mean():.2f} of the bytes with the "
                          f"mask, {plain.mean():.2f} without; 95 % {low:+.2f} to {high:+.2f}")
                    differences.append(masked - plain)
                with case(f"{model}: continuations lean to the persona's side at temperature {temperature}"):
                    low, high = interval(np.concatenate(differences))
                    print(f"# all: 95 % {low:+.2f} to {high:+.2f}")
                    assert low > 0, (low, high)
    finish()


if __name__ == "__main__":
    main()
