"""Text of files, as it may be shown on a terminal."""


def printable(text: str) -> str:
    """The text without signs that a terminal would obey: `\\x1b` is four signs in it."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(text: str) -> str:
    """The start of a text, in quotes and with escapes, as messages cite what a file says."""
    return repr(text if len(text) <= 60 else text[:57] + "…")
