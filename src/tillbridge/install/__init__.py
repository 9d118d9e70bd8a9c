"""Putting the service in place: units, user, folders, credentials. And taking it away again.

`steps` knows single deeds on a system below a root folder, each of which can be told, done, and
done again without harm; `plan` decides which of them an installation needs; `wanted` reads what
the configuration says about it. Nothing here touches a ledger or a sign-in, ever.
"""
