"""Small changes of wording that are safe without understanding the sentence."""

import random
import re

# What stands left may be said as what stands right, whatever the sentence around it is.
_SAME = {
    "additionally,": ("in addition,", "furthermore,"),
    "although": ("though",),
    "and also": ("as well as",),
    "approximately": ("about", "roughly"),
    "as a result of": ("because of", "due to"),
    "at that time": ("at this time",),
    "because of": ("due to",),
    "demonstrated": ("showed", "revealed"),
    "due to": ("because of",),
    "furthermore,": ("in addition,", "moreover,"),
    "however,": ("nevertheless,",),
    "in addition,": ("additionally,", "furthermore,"),
    "in order to": ("to",),
    "is currently taking": ("currently takes",),
    "on examination": ("when examined",),
    "prior to": ("before",),
    "remained": ("stayed",),
    "revealed": ("showed", "demonstrated"),
    "secondary to": ("due to", "because of"),
    "showed": ("revealed", "demonstrated"),
    "subsequently": ("thereafter", "afterwards"),
    "the patient": ("this patient",),
    "there was no evidence of": ("there was no sign of",),
    "this patient": ("the patient",),
    "upon": ("on",),
    "was found to have": ("was noted to have",),
    "was given": ("received",),
    "was noted": ("was observed", "was seen"),
    "was noted to have": ("was found to have",),
    "was observed": ("was noted", "was seen"),
    "was performed": ("was carried out", "was done"),
    "was started on": ("was begun on", "was placed on"),
    "were noted": ("were observed", "were seen"),
    "were observed": ("were noted", "were seen"),
    "were performed": ("were carried out", "were done"),
    "without any": ("with no",),
}
_ANY = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _SAME), key=len, reverse=True)) + r")(?!\w)",
    re.IGNORECASE,
)
_NUMBERS = [("was", "were"), ("is", "are"), ("has", "have")]
_VERB = re.compile(r"(\s+)(was|were|is|are|has|have)\b")


def vary(text: str, rng: random.Random, share: float) -> str:
    """Put other expressions of the same meaning into a text.

    share (float): How many of the known expressions are changed, 0 to 1.
    """

    def other(match: re.Match[str]) -> str:
        old = match.group()
        if rng.random() >= share:
            return old
        new = rng.choice(_SAME[old.lower()])
        return new.capitalize() if old[0].isupper() else new

    return _ANY.sub(other, text)


def alternatives(text: str, after_term: bool) -> list[list[str]]:
    """A text in pieces, each with the expressions that may stand there, the text's own first.

    after_term (bool): Whether a term that will change stands in front: the number of the verb
        after it is then open.
    """
    pieces: list[list[str]] = []
    done = 0
    for match in _ANY.finditer(text):
        old = match.group()
        others = [x.capitalize() if old[0].isupper() else x for x in _SAME[old.lower()]]
        pieces += [[text[done : match.start()]], [old, *others]]
        done = match.end()
    pieces.append([text[done:]])
    first = pieces[0][0]
    if after_term and (verb := _VERB.match(first)):
        pair = next(pair for pair in _NUMBERS if verb[2] in pair)
        pieces[:1] = [[verb[1]], [verb[2], *(set(pair) - {verb[2]})], [first[verb.end() :]]]
    return [piece for piece in pieces if piece != [""]]
