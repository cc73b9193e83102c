"""Logs without note text: what other libraries would write of prompts and answers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# At level DEBUG these, and those below them, write requests, prompts and answers as they are.
_TALKATIVE = ("spacy_llm", "openai", "httpx2", "httpcore2")


@contextmanager
def quiet_logs(with_text: bool) -> Iterator[None]:
    """Keep debug messages of those who would log note text back, unless they are asked for."""

    def without_debug(record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG

    # A filter holds for its own logger alone, whatever the level of those below it.
    loggers = [] if with_text else [logging.getLogger(name) for name in _all_talkative()]
    for logger in loggers:
        logger.addFilter(without_debug)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(without_debug)


def _all_talkative() -> list[str]:
    below = tuple(f"{name}." for name in _TALKATIVE)
    return [
        *_TALKATIVE,
        *(name for name in logging.root.manager.loggerDict if name.startswith(below)),
    ]
