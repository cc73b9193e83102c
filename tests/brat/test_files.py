from pathlib import Path

import pytest

from clinical_ie.brat import Standoff, list_notes, read_note, write_note


def test_maccrobat_is_written_back_byte_for_byte(maccrobat: Path, tmp_path: Path):
    paths = list_notes(maccrobat)
    assert len(paths) == 170
    for path in paths:
        note = read_note(path, maccrobat)
        assert note.problems == []
        write_note(tmp_path, note.name, note.text, note.standoff, bom=note.bom)
        for suffix in (".txt", ".ann"):
            written = (tmp_path / note.name).with_suffix(suffix)
            assert written.read_bytes() == path.with_suffix(suffix).read_bytes()


@pytest.mark.parametrize(
    "text", ["a\r\nb\rc\n", "\ufeffaspirin", "no end", "", "tab\there\u2028and\x0cthere\n"]
)
def test_line_ends_and_marks_survive(text, tmp_path: Path):
    (tmp_path / "n.txt").write_bytes(text.encode())
    note = read_note(tmp_path / "n.txt")
    write_note(tmp_path / "out", note.name, note.text, note.standoff, bom=note.bom)
    assert (tmp_path / "out" / "n.txt").read_bytes() == text.encode()


@pytest.mark.parametrize(("start", "counts"), [(0, False), (1, True)])
def test_whether_a_byte_order_mark_counts_is_seen_from_the_covered_text(start, counts, tmp_path):
    (tmp_path / "n.txt").write_bytes("\ufeffaspirin".encode())
    (tmp_path / "n.ann").write_text(f"T1\tDrug {start} {start + 7}\taspirin\n")
    note = read_note(tmp_path / "n.txt")
    assert note.text[start : start + 7] == "aspirin"
    assert note.bom is not counts


def test_a_text_without_annotations_is_an_ordinary_note(tmp_path: Path):
    (tmp_path / "n.txt").write_text("x")
    note = read_note(tmp_path / "n.txt")
    assert (note.standoff, note.problems, note.has_ann) == (Standoff(), [], False)


def test_names_keep_the_folders_below_the_root(tmp_path: Path):
    write_note(tmp_path, "ward/a", "x", Standoff())
    assert [read_note(p, tmp_path).name for p in list_notes(tmp_path)] == ["ward/a"]


def test_missing_and_empty_folders_are_told(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        list_notes(tmp_path / "nope")
    with pytest.raises(FileNotFoundError, match=r"holds no \.txt"):
        list_notes(tmp_path)


def test_another_encoding_is_told_by_file(tmp_path: Path):
    (tmp_path / "n.txt").write_bytes("Fièvre".encode("latin1"))
    with pytest.raises(UnicodeDecodeError, match=r"n\.txt, line 1; notes must be UTF-8"):
        read_note(tmp_path / "n.txt")
