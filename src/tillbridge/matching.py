"""Which location of one side is which of the other, by name. Pure.

Names are typed by people, twice: accents, case, punctuation and the order of nothing else may
differ. Only an equal name that is the only one on both sides counts as a match by itself;
everything else is a suggestion for a person.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_MOST_SUGGESTIONS = 5
_ALIKE = 0.72  # of difflib's ratio: "harbour st" and "harbour street" are, two towns are not

# Letters that Unicode does not take apart into a letter and an accent.
_LETTERS = str.maketrans(
    dict(zip("øłđðħ\u0131þæœ", ("o", "l", "d", "d", "h", "i", "th", "ae", "oe"), strict=True))
)


@dataclass(frozen=True, slots=True)
class Place:
    """A location as one side names it; what that side does not tell is None."""

    id: int
    name: str
    timezone: str | None = None
    currency: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A Lightspeed location and what it may feed.

    Attributes:
        place: Lightspeed's.
        found: Connecteam's, if there is no doubt.
        suggestions: otherwise those that it may be, the likeliest first.
    """

    place: Place
    found: Place | None
    suggestions: tuple[Place, ...] = ()


def plain_name(name: str) -> str:
    """What is left of a name without accents, case and punctuation: "Café  No. 3" is "cafe no 3".

    A name without any letter or digit is kept as it is.
    """
    lowered = name.casefold().translate(_LETTERS)
    apart = unicodedata.normalize("NFKD", lowered)
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    words = "".join(char if char.isalnum() else " " for char in bare.replace("'", "")).split()
    return " ".join(words) or name.strip()


def match(lightspeed: Sequence[Place], connecteam: Sequence[Place]) -> list[Match]:
    """One `Match` for each Lightspeed location, in their order."""
    by_name: dict[str, list[Place]] = {}
    for place in connecteam:
        by_name.setdefault(plain_name(place.name), []).append(place)
    wanted = Counter(plain_name(place.name) for place in lightspeed)
    return [_match(place, by_name, wanted) for place in lightspeed]


def same_name(name: str, places: Sequence[Place]) -> list[Place]:
    """Those that a person would call by this name, too."""
    return [place for place in places if plain_name(place.name) == plain_name(name)]


def _match(place: Place, by_name: dict[str, list[Place]], wanted: Counter[str]) -> Match:
    plain = plain_name(place.name)
    equal = by_name.get(plain, [])
    to_the_letter = [other for other in equal if other.name == place.name]
    if wanted[plain] == 1 and len(to_the_letter or equal) == 1:
        return Match(place, (to_the_letter or equal)[0])
    if equal:
        return Match(place, None, tuple(equal[:_MOST_SUGGESTIONS]))
    near = get_close_matches(plain, by_name, _MOST_SUGGESTIONS, _ALIKE)
    words = set(plain.split())
    near += [name for name in by_name if name not in near and _holds(words, set(name.split()))]
    alike = [other for name in near for other in by_name[name]]
    return Match(place, None, tuple(alike[:_MOST_SUGGESTIONS]))


def _holds(one: set[str], other: set[str]) -> bool:
    """Whether all words of one name are in the other: "Harbour Street" and "Harbour Street Bar"."""
    return one <= other or other <= one
