"""What test_view.py expects on the screen: the exchange of view_script.py, cell by cell."""

COLUMNS_120 = """\
 philosopher  mask                     │ coder  prompt+mask                    │ critic  mask  4 of 8 experts
 118 tok · 39 t/s · 3.0 s ─────────────┼ 92 tok · 39 t/s · 2.4 s ──────────────┼ 63 tok · 39 t/s · 1.6 s ──────────────
 What closes when a library closes: a  │ Decide with numbers:                  │ The question hides two claims. First,
 building, or a way of meeting people  │                                       │ that "old" means useless; nothing
 whom we did not choose? A town that   │ ── python ──────────────              │ shows that. Second, that closing
 asks only what a thing costs has      │   visits, cost = 12_400, 310_000      │ saves money; the building must be
 already answered.                     │   print(cost / visits)  # 25.0 for ea │ heated in any case 🙂. Ask instead:
                                       │ › ch visit, which is more than a tick │ 図書館は誰のもの ですか? Whoever
 There are two questions:              │ › et                                  │ answers "nobody's" should say who
                                       │   if cost / visits < 30:              │ paid for it.
 • What do we owe those who cannot pay │       print("keep it")                │
   for a quiet room, a lamp and a      │ ────────────────────────              │
   shelf of books?                     │                                       │
 • What would we notice first when it  │ Then                                  │
   is gone?                            │ 1. Measure visits for a whole year,   │
                                       │    not for one month in summer.       │
 Perhaps the honest thing is to keep   │ 2. Compare with the cost of a bus to  │
 the door open for a year and count    │    the next town.                     │
 who comes in.                         │                                       │
───────────────────────────────────────┴───────────────────────────────────────┴───────────────────────────────────────
 vote  critic 0.41 · coder 0.33 · philosopher 0.26 (nearly a tie)
 merged by vote: The question hides two claims. First, that "old" means useless; nothing shows that. Second, that
 closing saves money; the building must be heated in any case 🙂. Ask instead: 図書館は誰のもの ですか? Whoever
 answers "nobody's" should say who paid for it.
 saved 3f9a · /diverge /pick /debate /retry critic                                                     context 212/8192"""

COLUMNS_200 = """\
 philosopher  mask                                                │ coder  prompt+mask                                               │ critic  mask  4 of 8 experts
 118 tok · 39 t/s · 3.0 s ────────────────────────────────────────┼ 92 tok · 39 t/s · 2.4 s ─────────────────────────────────────────┼ 63 tok · 39 t/s · 1.6 s ────────────────────────────────────────
 What closes when a library closes: a building, or a way of       │ Decide with numbers:                                             │ The question hides two claims. First, that "old" means useless;
 meeting people whom we did not choose? A town that asks only     │                                                                  │ nothing shows that. Second, that closing saves money; the
 what a thing costs has already answered.                         │ ── python ──────────────                                         │ building must be heated in any case 🙂. Ask instead: 図書館は誰
                                                                  │   visits, cost = 12_400, 310_000                                 │ のもの ですか? Whoever answers "nobody's" should say who paid
 There are two questions:                                         │   print(cost / visits)  # 25.0 for each visit, which is more tha │ for it.
                                                                  │ › n a ticket                                                     │
 • What do we owe those who cannot pay for a quiet room, a lamp   │   if cost / visits < 30:                                         │
   and a shelf of books?                                          │       print("keep it")                                           │
 • What would we notice first when it is gone?                    │ ────────────────────────                                         │
                                                                  │                                                                  │
 Perhaps the honest thing is to keep the door open for a year and │ Then                                                             │
 count who comes in.                                              │ 1. Measure visits for a whole year, not for one month in summer. │
                                                                  │ 2. Compare with the cost of a bus to the next town.              │
──────────────────────────────────────────────────────────────────┴──────────────────────────────────────────────────────────────────┴─────────────────────────────────────────────────────────────────
 vote  critic 0.41 · coder 0.33 · philosopher 0.26 (nearly a tie)
 merged by vote: The question hides two claims. First, that "old" means useless; nothing shows that. Second, that closing saves money; the building must be heated in any case 🙂. Ask instead: 図書館
 は誰のもの ですか? Whoever answers "nobody's" should say who paid for it.
 saved 3f9a · /diverge /pick /debate /retry critic                                                                                                                                     context 212/8192"""

