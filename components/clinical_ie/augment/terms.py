"""What the training split shows about its terms: spellings, labels, groups, tagging habits."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..corpora.docbin import read_docs
from ..doc import Annotations, Mention, annotations_of
from ..text.columns import text_of
from .kinds import Kinds
from .synonyms import Synonyms, add_synonyms

# Annotators may miss a few occurrences of a term that they normally tag.
TAGGED_SHARE = 0.9

_PREPOSITIONS = {
    "at", "by", "due", "during", "for", "from", "in", "of", "on", "over", "to", "under", "with",
    "without",
}  # fmt: skip
_NUMBER = re.compile(
    r"\d+(?:[.,]\d+)*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve)\b"
)
_MONTH = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
)
_WORD = re.compile(r"\w+|[^\w\s]")
_LETTERS = re.compile(r"[^\W\d_]+")


def normal(term: str) -> str:
    """A term in the form used for lookup: lower case, single blanks."""
    return " ".join(term.lower().split())


def head_of(term: str) -> str:
    """The head word of a term, in the singular: the last word before a preposition."""
    words = re.findall(r"[^\W\d_]+", term.lower())
    place = next((i for i, word in enumerate(words) if i and word in _PREPOSITIONS), len(words))
    head = words[place - 1] if words else ""
    if len(head) > 4 and head.endswith("ies"):
        return f"{head[:-3]}y"
    # Not "stenosis", "pus" or "mass".
    plural = len(head) > 3 and head.endswith("s") and not head.endswith(("ss", "us", "is"))
    return head[:-1] if plural else head


def shape_of(term: str) -> str:
    """A term with 0 for each number and `month` for each month: `2.5 mg` becomes `0 mg`."""
    return _MONTH.sub("month", _NUMBER.sub("0", normal(term)))


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text with the spans replaced by blanks; all offsets stay the same."""
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if end > done:
            pieces += text[done:start], " " * (end - max(start, done))
            done = end
    pieces.append(text[done:])
    return "".join(pieces)


def words_outside(text: str, spans: Iterable[tuple[int, int]]) -> list[str]:
    """The words of a text that do not overlap any span, in lower case."""
    spans = list(spans)
    outside = blanked(text, spans)
    if not any(_is_inside_word(text, border) for span in spans for border in span):
        # Hardly any span begins or ends inside a word, and then no part of one is left over.
        return list(map(str.lower, _LETTERS.findall(outside)))
    return [
        word.lower()
        for match in _LETTERS.finditer(text)
        if outside.startswith(word := match[0], match.start())
    ]


def _is_inside_word(text: str, place: int) -> bool:
    return text[place - 1 : place].isalnum() and text[place : place + 1].isalnum()


@dataclass(frozen=True, slots=True)
class Group:
    """Mentions of one note that relations connect, directly or through others.

    labels (dict[str, str]): Label by mention id.
    texts (dict[str, str]): Covered text by mention id.
    links (frozenset[tuple[str, str, str]]): Relation label, head, tail.
    """

    labels: dict[str, str]
    texts: dict[str, str]
    links: frozenset[tuple[str, str, str]]


