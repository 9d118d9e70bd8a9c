"""Seeds that once failed, by what they showed."""

REGRESSIONS: dict[str, int] = {
    "a view inside a commit ended every replacement": 2,
    "a 404 to a delete by id ended the pass": 15,
    "an amended sale at a location that is to be held was taken out with its window": 143,
    "a base of three days was too short for the delete of an older sale": 127,
    "a refused batch of single rows of several locations went out for ever": 239,
    "an unreadable amendment kept the others back": 191,
    "a foreign amount ended the stop of an old ledger": 13,
    "a first base ended the stop of an old ledger": 92,
    "holding a doubt ended the stop of an old ledger": 63,
}
