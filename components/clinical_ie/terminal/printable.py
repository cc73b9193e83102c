"""Text from files, made safe to show on a terminal."""

from collections.abc import Sequence

# How many of several names a message lists.
MAX_NAMED = 5


def printable(text: str) -> str:
    """Escape control characters, which a terminal would obey: ESC becomes the text `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(value: object) -> str:
    """A value from a file as messages quote it: escaped, text in quotes, and shortened if long."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    found = repr(value)
    return found if len(found) <= 60 else found[:57] + "…"


def some_of(names: Sequence[str]) -> str:
    """The first names, escaped, and a sign that there are more."""
    rest = ", …" if len(names) > MAX_NAMED else ""
    return ", ".join(map(printable, names[:MAX_NAMED])) + rest
