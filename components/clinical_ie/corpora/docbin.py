"""Docs in `.spacy` files, with everything the annotation layer keeps on them."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO, Any

import numpy as np
import srsly
from spacy.attrs import IDS
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab
from srsly.msgpack import Packer, Unpacker

from ..doc import KEYS
from ..span_groups import SPAN_LAYOUT, members
from ..system.garbage import collect_rarely
from ..system.workplace import check_place, workplace

# SENT_START and HEAD exclude each other: spaCy would read the heads of an unparsed Doc as
# "every token is its own sentence".
ATTRIBUTES = ("ORTH", "SPACY", "SENT_START", "ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID")
_LAYOUT = DocBin(attrs=ATTRIBUTES)
# Columns of the tokens' attributes.
_ENT_IOB, *_ENT_STRINGS = (
    _LAYOUT.attrs.index(IDS[name]) for name in ("ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID")
)
_EMPTY_MAP: bytes = srsly.msgpack_dumps({})
_FLAGS = {known: srsly.msgpack_dumps({"has_unknown_spaces": known}) for known in (False, True)}
# The keys of the annotation layer by their old form, which was a plain name.
_BEFORE = {key[1]: key for key in KEYS.values()}
# The limit of msgpack's lengths and of spaCy's own reader.
_MAX_BYTES = 2**32 - 1
# The most that a msgpack reader accepts at once.
_MAX_BUFFER = 2**31 - 1


@collect_rarely()
def read_docs(path: Path, vocab: Vocab | None = None) -> list[Doc]:
    """The Docs of a `.spacy` file, in order.

    RAISES (FileNotFoundError): No such file.
    RAISES (IsADirectoryError): It is a folder, which spaCy's own reader would accept.
    RAISES (ValueError): The file is not a `.spacy` file, or is truncated.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; name one of the .spacy files")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `weasel run convert` makes it")
    try:
        return list(_docs_in(DocBin().from_disk(path), Vocab() if vocab is None else vocab))
    except (ValueError, LookupError, TypeError, zlib.error, struct.error) as error:
        raise ValueError(
            f"{path}: holds no Docs, or only part of them ({path.stat().st_size:,} bytes); "
            "`weasel run convert` makes such files"
        ) from error


def _docs_in(packed: DocBin, vocab: Vocab) -> Iterator[Doc]:
    """The same as `packed.get_docs`, in a third of the time.

    `get_docs` unpacks nested data three times per Doc, and searches spaCy's registries for more
    decoders each time.
    """
    user_data, span_groups = packed.user_data, packed.span_groups
    nothing = [b""] * len(packed)
    packed.user_data, packed.span_groups = [], nothing
    lists, tuples = (_unpacker(use_list) for use_list in (True, False))
    for doc, groups, own in zip_longest(packed.get_docs(vocab), span_groups, user_data):
        if own is not None:
            tuples.feed(own)
            doc.user_data.update(_as_now(tuples.unpack()))
        if groups:
            lists.feed(groups)
            found = lists.unpack()
            if isinstance(found, dict):
                _set_groups(doc, found, lists)
            else:
                # None, or the format of older versions of spaCy.
                doc.spans.from_bytes(groups)
        yield doc


def _as_now(user_data: dict[Any, Any]) -> dict[Any, Any]:
    """Replace the keys of older files, which did not have the form of spaCy's own."""
    return {_BEFORE.get(key, key): value for key, value in user_data.items()}


def _set_groups(doc: Doc, groups: dict[bytes, list[str]], unpacker: Unpacker) -> None:
    """Fill `doc.spans`."""
    for content, keys in groups.items():
        unpacker.feed(content)
        group = unpacker.unpack()
        spans = [
            Span(doc, start, end, label=label, kb_id=kb_id, span_id=id_)
            for id_, kb_id, label, start, end, _, _ in map(SPAN_LAYOUT.unpack, group["spans"])
        ]
        for key in keys:
            attrs = dict(group["attrs"])
            doc.spans[key] = SpanGroup(doc, name=group["name"], attrs=attrs, spans=spans)


def _unpacker(use_list: bool) -> Unpacker:
    return Unpacker(raw=False, use_list=use_list, max_buffer_size=_MAX_BUFFER)


def write_docs(docs: Iterable[Doc], path: Path) -> None:
    """Write Docs to a `.spacy` file; the file appears whole or not at all."""
    with DocBinWriter(path) as writer:
        for doc in docs:
            writer.add_doc(doc)


@dataclass(frozen=True, slots=True)
class PackedDoc:
    """One Doc as in a `.spacy` file, in plain bytes that are cheap to send to other processes.

    strings (frozenset[str]): The strings behind the hashes in `tokens` and in the spans, as far as
        `pack` was to look them up.
    """

    length: int
    tokens: bytes
    spaces: bytes
    strings: frozenset[str]
    cats: bytes
    flags: bytes
    span_groups: bytes
    user_data: bytes