COLUMNS_100 = """\
 philosopher  mask               │ coder  prompt+mask             │ critic  mask  4 of 8 experts
 118 tok · 39 t/s · 3.0 s ───────┼ 92 tok · 39 t/s · 2.4 s ───────┼ 63 tok · 39 t/s · 1.6 s ───────
 What closes when a library      │ Decide with numbers:           │ The question hides two claims.
 closes: a building, or a way of │                                │ First, that "old" means
 meeting people whom we did not  │ ── python ──────────────       │ useless; nothing shows that.
 choose? A town that asks only   │   visits, cost = 12_400, 310_0 │ Second, that closing saves
 what a thing costs has already  │ › 00                           │ money; the building must be
 answered.                       │   print(cost / visits)  # 25.0 │ heated in any case 🙂. Ask
                                 │ ›  for each visit, which is mo │ instead: 図書館は誰のもの です
 There are two questions:        │ › re than a ticket             │ か? Whoever answers "nobody's"
                                 │   if cost / visits < 30:       │ should say who paid for it.
 • What do we owe those who      │       print("keep it")         │
   cannot pay for a quiet room,  │ ────────────────────────       │
   a lamp and a shelf of books?  │                                │
 • What would we notice first    │ Then                           │
   when it is gone?              │ 1. Measure visits for a whole  │
                                 │    year, not for one month in  │
 Perhaps the honest thing is to  │    summer.                     │
 keep the door open for a year   │ 2. Compare with the cost of a  │
 and count who comes in.         │    bus to the next town.       │
─────────────────────────────────┴────────────────────────────────┴────────────────────────────────
 vote  critic 0.41 · coder 0.33 · philosopher 0.26 (nearly a tie)
 merged by vote: The question hides two claims. First, that "old" means useless; nothing shows
 that. Second, that closing saves money; the building must be heated in any case 🙂. Ask instead:
 図書館は誰のもの ですか? Whoever answers "nobody's" should say who paid for it.
 saved 3f9a · /diverge /pick /debate /retry critic                                 context 212/8192"""

STACK_80 = """\
 philosopher  mask ─ 118 tok · 39 t/s · 3.0 s ─────────────────────────────────
 What closes when a library closes: a building, or a way of meeting people
 whom we did not choose? A town that asks only what a thing costs has already
 answered.

 There are two questions:

 • What do we owe those who cannot pay for a quiet room, a lamp and a shelf of
   books?
 • What would we notice first when it is gone?

 Perhaps the honest thing is to keep the door open for a year and count who
 comes in.
 coder  prompt+mask ─ 92 tok · 39 t/s · 2.4 s ─────────────────────────────────
 Decide with numbers:

 ── python ──────────────
   visits, cost = 12_400, 310_000
   print(cost / visits)  # 25.0 for each visit, which is more than a ticket
   if cost / visits < 30:
       print("keep it")
 ────────────────────────

 Then
 1. Measure visits for a whole year, not for one month in summer.
 2. Compare with the cost of a bus to the next town.
 critic  mask  4 of 8 experts ─ 63 tok · 39 t/s · 1.6 s ───────────────────────
 The question hides two claims. First, that "old" means useless; nothing shows
 that. Second, that closing saves money; the building must be heated in any
 case 🙂. Ask instead: 図書館は誰のもの ですか? Whoever answers "nobody's"
 should say who paid for it.
───────────────────────────────────────────────────────────────────────────────
 vote  critic 0.41 · coder 0.33 · philosopher 0.26 (nearly a tie)
 merged by vote: The question hides two claims. First, that "old" means
 useless; nothing shows that. Second, that closing saves money; the building
 must be heated in any case 🙂. Ask instead: 図書館は誰のもの ですか? Whoever
 answers "nobody's" should say who paid for it.
 saved 3f9a · /diverge /pick /debate /retry critic             context 212/8192"""

