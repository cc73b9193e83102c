"""Logs without note text: what other libraries would write of prompts and answers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# At level DEBUG these write requests, prompts and answers as they are.
_TALKATIVE = ("spacy_llm", "openai", "openai._base_client", "httpx2", "httpcore2")


@contextmanager
def quiet_logs(with_text: bool) -> Iterator[None]:
    """Keep debug messages of those who would log note text back, unless they are asked for."""

    def without_debug(record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG

    loggers = [] if with_text else [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(without_debug)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(without_debug)