def pack(doc: Doc, known: set[int] | None = None) -> PackedDoc:
    """Pack the parts of a Doc that go into the file.

    known (set[int] | None): Hashes whose strings the file already has: they are not looked up
        again, and those of this Doc are added.
    """
    tokens = np.asarray(doc.to_array(list(_LAYOUT.attrs)), dtype="uint64")
    # What `SPAN_LAYOUT` packs.
    spans = {
        key: [
            (s.id, s.kb_id, s.label, s.start, s.end, s.start_char, s.end_char)
            for s in members(group)
        ]
        for key, group in doc.spans.items()
    }
    hashes = set(chain.from_iterable(span[:3] for found in spans.values() for span in found))
    # DocBin always puts ORTH first.
    hashes.update(tokens[:, 0].tolist())
    # 1 and 3 are I and B, 2 is O.
    in_entities = tokens[tokens[:, _ENT_IOB] % 2 == 1]
    hashes.update(in_entities[:, _ENT_STRINGS].ravel().tolist())
    if known is not None:
        hashes -= known
        known |= hashes
    return PackedDoc(
        len(doc),
        tokens.tobytes(),
        np.asarray(doc.to_array("SPACY"), dtype=bool).tobytes(),
        frozenset(map(doc.vocab.strings.__getitem__, hashes)),
        _msgpack(doc.cats) if doc.cats else _EMPTY_MAP,
        _FLAGS[doc.has_unknown_spaces],
        _packed_bytes(_span_groups(doc, spans)),
        _packed_bytes(_msgpack(doc.user_data)),
    )


def _span_groups(doc: Doc, spans: Mapping[str, Sequence[tuple[int, ...]]]) -> bytes:
    """The same as `doc.spans.to_bytes()`, in a fraction of the time."""
    if not spans:
        return doc.spans.to_bytes()
    keys: dict[bytes, list[str]] = {}
    for key, found in spans.items():
        group = doc.spans[key]
        content = {
            "name": group.name,
            "attrs": group.attrs,
            "spans": [SPAN_LAYOUT.pack(*span) for span in found],
        }
        keys.setdefault(_msgpack(content), []).append(key)
    return _msgpack(keys)


def _msgpack(value: object) -> bytes:
    return _packer().pack(value)


@cache
def _packer() -> Packer:
    """The packer of srsly, which makes one per call and searches all installed packages for it."""
    return Packer(use_bin_type=True)


def _packed_bytes(content: bytes) -> bytes:
    """Bytes in msgpack's encoding."""
    return b"\xc6" + len(content).to_bytes(4) + content


class DocBinWriter:
    """Writes what `DocBin.to_disk` would, with one Doc in memory at a time.

    DocBin itself holds every Doc of the corpus in memory, and two more copies while it joins and
    compresses them. Here each column goes to its own file, and these are joined piece by piece.

    path (Path): The file, readable by its owner only; it appears complete when the block ends
        without an error, or not at all.
    RAISES (OSError): It cannot be written.
    """

    _COLUMNS = ("tokens", "spaces", "cats", "flags", "span_groups", "user_data")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lengths: list[int] = []
        self.strings: set[str] = set()
        self._hashes: set[int] = set()
        self._stack = ExitStack()
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> "DocBinWriter":
        check_place(self.path)
        # Beside the file, not in /tmp: notes stay on the disk that their owner chose for them.
        self._folder = self._stack.enter_context(workplace(self.path.parent, "docbin"))
        self._whole = self._folder / "whole"
        for name in self._COLUMNS:
            self._files[name] = self._stack.enter_context((self._folder / name).open("w+b"))
        return self

    def add_doc(self, doc: Doc) -> None:
        """Append one Doc; most of its strings are those of earlier ones."""
        self.add(pack(doc, self._hashes))

    def add(self, packed: PackedDoc) -> None:
        """Append one Doc that was packed with all its strings, or by `add_doc`."""
        self.lengths.append(packed.length)
        self.strings |= packed.strings
        for name in self._COLUMNS:
            self._files[name].write(getattr(packed, name))

    def finish(self) -> None:
        """Make the whole file; the end of the block only moves it to its place.

        For files that are to appear together: what takes long or can fail comes before the first.
        """
        with self._whole.open("wb") as out:
            # The folder protected the file so far, and the file will leave it.
            self._whole.chmod(0o600)
            self._write(out)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if kind is None:
                if not self._whole.exists():
                    self.finish()
                self._whole.replace(self.path)

    def _write(self, out: IO[bytes]) -> None:
        # Half the time of zlib's default for five percent more bytes, measured on MACCROBAT.
        compressor = zlib.compressobj(4)
        for piece in self._message():
            out.write(compressor.compress(piece))
        out.write(compressor.flush())

    def _message(self) -> Iterator[bytes]:
        """The msgpack map of `DocBin.to_bytes`, in pieces."""
        small = {
            "version": _LAYOUT.version,
            "attrs": _LAYOUT.attrs,
            "lengths": np.asarray(self.lengths, dtype="int32").tobytes(),
            "strings": sorted(self.strings),
        }
        yield bytes([0x80 + len(small) + len(self._COLUMNS)])
        for key, value in small.items():
            yield srsly.msgpack_dumps(key) + srsly.msgpack_dumps(value)
        for name in self._COLUMNS:
            file = self._files[name]
            yield srsly.msgpack_dumps(name)
            yield _header(name, file.tell(), len(self.lengths), self.path)
            file.seek(0)
            while piece := file.read(1 << 20):
                yield piece


def _header(column: str, size: int, docs: int, path: Path) -> bytes:
    """The header of a msgpack value: bytes, or an array with one entry per Doc."""
    if column in {"tokens", "spaces"}:
        if size > _MAX_BYTES:
            raise ValueError(
                f"{path}: {size:,} bytes of tokens; a .spacy file holds {_MAX_BYTES:,}: split the "
                "notes into several folders and convert each to its own file"
            )
        return b"\xc6" + size.to_bytes(4)
    return b"\xdd" + docs.to_bytes(4)
