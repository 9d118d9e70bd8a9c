"""Are the figures in Connecteam right? Compare, say why not to the cent, and put it right.

`figures`, `remainder`, `zones`, `plan` and `finality` are pure; `gathering` reads, `vanished` and
`repairing` change the ledger, and nothing here sends anything but through `correct` and `replace`.
"""