@dataclass(slots=True)
class Terms:
    """The terms of a set of annotated notes; empty if there are none.

    by_label (dict[str, list[str]]): The distinct spellings of each label's terms, in note order.
    labels (dict[str, Counter[str]]): By normalized term, how often it has each label.
    heads (dict[str, Counter[str]]): By head word (see `head_of`), how often it has each label.
    shapes (dict[str, set[str]]): The shapes (see `shape_of`) of each label's terms with digits.
    kinds (Kinds): What terms of each label look like.
    wording (Counter[str]): How often each word occurs outside of mentions.
    tagged (dict[str, list[tuple[str, ...]]]): Terms that are hardly ever untagged in the notes, as
        tuples of words, by their first word.
    groups (dict[str, list[tuple[Group, str]]]): By label, each group with a mention of it, and the
        id of that mention; a mention without relations is a group of its own.
    synonyms (Synonyms): Abbreviations and long forms, by label and term.
    """

    by_label: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    heads: dict[str, Counter[str]] = field(default_factory=dict)
    shapes: dict[str, set[str]] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=Kinds)
    wording: Counter[str] = field(default_factory=Counter)
    tagged: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    groups: dict[str, list[tuple[Group, str]]] = field(default_factory=dict)
    synonyms: Synonyms = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, from which `from_dict` restores the terms."""
        members: dict[int, int] = {}
        groups: list[list[Any]] = []
        for entries in self.groups.values():
            for group, _ in entries:
                if id(group) not in members:
                    members[id(group)] = len(groups)
                    groups.append([group.labels, group.texts, sorted(group.links)])
        return {
            "by_label": self.by_label,
            "labels": {term: dict(labels) for term, labels in self.labels.items()},
            "heads": {head: dict(labels) for head, labels in self.heads.items()},
            "shapes": {label: sorted(shapes) for label, shapes in self.shapes.items()},
            "kinds": [
                dict(self.kinds.labels),
                {feature: dict(counts) for feature, counts in self.kinds.features.items()},
            ],
            "wording": dict(self.wording),
            "tagged": {first: list(map(list, entries)) for first, entries in self.tagged.items()},
            "members": groups,
            "groups": {
                label: [[members[id(group)], id_] for group, id_ in entries]
                for label, entries in self.groups.items()
            },
            "synonyms": {
                label: {term: dict(others) for term, others in names.items()}
                for label, names in self.synonyms.items()
            },
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Terms":
        """Restore what `as_dict` returned."""
        groups = [
            Group(labels, texts, frozenset(map(tuple, links)))
            for labels, texts, links in content["members"]
        ]
        return cls(
            content["by_label"],
            {term: Counter(labels) for term, labels in content["labels"].items()},
            {head: Counter(labels) for head, labels in content["heads"].items()},
            {label: set(shapes) for label, shapes in content["shapes"].items()},
            Kinds(
                Counter(content["kinds"][0]),
                {feature: Counter(counts) for feature, counts in content["kinds"][1].items()},
            ),
            Counter(content["wording"]),
            {first: list(map(tuple, entries)) for first, entries in content["tagged"].items()},
            {
                label: [(groups[place], id_) for place, id_ in entries]
                for label, entries in content["groups"].items()
            },
            {
                label: {term: Counter(others) for term, others in names.items()}
                for label, names in content["synonyms"].items()
            },
        )

    def other_names(self, label: str, term: str) -> list[str]:
        """Synonyms of a term in the notes, the most frequent first."""
        names = self.synonyms.get(label, {}).get(normal(term), Counter())
        return [name for name, _ in names.most_common()]

    def untagged(self, text: str, mentions: Sequence[Mention]) -> list[str]:
        """Terms in a text that are usually tagged but overlap no mention."""
        return [
            text[start:end]
            for (start, end), _ in _occurrences(text, self.tagged)
            if not any(m.start < end and start < m.end for m in mentions)
        ]


def collect_terms(docs: Iterable[Doc]) -> Terms:
    """Collect the terms of annotated notes."""
    return _collect((text_of(doc), annotations_of(doc)) for doc in docs)


def _collect(annotated: Iterable[tuple[str, Annotations]]) -> Terms:
    terms = Terms()
    spellings: Counter[tuple[str, str]] = Counter()
    notes: list[tuple[str, list[tuple[int, int]]]] = []
    for note, annotations in annotated:
        texts: dict[str, str] = {}
        labels: dict[str, str] = {}
        spans: list[tuple[int, int]] = []
        for mention in annotations.mentions:
            spans += mention.fragments
            # A discontinuous mention has no text of its own that could be reused.
            if len(mention.fragments) == 1:
                texts[mention.id] = note[mention.start : mention.end]
                labels[mention.id] = mention.label
        spellings.update(zip(texts.values(), labels.values(), strict=True))
        add_synonyms(terms.synonyms, note, annotations.mentions)
        terms.wording.update(words_outside(note, spans))
        links = {
            (link.label, link.head, link.tail)
            for link in annotations.links
            if link.head in texts and link.tail in texts and link.head != link.tail
        }
        for group in linked_groups(labels, texts, links):
            for id_, label in group.labels.items():
                terms.groups.setdefault(label, []).append((group, id_))
        notes.append((note, spans))
    for (text, label), n in spellings.items():
        terms.by_label.setdefault(label, []).append(text)
        terms.labels.setdefault(normal(text), Counter())[label] += n
        terms.heads.setdefault(head_of(text), Counter())[label] += n
        if any(char.isdigit() for char in text):
            terms.shapes.setdefault(label, set()).add(shape_of(text))
    terms.kinds = Kinds.of((term, label) for label, pool in terms.by_label.items() for term in pool)
    terms.tagged = _usually_tagged(terms.labels, notes)
    return terms


_learned: dict[Path, tuple[int, Terms]] = {}


def learn_terms(path: Path, notes: Iterable[tuple[str, Annotations]]) -> Terms:
    """Collect the terms of a `.spacy` file that is already read, and cache them for `load_terms`.

    notes (Iterable[tuple[str, Annotations]]): Text and annotations of its notes.
    """
    terms = _collect(notes)
    _learned[path] = (path.stat().st_mtime_ns, terms)
    return terms


def load_terms(path: Path | None) -> Terms:
    """The terms of a `.spacy` file, which is read once for all parts of a pipeline.

    RAISES (FileNotFoundError): No such file.
    """
    if path is None:
        return Terms()
    changed, terms = _learned.get(path, (-1, Terms()))
    if path.is_file() and changed == path.stat().st_mtime_ns:
        return terms
    return learn_terms(path, ((text_of(doc), annotations_of(doc)) for doc in read_docs(path)))


def linked_groups(
    labels: Mapping[str, str], texts: Mapping[str, str], links: Iterable[tuple[str, str, str]]
) -> list[Group]:
    """Split mentions into the groups that relations connect, in the order of the mentions."""
    group_of = {id_: {id_} for id_ in labels}
    links = list(links)
    for _, head, tail in links:
        if group_of[head] is not group_of[tail]:
            group_of[head] |= group_of[tail]
            for id_ in group_of[tail]:
                group_of[id_] = group_of[head]
    members: dict[int, list[str]] = {}
    for id_, group in group_of.items():
        members.setdefault(id(group), []).append(id_)
    tied: dict[int, list[tuple[str, str, str]]] = {}
    for link in links:
        tied.setdefault(id(group_of[link[1]]), []).append(link)
    return [
        Group(
            {id_: labels[id_] for id_ in ids},
            {id_: texts[id_] for id_ in ids},
            frozenset(tied.get(group, ())),
        )
        for group, ids in members.items()
    ]


def named_alike(
    labels: Mapping[str, str], texts: Mapping[str, str], links: Iterable[tuple[str, str]]
) -> list[list[str]]:
    """Split mentions into groups that must keep equal words: those of one label with the same
    words that relations connect. All others are alone.

    labels, texts (Mapping[str, str]): By mention id.
    links (Iterable[tuple[str, str]]): Head and tail of each relation.
    RETURNS (list[list[str]]): The ids of each group, in the order of the mentions.
    """
    tied = [
        ("", head, tail)
        for head, tail in links
        if labels[head] == labels[tail] and normal(texts[head]) == normal(texts[tail])
    ]
    return [list(group.texts) for group in linked_groups(labels, texts, tied)]


def _usually_tagged(
    labels: dict[str, Counter[str]], notes: list[tuple[str, list[tuple[int, int]]]]
) -> dict[str, list[tuple[str, ...]]]:
    index: dict[str, list[tuple[str, ...]]] = {}
    for term in labels:
        # The meaning of numbers and single letters depends on their neighbours.
        if re.search(r"[^\W\d_]{3}", term):
            words = tuple(_WORD.findall(term))
            index.setdefault(words[0], []).append(words)
    seen: Counter[tuple[str, ...]] = Counter()
    tagged: Counter[tuple[str, ...]] = Counter()
    for text, spans in notes:
        outside = blanked(text, spans)
        for (start, end), words in _occurrences(text, index):
            seen[words] += 1
            tagged[words] += outside[start:end] != text[start:end]
    return {
        first: kept
        for first, entries in index.items()
        if (kept := [e for e in entries if seen[e] > 1 and tagged[e] >= TAGGED_SHARE * seen[e]])
    }


def _occurrences(
    text: str, index: dict[str, list[tuple[str, ...]]]
) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
    words = list(map(str.lower, _WORD.findall(text)))
    found = [
        (i, entry)
        for i, word in enumerate(words)
        if word in index
        for entry in index[word]
        if tuple(words[i : i + len(entry)]) == entry
    ]
    # Most passages have none.
    if found:
        spans = [match.span() for match in _WORD.finditer(text)]
        for i, entry in found:
            yield (spans[i][0], spans[i + len(entry) - 1][1]), entry
