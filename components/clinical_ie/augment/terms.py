"""What the training split knows about its terms: spellings, labels, neighbours, gaps in tagging."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from spacy.tokens import Doc

from ..corpora.docbin import read_docs
from ..doc import Mention, annotations_of

# A term with one or two oversights among its occurrences is still one that annotators tag.
TAGGED_SHARE = 0.9

_WORD = re.compile(r"\w+|[^\w\s]")


def normal(term: str) -> str:
    """A term as it is looked up: lower case, single blanks."""
    return " ".join(term.lower().split())


@dataclass(frozen=True, slots=True)
class Group:
    """Mentions of one note that relations tie together, directly or through others.

    labels (dict[str, str]): Label by mention id.
    texts (dict[str, str]): Covered text by mention id.
    links (frozenset[tuple[str, str, str]]): Relation label, head, tail.
    """

    labels: dict[str, str]
    texts: dict[str, str]
    links: frozenset[tuple[str, str, str]]


@dataclass(slots=True)
class Terms:
    """The terms of a set of annotated notes; empty for none.

    by_label (dict[str, list[str]]): The distinct spellings of each label's terms, in note order.
    labels (dict[str, Counter[str]]): How often a term (lower case) has which label.
    tagged (dict[str, list[tuple[str, ...]]]): Terms that the notes hardly ever hold untagged, as
        words, by their first word.
    groups (dict[str, list[tuple[Group, str]]]): By label, the groups with a mention of it, and
        which one; mentions without relations are groups of one.
    """

    by_label: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    tagged: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    groups: dict[str, list[tuple[Group, str]]] = field(default_factory=dict)

    def untagged(self, text: str, mentions: Sequence[Mention]) -> list[str]:
        """The words of a text that a note would hold tagged, and that stand in no mention."""
        return [
            text[start:end]
            for (start, end), _ in _occurrences(text, self.tagged)
            if not any(m.start < end and start < m.end for m in mentions)
        ]


def collect_terms(docs: Iterable[Doc]) -> Terms:
    """Read the terms off annotated notes."""
    terms = Terms()
    notes: list[tuple[str, list[tuple[int, int]]]] = []
    for doc in docs:
        note, annotations = doc.text, annotations_of(doc)
        texts: dict[str, str] = {}
        labels: dict[str, str] = {}
        spans: list[tuple[int, int]] = []
        for mention in annotations.mentions:
            spans += mention.fragments
            # A term in several pieces has no spelling of its own that could be used again.
            if len(mention.fragments) == 1:
                texts[mention.id] = note[mention.start : mention.end]
                labels[mention.id] = mention.label
        for id_, text in texts.items():
            terms.labels.setdefault(normal(text), Counter())[labels[id_]] += 1
            terms.by_label.setdefault(labels[id_], []).append(text)
        links = {
            (link.label, link.head, link.tail)
            for link in annotations.links
            if link.head in texts and link.tail in texts and link.head != link.tail
        }
        for group in linked_groups(labels, texts, links):
            for id_, label in group.labels.items():
                terms.groups.setdefault(label, []).append((group, id_))
        notes.append((note, spans))
    for label, spellings in terms.by_label.items():
        terms.by_label[label] = list(dict.fromkeys(spellings))
    terms.tagged = _usually_tagged(terms.labels, notes)
    return terms


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> Terms:
    return collect_terms(read_docs(path))


def load_terms(path: Path | None) -> Terms:
    """The terms of a `.spacy` file, read once however many parts of a pipeline ask for them.

    RAISES (FileNotFoundError): No such file.
    """
    if path is None:
        return Terms()
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


def linked_groups(
    labels: dict[str, str], texts: dict[str, str], links: Iterable[tuple[str, str, str]]
) -> list[Group]:
    """Part mentions into the groups that relations make of them, in the order of the mentions."""
    group_of = {id_: {id_} for id_ in labels}
    links = list(links)
    for _, head, tail in links:
        if group_of[head] is not group_of[tail]:
            group_of[head] |= group_of[tail]
            for id_ in group_of[tail]:
                group_of[id_] = group_of[head]
    distinct = {id(members): members for members in group_of.values()}
    return [
        Group(
            {id_: labels[id_] for id_ in labels if id_ in members},
            {id_: texts[id_] for id_ in labels if id_ in members},
            frozenset(link for link in links if link[1] in members),
        )
        for members in distinct.values()
    ]


def _usually_tagged(
    labels: dict[str, Counter[str]], notes: list[tuple[str, list[tuple[int, int]]]]
) -> dict[str, list[tuple[str, ...]]]:
    index: dict[str, list[tuple[str, ...]]] = {}
    for term in labels:
        # Numbers and single letters mean what their neighbours make of them.
        if re.search(r"[^\W\d_]{3}", term):
            words = tuple(_WORD.findall(term))
            index.setdefault(words[0], []).append(words)
    seen: Counter[tuple[str, ...]] = Counter()
    tagged: Counter[tuple[str, ...]] = Counter()
    for text, spans in notes:
        covered = bytearray(len(text))
        for start, end in spans:
            covered[start:end] = b"\x01" * (end - start)
        for (start, end), words in _occurrences(text, index):
            seen[words] += 1
            tagged[words] += any(covered[start:end])
    return {
        first: kept
        for first, entries in index.items()
        if (kept := [e for e in entries if seen[e] > 1 and tagged[e] >= TAGGED_SHARE * seen[e]])
    }


def _occurrences(
    text: str, index: dict[str, list[tuple[str, ...]]]
) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
    words = [(match.group().lower(), match.span()) for match in _WORD.finditer(text)]
    spelled = [word for word, _ in words]
    for i, word in enumerate(spelled):
        for entry in index.get(word, ()):
            if tuple(spelled[i : i + len(entry)]) == entry:
                yield (words[i][1][0], words[i + len(entry) - 1][1][1]), entry
