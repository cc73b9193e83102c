"""Notes from rows of JSON Lines and Parquet, and errors for invalid rows."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinical_ie.annotate import Failure, InputNote, JsonlSource, ParquetSource, Part, open_source
from clinical_ie.annotate.run_log import text_sum


def read(source: JsonlSource | ParquetSource, **done: str) -> tuple[list[str], dict[int, str]]:
    """The names of valid rows, and the errors of the others by row number."""
    names, wrong = [], {}
    sums = {name: text_sum(text) for name, text in done.items()}
    for found in source.read(sums, lambda name: "no such name, please" if name == "no" else None):
        if isinstance(found, InputNote):
            names.append(found.name)
        else:
            assert isinstance(found, Failure)
            # What has changed is in the output, with its old text.
            assert found.counted != found.reason.endswith(": left out")
            wrong[int(found.name.removeprefix(f"{source.path}:"))] = found.reason
    return names, wrong


def test_each_line_of_json_stands_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    lines = [
        (b'\xef\xbb\xbf{"id": "a", "text": "one\\r\\ntwo", "ward": [1]}', None),
        (b'{"id": 7, "text": ""}', None),
        (b'{"id": "b", "text": "cut', "not JSON"),
        (b"", None),
        (b'["id", "text"]', "list, not an object"),
        (b'{"id": "c"}', "no key 'text' ('id'); name it with --text-column"),
        (b'{"text": "x"}', "name it with --id-column"),
        (b'{"id": "d", "text": null}', "'text' is null; expected a string"),
        (b'{"id": "d", "text": ["x"]}', "'text' is of type list"),
        (b'{"id": "a", "text": "x"}', "row 1 has the id 'a' too"),
        (b'{"id": "7", "text": "x"}', "row 2 has the id '7' too"),
        (b'{"id": true, "text": "x"}', "'id' is True; expected a string or a whole number"),
        (b'{"id": 1.5, "text": "x"}', "'id' is 1.5"),
        (b'{"id": "", "text": "x"}', "'id' is ''"),
        (b'{"id": "e", "text": "caf\xe9"}', "byte 0xe9 at 25 is not UTF-8; convert the file"),
        (b'{"id": "f", "text": "\\ud83d"}', r"'\ud83d' is a lone surrogate"),
        (b'{"id": "\\ud83d", "text": "x"}', r"'\ud83d' is a lone surrogate"),
        (b"[" * 100_000, "not JSON"),
        (b'{"id": "no", "text": "x"}', "no such name, please"),
        (b'{"id": "d", "text": "x"}', None),
    ]
    path.write_bytes(b"\n".join(line for line, _ in lines))
    source = open_source(path)
    assert isinstance(source, JsonlSource)
    assert source.total == len(lines) - 1
    names, wrong = read(source)
    assert names == ["a", "7", "d"]
    expected = {number: told for number, (_, told) in enumerate(lines, start=1) if told}
    assert wrong.keys() == expected.keys()
    for number, told in expected.items():
        assert told in wrong[number]
    first = next(source.read({}, lambda name: None))
    assert first == InputNote("a", "one\r\ntwo", f"{path}:1")
    # Notes that are written already are skipped, but their ids still count as taken.
    assert read(source, **{"a": "one\r\ntwo", "7": ""}) == (["d"], wrong)
    names, wrong = read(source, **{"a": "one\ntwo", "7": ""})
    assert names == ["d"]
    assert "its text has changed since this run annotated it" in wrong[1]


@pytest.mark.parametrize("number", [1, 2])
def test_notes_that_are_done_and_gone_are_told_in_the_end(tmp_path: Path, number: int) -> None:
    lines = [f'{{"id": "{name}", "text": "{name}"}}' for name in "abcd"]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    (tmp_path / "notes").mkdir()
    for name in "abcd":
        (tmp_path / "notes" / f"{name}.txt").write_text(name)
    done = {name: text_sum(name) for name in ("acxy" if number == 1 else "bdxy")}
    for place in ("notes.jsonl", "notes"):
        source = open_source(tmp_path / place, part=Part(number, 2))
        found = list(source.read(done, lambda name: None))
        assert [each.name for each in found] == ["x", "y"]
        for each in found:
            assert isinstance(each, Failure)
            assert each.counted
            assert "no longer among the notes to be read: the output has it still" in each.reason


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_rows_of_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "notes.parquet"
    texts = pa.array(["one", "two", None, "x", "y"], pa.string()).cast(kind)
    table = pa.table({"ward": [1] * 5, "note": texts, "nr": pa.array([5, None, 6, 5, 8])})
    pq.write_table(table, path, row_group_size=2)
    source = open_source(path, "nr", "note")
    assert source.total == 5
    names, wrong = read(source)
    assert names == ["5", "8"]
    assert {number: told.split(";")[0] for number, told in wrong.items()} == {
        2: "'nr' is null",
        3: "'note' is null",
        4: "row 1 has the id '5' too",
    }
    assert read(source, **{"5": "one"})[0] == ["8"]


def test_a_row_of_parquet_that_is_not_utf8_costs_no_other(tmp_path: Path) -> None:
    texts = pa.array([b"one", b"caf\xe9", b"two"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": texts}), tmp_path / "notes.parquet")
    names, wrong = read(open_source(tmp_path / "notes.parquet"))
    assert names == ["a", "c"]
    assert wrong == {2: "byte 0xe9 in it is not UTF-8: left out"}


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1.5], "text": ["x"], "n": [1]}), tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}),
        tmp_path / "none.parquet",
    )
    (tmp_path / "b.parquet").write_bytes(b"PAR1, so to say")
    (tmp_path / "c.jsonl").write_bytes(b"\n \n")
    (tmp_path / "d.csv").touch()
    (tmp_path / "e.jsonl").write_bytes(b"\xef\xbb\xbf")
    (tmp_path / "parts.parquet").mkdir()
    for arguments, message in [
        (("a.parquet",), "its column 'id' holds double; expected strings or whole numbers; name"),
        (("a.parquet", "n", "n"), "its column 'n' holds int64; expected strings; name another"),
        (("a.parquet", "n", "note"), "or two of them; it has id, text, n; name it with --text-col"),
        (("none.parquet",), "holds no rows"),
        (("b.parquet",), "not a Parquet file"),
        (("c.jsonl",), "holds no lines"),
        (("e.jsonl",), "holds no lines"),
        (("parts.parquet",), r"is a folder; expected a \.parquet file: name one of those in it"),
        (("d.csv",), "not a kind of file that can be read; expected a folder of .txt notes"),
        (("", "key"), "leave out --id-column and --text-column"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_source(tmp_path / arguments[0], *arguments[1:])
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jsonl"):
        open_source(tmp_path / "nowhere.jsonl")


def test_a_damaged_file_ends_with_the_row_that_was_read_last(tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    rows = {"id": [str(n) for n in range(130)], "text": [f"{n}: " + "x" * 500 for n in range(130)]}
    pq.write_table(
        pa.table(rows), path, row_group_size=64, compression="none", use_dictionary=False
    )
    content = bytearray(path.read_bytes())
    at = content.index(b"70: xxx")
    content[at - 60 : at] = b"\xff" * 60
    path.write_bytes(content)
    source = open_source(path)
    names: list[str] = []
    with pytest.raises(OSError, match=r"notes\.parquet: cannot be read beyond row 64: "):
        names.extend(found.name for found in source.read({}, lambda name: None))
    assert len(names) == 64


def test_a_damaged_page_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    rows = {"id": ["a", "b"], "text": ["one", "two"]}
    pq.write_table(pa.table(rows), path, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:30] = bytes(26)
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"notes\.parquet: cannot be read beyond row 0: "):
        list(open_source(path).read({}, lambda name: None))


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "notes.parquet").touch()
    with pytest.raises(ValueError, match=r'pip install "clinical-ie\[parquet\]"'):
        open_source(tmp_path / "notes.parquet")
    (tmp_path / "notes.jsonl").write_text(json.dumps({"id": "a", "text": "x"}))
    assert open_source(tmp_path / "notes.jsonl").total == 1


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "folder"])
def test_parts_are_together_all_notes_once_each(tmp_path: Path, kind: str) -> None:
    names = [f"n{number}" for number in range(10)]
    if kind == "folder":
        path = tmp_path
        for name in (*(f"{name}.txt" for name in names), "odd.TXT", ".txt"):
            (path / name).write_text("x")
    elif kind == "jsonl":
        path = tmp_path / "notes.jsonl"
        path.write_text("\n\n".join(json.dumps({"id": name, "text": "x"}) for name in names))
    else:
        path = tmp_path / "notes.parquet"
        pq.write_table(pa.table({"id": names, "text": ["x"] * 10}), path)
    found: list[str] = []
    for number in (1, 2, 3, 4):
        source = open_source(path, part=Part(number, 4))
        here = [note.name for note in source.read({}, lambda name: None)]
        assert source.total == len(here)
        # Only one part reports it, so that not every run fails because of it.
        assert len(source.left_out) == 2 * (kind == "folder" and number == 1)
        assert source.describe().endswith(f", part {number}/4")
        found += here
    assert found != names
    assert sorted(found) == names
    # More parts than notes.
    assert open_source(path, part=Part(11, 11)).total == 0


def test_an_id_of_another_part_is_no_note_s_again(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    lines = ['{"id": "a", "text": "x"}', "no JSON", "no JSON", '{"id": "a", "text": "y"}']
    path.write_text("\n".join(lines))
    found = list(open_source(path, part=Part(2, 2)).read({}, lambda name: None))
    assert [(type(each), each.name) for each in found] == [
        (Failure, f"{path}:2"),
        (Failure, f"{path}:4"),
    ]
    assert "row 1 has the id 'a' too" in found[1].reason  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "2", "a/b", "1/4/2", "-1/4", ""])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(ValueError, match=r"^part "):
        Part.parse(text)


def test_a_note_that_has_come_into_another_part_is_gone_from_this_one(tmp_path: Path) -> None:
    # A line was put before it since.
    (tmp_path / "notes.jsonl").write_text('{"id": "new", "text": "x"}\n{"id": "a", "text": "a"}\n')
    source = open_source(tmp_path / "notes.jsonl", part=Part(1, 2))
    new, gone = source.read({"a": text_sum("a")}, lambda name: None)
    assert new.name == "new"
    assert isinstance(gone, Failure)
    assert (gone.name, gone.counted) == ("a", True)
