#!/usr/bin/env python3
"""`personas derive` on two tiny mixtures of experts that were trained from scratch (make_specialists.py).

In one the experts of each domain were planted: bans must name only experts that the other domains
have, and all of them but one at most. In the other nobody told the routers which expert is whose, but
they were trained on with a price on their entropy (train(.., decided=True)). The masks must cost
other domains' fresh texts far more, and the persona's own unseen lessons next to nothing. There a bias by
gates, all that `derive` did before masks were measured, hardly moves a router, so that the comparison
with it proves little: on a mixture trained with the balance loss alone it does move them.
"""
import json
import tempfile
from pathlib import Path

from specialists import DOMAINS, PLANTED, planted_experts
from specialists_support import Home, bias_of_gates, damages, nats, ranges
from suite import SANITIZED, case, finish, skip

LESSONS = 64
OWN_DAMAGE, TIMES = 0.02, 3


def banned(path):
    """{layer: experts}"""
    mask = json.loads(Path(path).read_text())
    assert mask["mode"] == "ban", mask["mode"]
    return {layer: ranges(experts) for key, experts in mask["layers"].items() for layer in ranges(key)}


def judge_planted():
    with tempfile.TemporaryDirectory() as scratch:
        found = Home(Path(scratch), LESSONS).derive("planted", "tale,sums", "--mode", "ban")
        for name, one in found.items():
            sets = banned(one["mask"])
            want = {(layer, e) for layer in PLANTED for d in DOMAINS if d != name
                    for e in planted_experts(layer, DOMAINS.index(d))}
            got = {(layer, e) for layer, experts in sets.items() for e in experts}
            with case(f"planted: the experts banned for {name} are those planted for others, but for one at most"):
                assert got <= want, f"not planted: {sorted(got - want)}"
                assert len(want - got) <= 1, f"not found: {sorted(want - got)}"
            print(f"# planted, {name}: {len(got)} of {len(want)} found, none besides; gap {one['gap'][0]:.2f} nats, "
                  f"random masks up to {max(one['random_gaps']):.2f}")


def judge_natural():
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch), LESSONS)
        found = home.derive("natural", ",".join(DOMAINS))
        for name, one in found.items():
            with case(f"natural: {name} has a mask, better than 20 random ones"):
                assert one["found"] and one["gap"][0] > max(one["random_gaps"]), one["why"]
            with case(f"natural: on unseen lessons {name} loses at most {OWN_DAMAGE} nats"):
                assert one["own_loss"][0] <= OWN_DAMAGE, one["own_loss"]
            own, other = damages(home, "natural", name, one["mask"])
            old_own, old_other = damages(home, "natural", name, bias_of_gates(home, "natural", name, LESSONS))
            with case(f"natural: on fresh texts the gap of {name} is {TIMES} times that of a bias by gates"):
                assert other - own >= TIMES * max(0.01, old_other - old_own), f"{other - own} for {old_other - old_own}"
            print(f"# natural, {name}: own {nats(own)}, others {nats(other)}; bias by gates own {nats(old_own)}, "
                  f"others {nats(old_other)}")


def main():
    if SANITIZED:
        skip("masks of two trained mixtures", "a slower build; test_derive and test_personas run there")
    else:
        judge_planted()
        judge_natural()
    finish()


if __name__ == "__main__":
    main()
