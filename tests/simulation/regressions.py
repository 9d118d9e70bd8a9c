"""Seeds that once failed, by what they showed.

The worlds have become more unkind since, so that a number stands for another world by now. What a
seed showed is kept where it cannot drift away: as a planted bug (`mutants/table.py`: the first two)
or as a test of the part that was wrong (`tests/ledger/test_vacancy.py`: seeds 232 and 5006).
"""

REGRESSIONS: dict[str, int] = {
    "a person's replacement took the base from under another doubt": 40,
    "an old copy compared only the days that it remembered": 119,
    "what a held doubt brought to light was deleted with a window": 282,
    "a refused batch of single rows of several locations went out for ever": 239,
    "an unreadable amendment kept the others back": 191,
    "a base of three days was too short for the delete of an older sale": 127,
    "a person's deletion looked like a row that had not landed": 95,
}
