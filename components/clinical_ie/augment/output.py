"""What a run leaves behind: new notes, the same as brat files, and a JSON summary."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text
from spacy.tokens import Doc

from ..brat import write_note
from ..corpora.docbin import write_docs
from ..corpora.standoff_writing import doc_to_standoff
from ..doc import annotations_of
from .markup import encode
from .segment import Segment
from .task import Rewrite

MAX_EXAMPLES = 20


@dataclass(slots=True)
class Dropped:
    """Answers that one reason spoke against.

    answers (int): How many.
    segments (int): How many of them were the last try at their segment.
    example (dict[str, str]): Source, answer and detail of the first.
    """

    answers: int = 0
    segments: int = 0
    example: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """A run of the augmenter, counted.

    segments (int): That could be rewritten; `skipped` counts the others by reason.
    tried (int): Of those, how many were given to the model.
    notes (list[Doc]): The new notes.
    pairs (list[dict[str, str]]): Source and rewrite of each, in markup.
    seconds, model_seconds (float): The whole run, and what the answers took when they were made.
    prompt_tokens, completion_tokens (int | None): None where the model does not say.
    """

    config: str
    model: dict[str, Any]
    seed: int
    n_augmented: int
    segments: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    requests: int = 0
    dropped: dict[str, Dropped] = field(default_factory=dict)
    notes: list[Doc] = field(default_factory=list)
    pairs: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    model_seconds: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def count(self, rewrite: Rewrite) -> None:
        """Count an answer and what it cost."""
        self.requests += 1
        self.model_seconds += rewrite.seconds
        if rewrite.prompt_tokens is not None:
            self.prompt_tokens = (self.prompt_tokens or 0) + rewrite.prompt_tokens
        if rewrite.completion_tokens is not None:
            self.completion_tokens = (self.completion_tokens or 0) + rewrite.completion_tokens

    def drop(self, segment: Segment, rewrite: Rewrite, last: bool) -> None:
        """Count an answer that is not used.

        last (bool): Its segment is given up.
        """
        dropped = self.dropped.setdefault(rewrite.reason, Dropped())
        dropped.answers += 1
        dropped.segments += last
        if not dropped.example:
            dropped.example = {**_pair(segment, rewrite), "detail": rewrite.detail}

    def add(self, segment: Segment, rewrite: Rewrite, note: Doc) -> None:
        """Keep a new note."""
        self.notes.append(note)
        self.pairs.append({"note": note._.note_id, **_pair(segment, rewrite)})

    def as_dict(self, train: Iterable[Doc]) -> dict[str, Any]:
        """Plain values for JSON.

        train (Iterable[Doc]): The notes that were there before.
        """
        before, after = _label_counts(train), _label_counts(self.notes)
        by_answers = sorted(self.dropped.items(), key=lambda item: -item[1].answers)
        return {
            "config": self.config,
            "model": self.model,
            "seed": self.seed,
            "n_augmented": self.n_augmented,
            "accepted": len(self.notes),
            "requests": self.requests,
            "segments": {
                "available": self.segments,
                "tried": self.tried,
                "given up": sum(dropped.segments for dropped in self.dropped.values()),
                "skipped": dict(self.skipped.most_common()),
            },
            "dropped": {
                reason: {"answers": d.answers, "segments": d.segments, "example": d.example}
                for reason, d in by_answers
            },
            "tokens": {"prompt": self.prompt_tokens, "completion": self.completion_tokens},
            "seconds": {"total": round(self.seconds, 1), "model": round(self.model_seconds, 1)},
            "mentions": _side_by_side(before[0], after[0]),
            "relations": _side_by_side(before[1], after[1]),
            "examples": self.pairs[:MAX_EXAMPLES],
        }


def rewrites_table(pairs: Sequence[Mapping[str, str]], size: int) -> Table:
    """Some rewrites beside their sources, with the markers in colour.

    pairs (Sequence[Mapping[str, str]]): Each with `source` and `rewrite`, marked up, as in
        `augment.json`.
    """
    table = Table("source", "rewrite", title="Rewrites", show_lines=True)
    for pair in pairs[:size]:
        table.add_row(*(_coloured(pair[side]) for side in ("source", "rewrite")))
    return table


def write_outcome(outcome: Outcome, train: list[Doc], out: Path, out_dir: Path) -> None:
    """Write the new notes, `brat/` and `augment.json`, each whole or not at all.

    Everything is readable by its owner alone from the first byte on: it is made in folders that
    are closed to others, and moved out of them when it is complete.
    """
    out_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".augment-", dir=out_dir) as folder,
        tempfile.TemporaryDirectory(prefix=".augment-", dir=out.parent) as beside_out,
    ):
        brat = Path(folder, "brat")
        brat.mkdir()
        for note in outcome.notes:
            write_note(brat, note._.note_id, note.text, doc_to_standoff(note))
        summary = Path(folder, "augment.json")
        content = json.dumps(outcome.as_dict(train), indent=1, ensure_ascii=False)
        summary.write_text(f"{content}\n", encoding="utf8")
        docs = Path(beside_out, out.name)
        write_docs(outcome.notes, docs)
        for path in (brat, *brat.rglob("*"), summary, docs):
            path.chmod(0o700 if path.is_dir() else 0o600)
        if (out_dir / "brat").exists():
            (out_dir / "brat").rename(Path(folder, "brat-before"))
        brat.rename(out_dir / "brat")
        summary.replace(out_dir / "augment.json")
        docs.replace(out)


def _pair(segment: Segment, rewrite: Rewrite) -> dict[str, str]:
    source = encode(segment.text, segment.annotations.mentions).text
    return {"source": source, "rewrite": rewrite.markup}


def _label_counts(docs: Iterable[Doc]) -> tuple[Counter[str], Counter[str]]:
    mentions: Counter[str] = Counter()
    links: Counter[str] = Counter()
    for doc in docs:
        annotations = annotations_of(doc)
        mentions.update(mention.label for mention in annotations.mentions)
        links.update(link.label for link in annotations.links)
    return mentions, links


def _side_by_side(before: Counter[str], after: Counter[str]) -> dict[str, dict[str, int]]:
    labels = [label for label, _ in (before + after).most_common()]
    return {label: {"train": before[label], "augmented": after[label]} for label in labels}


def _coloured(markup: str) -> Text:
    text = Text(markup)
    text.highlight_regex(r"\[\[[^\s:]+:|\]\]", "cyan")
    return text
