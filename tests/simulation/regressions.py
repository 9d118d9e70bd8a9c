"""Seeds that once failed, by what they showed."""

REGRESSIONS: dict[str, int] = {
    "an old copy compared only the days that it remembered": 119,
    "what a held doubt brought to light was deleted with a window": 282,
    "a refused batch of single rows of several locations went out for ever": 239,
    "an unreadable amendment kept the others back": 191,
    "a base of three days was too short for the delete of an older sale": 127,
    "a person's deletion looked like a row that had not landed": 95,
}
