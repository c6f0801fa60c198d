#!/usr/bin/env python3
"""What is picked, answered again, forked and blind: in the conversation, the record and what is made of it."""
import json
import re
import subprocess

from suite import BINARY, case, finish
from talk_screen import Talk


def records(talk, kind):
    return [r for r in map(json.loads, talk.transcripts()[0].read_text().rstrip("\n").split("\n")[1:]) if r["type"] == kind]


def picking():
    """What a pick, a retry, a fork and a blind exchange are to the record and to what is made of it."""
    t = Talk("picking", "--merge=vote")

    def archive(*words):
        done = subprocess.run([BINARY, "transcripts", *words, "--format=json"], env=t.environment,
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def won():
        counts = {c["name"]: c["open"]["picked"] + c["blind"]["picked"]
                  for c in archive("stats")["candidates"]}
        return {name: n for name, n in counts.items() if n}

    with case("blind is blind: no vote, no merge, and nothing that names one before the pick"):
        t.say("/blind on")
        said = t.say("Who writes best?")
        assert "who was best?" in said and not re.search("vote|philosopher|coder|critic|\u2605", said), said
        for command in ("/vote", "/merge synth", "/debate", "/blend"):
            assert "blind still" in t.say(command), command
        assert "not merged" in t.say("/show merge") and "did not answer" in t.say("/show coder")
        assert not re.search("philosopher|critic", t.say("/retry A"))
        assert not records(t, "merge")
    with case("a later pick takes the earlier one's place everywhere"):
        who = dict(re.findall(r"([ABC]) was (\w+)", t.say("/pick B")))
        assert won() == {who["B"]: 1}
        t.say(f"/pick {who['C']}")
        assert won() == {who["C"]: 1}
        t.say("/blind off")
        t.say(f"/save {t.home}/picked.json")
        assert json.loads((t.home / "picked.json").read_text())["turns"][0]["picked"] == who["C"]
    with case("/retry takes the pick off what it replaces, and the column keeps its place"):
        t.say("Which one stays?")
        t.say("/pick philosopher")
        t.say("/retry critic")
        assert records(t, "pick")[-1]["name"] == "philosopher"
        before = sum(won().values())
        t.say("/retry philosopher")
        assert records(t, "pick")[-1]["name"] is None and sum(won().values()) == before - 1
        t.say(f"/save {t.home}/order.md")
        last = (t.home / "order.md").read_text().split("## Turn")[-1]
        names = "philosopher|coder|critic"
        assert re.findall(rf"^#+ ({names})\b", last, re.M)[:3] == names.split("|"), last
        shown = subprocess.run([BINARY, "transcripts", "show", t.transcripts()[0].stem], env=t.environment,
                               capture_output=True, text=True, check=True).stdout
        assert re.findall(rf"^({names})\b", shown, re.M)[-3:] == names.split("|"), shown
        t.say("/merge")
        t.say("/pick merge")
        t.say("/retry coder")
        assert records(t, "pick")[-1]["name"] is None
    with case("/fork copies neither picks into the statistics nor hits into the search"):
        t.say("/pick coder")
        stats = archive("stats")
        assert archive("search", "stays")["total"] == 1
        t.say("/fork")
        fresh = archive("stats")
        for key in ("picks", "blind_picks", "candidates", "turns"):
            assert fresh[key] == stats[key], (key, fresh[key], stats[key])
        assert [m["answers"] for m in fresh["models"]] == [m["answers"] for m in stats["models"]]
        assert archive("search", "stays")["total"] == 1
        t.say("Only in the fork it stays")
        t.say("/pick critic")
        assert archive("search", "stays")["total"] == 2 and archive("search", "fork")["total"] == 1
        assert archive("stats")["picks"] == stats["picks"] + 1
        for path in t.transcripts():
            done = subprocess.run([BINARY, "transcripts", "replay", path.stem], env=t.environment,
                                  capture_output=True, text=True)
            assert done.returncode == 0, done
    t.close()


picking()
finish()
