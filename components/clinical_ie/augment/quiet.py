"""Keeps note text out of logs: other libraries would log prompts and answers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# At level DEBUG, these and their child loggers write requests, prompts and answers in full.
_TALKATIVE = ("spacy_llm", "openai", "httpx2", "httpcore2")


@contextmanager
def quiet_logs(with_text: bool) -> Iterator[None]:
    """Suppress debug messages of libraries that log note text, unless they are wanted.

    with_text (bool): Whether they are wanted.
    """

    def without_debug(record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG

    # A filter applies to its own logger only, not to its children.
    loggers = [] if with_text else [logging.getLogger(name) for name in _all_talkative()]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addFilter(without_debug)
        # Children that are made in the meantime have the level of their parents.
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeFilter(without_debug)
            logger.setLevel(level)


def _all_talkative() -> list[str]:
    below = tuple(f"{name}." for name in _TALKATIVE)
    return [
        *_TALKATIVE,
        *(name for name in logging.root.manager.loggerDict if name.startswith(below)),
    ]
