"""No answer is paid for twice: SQLite stores each one as soon as it arrives."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path

# spacy-llm compares these types with those of the task, and only knows typing's.
from typing import Any, Callable, Iterable  # noqa: UP035

from spacy_llm.registry import registry

from .models.completion import failure
from .prompt import Prompt, Response

Model = Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    seconds REAL NOT NULL,
    cut INTEGER NOT NULL,
    fault TEXT NOT NULL,
    likelihood REAL
) WITHOUT ROWID
"""
_COLUMNS = "text, prompt_tokens, completion_tokens, seconds, cut, fault, likelihood"
# The fault of a response in place of which no request was made.
NOT_ASKED = "not asked"
# Seconds to wait for the write of another process.
_PATIENCE = 60.0


def _answer_in(group: object) -> Response:
    """The answer in what a model gives for a prompt: a list of one, or the string itself, which is
    paid for like any other."""
    answers = [group] if isinstance(group, str) or not isinstance(group, Iterable) else list(group)
    if not answers or answers[0] is None:
        raise ValueError(f"the model gave {group!r} in the place of an answer, a list of a string")
    return Response.of(answers[0])


class Journaled:
    """Takes answers from the journal if it has them, otherwise from the model.

    An answer is reused only if every part of its prompt is the same. A model that reads the parts
    of a `Prompt` but not its string sets `reads_string = False`; the string then does not count.

    model (Model): Any spacy-llm model.
    path (Path): The SQLite file; created at the first prompt, readable by its owner only.
    fingerprint (str | None): Identifies the model and every setting that affects its answers; None
        if the model has a `fingerprint` of its own.
    """

    def __init__(self, model: Model, path: Path, fingerprint: str | None) -> None:
        self._model = model
        self._path = path
        self._fingerprint = fingerprint
        # Whether to ask the model for what the journal lacks; if not, there is no answer.
        self.asks = True
        # What came in the last call, in which a later prompt may have ended the run.
        self._came: dict[str, Response] = {}
        if not callable(model):
            raise ValueError(f"clinical_ie.Journaled.v1: {model!r} is not a model, a function")
        if fingerprint is None and not hasattr(type(model), "fingerprint"):
            raise ValueError(
                "clinical_ie.Journaled.v1: this model has no fingerprint; set `fingerprint` to a "
                "string that changes with the model and its settings"
            )

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer each prompt; the model is asked only for what the journal lacks.

        Each answer is committed when it arrives, before it is passed on. A failed request, such as
        a time-out, is passed on but not stored, so that the next run sends it again.
        RAISES (sqlite3.DatabaseError): The file is not a journal, or another run has locked it.
        """
        groups = [[Prompt.of(prompt) for prompt in group] for group in prompts]
        # Before the file is created: a model without weights raises here.
        keys = [[self.key(prompt) for prompt in group] for group in groups]
        with self._named_in_errors(), closing(self._connect()) as journal:
            prompt_of = dict(zip(chain(*keys), chain(*groups), strict=True))
            if self.asks:
                self._came.clear()
            # Not from the journal, where they would count as those of an earlier run.
            known = {
                key: self._came[key] if key in self._came else _read(journal, key)
                for key in prompt_of
            }
            answers = {key: answer for key, answer in known.items() if answer is not None}
            if answers and hasattr(self._model, "answered"):
                # The server works, then: what it rejects is the fault of that one prompt.
                self._model.answered = True
            asked = {key: prompt for key, prompt in prompt_of.items() if key not in answers}
            with closing(self._ask(asked, journal)) as new:
                for group in keys:
                    while any(key not in answers for key in group):
                        key, answers[key] = next(new)
                    yield [answers[key] for key in group]

    def key(self, prompt: Prompt) -> str:
        """The hash under which the answer to a prompt is stored."""
        if self._fingerprint is None:
            self._fingerprint = str(self._model.fingerprint)  # type: ignore[attr-defined]
        content = [self._fingerprint, prompt.sha256, prompt.seed, prompt.variant]
        if getattr(self._model, "reads_string", True):
            content.append(str(prompt))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _ask(
        self, asked: dict[str, Prompt], journal: sqlite3.Connection
    ) -> Generator[tuple[str, Response], None, None]:
        """Ask for the missing answers, store them, and pass them on as they arrive."""
        keys = list(asked)
        if not self.asks:
            yield from ((key, failure(NOT_ASKED, 0.0)) for key in keys)
            return

        def keep(place: int, answer: Response) -> None:
            self._came[keys[place]] = answer
            if answer.answered:
                _write(journal, keys[place], answer)

        with closing(self._arrivals(list(asked.values()), keep)) as arrivals:
            for place, answer in arrivals:
                yield keys[place], answer

    def _arrivals(
        self, prompts: list[Prompt], keep: Callable[[int, Response], None]
    ) -> Generator[tuple[int, Response], None, None]:
        if hasattr(self._model, "arrivals"):
            # The model's thread calls `keep`: answers are stored while earlier ones are judged.
            yield from self._model.arrivals(prompts, keep)
            return
        groups = self._model([prompt] for prompt in prompts)
        n_given = 0
        for place, group in enumerate(groups if isinstance(groups, Iterable) else ()):
            if place == len(prompts):
                break
            answer = _answer_in(group)
            keep(place, answer)
            yield place, answer
            n_given += 1
        if n_given < len(prompts):
            raise ValueError(f"the model gave {n_given} answers to {len(prompts)} prompts")

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives its side files the mode of the main file.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        # A journal that was copied here contains note text too, whatever its mode.
        for side in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self._path.with_name(f"{self._path.name}{side}").chmod(0o600)
        # No isolation level: every statement is a transaction of its own, committed at once.
        # The model's thread writes; this one reads before it starts, and closes when it is done.
        journal = sqlite3.connect(
            self._path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False
        )
        try:
            # A commit is an append to a log: it survives a kill, without waiting for the disk.
            journal.execute("PRAGMA journal_mode = WAL")
            journal.execute("PRAGMA synchronous = NORMAL")
            journal.execute(_SCHEMA)
        except sqlite3.DatabaseError:
            journal.close()
            raise
        return journal

    @contextmanager
    def _named_in_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)
            strange = code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB)
            what = "not a journal: " if strange else ""
            told = f"{self._path}: {what}{error}"
            if code == sqlite3.SQLITE_CORRUPT:
                told += (
                    f"; `sqlite3 {self._path} .recover` may save its answers; without the file, "
                    "they are asked for again"
                )
            raise sqlite3.DatabaseError(told) from error


def _write(journal: sqlite3.Connection, key: str, answer: Response) -> None:
    row = (
        key,
        str(answer),
        answer.prompt_tokens,
        answer.completion_tokens,
        answer.seconds,
        answer.cut,
        answer.fault,
        answer.likelihood,
    )
    journal.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _read(journal: sqlite3.Connection, key: str) -> Response | None:
    row = journal.execute(
        f"SELECT {_COLUMNS} FROM responses WHERE key = ?",
        (key,),
    ).fetchone()
    if row is None:
        return None
    text, prompt_tokens, completion_tokens, seconds, cut, fault, likelihood = row
    if not (isinstance(text, str) and isinstance(fault, str)):
        raise sqlite3.DatabaseError("an answer in it is no text: the file was changed")
    return Response(
        text,
        prompt_tokens,
        completion_tokens,
        seconds,
        bool(cut),
        fault,
        replayed=True,
        likelihood=likelihood,
    )


@registry.llm_models("clinical_ie.Journaled.v1")
def make_journaled(model: Model, path: str | Path, fingerprint: str | None = None) -> Journaled:
    """Wrap a model, so that no request is repeated once it has been answered.

    model (Model): Any spacy-llm model.
    path (str | Path): The SQLite file.
    fingerprint (str | None): See the class.
    RAISES (ValueError): The model has no fingerprint, and none is given.
    """
    return Journaled(model, Path(path), fingerprint)
