"""Text of files, as it may be shown on a terminal."""


def printable(text: str) -> str:
    """The text without signs that a terminal would obey: `\\x1b` is four signs in it."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
