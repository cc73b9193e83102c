"""Text of files, as it may be shown on a terminal."""


def printable(text: str) -> str:
    """The text without signs that a terminal would obey: `\\x1b` is four signs in it."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(value: object) -> str:
    """A value of a file as messages cite it: with escapes, text in quotes, and cut where long."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    found = repr(value)
    return found if len(found) <= 60 else found[:57] + "…"