FOCUS_100 = """\
 coder  prompt+mask ─ 92 tok · 39 t/s · 2.4 s ─────────────────────────────────────────────────────
 Decide with numbers:

 ── python ──────────────
   visits, cost = 12_400, 310_000
   print(cost / visits)  # 25.0 for each visit, which is more than a ticket
   if cost / visits < 30:
       print("keep it")
 ────────────────────────

 Then
 1. Measure visits for a whole year, not for one month in summer.
 2. Compare with the cost of a bus to the next town.
 philosopher  mask  118 tok · 39 t/s · 3.0 s
 critic  mask  4 of 8 experts  63 tok · 39 t/s · 1.6 s
───────────────────────────────────────────────────────────────────────────────────────────────────
 vote  critic 0.41 · coder 0.33 · philosopher 0.26 (nearly a tie)
 merged by vote: The question hides two claims. First, that "old" means useless; nothing shows
 that. Second, that closing saves money; the building must be heated in any case 🙂. Ask instead:
 図書館は誰のもの ですか? Whoever answers "nobody's" should say who paid for it.
 saved 3f9a · /diverge /pick /debate /retry critic                                 context 212/8192"""

ASCII_120 = r""" philosopher  mask                     | coder  prompt+mask                    | critic  mask  4 of 8 experts
 118 tok, 39 t/s, 3.0 s ---------------+ 92 tok, 39 t/s, 2.4 s ----------------+ 63 tok, 39 t/s, 1.6 s ----------------
 What closes when a library closes: a  | Decide with numbers:                  | The question hides two claims. First,
 building, or a way of meeting people  |                                       | that "old" means useless; nothing
 whom we did not choose? A town that   | -- python --------------              | shows that. Second, that closing
 asks only what a thing costs has      |   visits, cost = 12_400, 310_000      | saves money; the building must be
 already answered.                     |   print(cost / visits)  # 25.0 for ea | heated in any case \u{1f642}. Ask
                                       | > ch visit, which is more than a tick | instead:
 There are two questions:              | > et                                  | \u{56f3}\u{66f8}\u{9928}\u{306f}\u{8a
                                       |   if cost / visits < 30:              | b0}\u{306e}\u{3082}\u{306e}
 - What do we owe those who cannot pay |       print("keep it")                | \u{3067}\u{3059}\u{304b}? Whoever
   for a quiet room, a lamp and a      | ------------------------              | answers "nobody's" should say who
   shelf of books?                     |                                       | paid for it.
 - What would we notice first when it  | Then                                  |
   is gone?                            | 1. Measure visits for a whole year,   |
                                       |    not for one month in summer.       |
 Perhaps the honest thing is to keep   | 2. Compare with the cost of a bus to  |
 the door open for a year and count    |    the next town.                     |
 who comes in.                         |                                       |
---------------------------------------+---------------------------------------+---------------------------------------
 vote  critic 0.41 - coder 0.33 - philosopher 0.26 (nearly a tie)
 merged by vote: The question hides two claims. First, that "old" means useless; nothing shows that. Second, that
 closing saves money; the building must be heated in any case \u{1f642}. Ask instead:
 \u{56f3}\u{66f8}\u{9928}\u{306f}\u{8ab0}\u{306e}\u{3082}\u{306e} \u{3067}\u{3059}\u{304b}? Whoever answers "nobody's"
 should say who paid for it.
 saved 3f9a - /diverge /pick /debate /retry critic                                                     context 212/8192"""
