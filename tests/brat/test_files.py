import gzip
import os
import subprocess
from pathlib import Path, PureWindowsPath

import pytest

from clinical_ie.brat import Standoff, files, list_notes, read_note, write_note
from clinical_ie.brat.files import strays
from clinical_ie.system import names


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


def test_a_compressed_text_is_told(tmp_path: Path):
    (tmp_path / "n.txt").write_bytes(gzip.compress(b"Aspirin"))
    with pytest.raises(UnicodeDecodeError, match=r"looks like a compressed file \(gzip\): unpack"):
        read_note(tmp_path / "n.txt")


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16-LE", "UTF-16-BE", "UTF-32"])
def test_a_text_in_a_wide_encoding_is_told_even_if_it_decodes(tmp_path: Path, encoding: str):
    (tmp_path / "n.txt").write_bytes("Aspirin caused rash.".encode(encoding))
    remedy = f"iconv -f {encoding[:6]} -t UTF-8"
    with pytest.raises(UnicodeDecodeError, match=rf"n\.txt, line 1; .*{remedy}"):
        read_note(tmp_path / "n.txt")


@pytest.mark.parametrize("text", ["\0", "\0\0", "a\0", "\0" * 40, "\0\1" * 20, "a\0" * 4])
def test_a_text_may_have_nuls(tmp_path: Path, text: str):
    write_note(tmp_path, "n", text, Standoff())
    assert read_note(tmp_path / "n.txt").text == text


def test_links_are_followed_but_in_no_circle(tmp_path: Path):
    for name in ("here/a", "far/b"):
        write_note(tmp_path, name, "x", Standoff())
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "here" / "circle").symlink_to(tmp_path / "here")
    (tmp_path / "far" / "back").symlink_to(tmp_path)
    (tmp_path / "here" / "c.txt").symlink_to(tmp_path / "far" / "b.txt")
    root = tmp_path / "here"
    names = [path.relative_to(root).as_posix() for path in list_notes(root)]
    assert names == ["a.txt", "c.txt", "linked/b.txt"]


def test_folders_that_link_to_each_other_are_read_once_by_each_way(tmp_path: Path):
    for name in ("one/a", "two/b"):
        write_note(tmp_path, name, "x", Standoff())
    (tmp_path / "one" / "other").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "other").symlink_to(tmp_path / "one")
    names = [path.relative_to(tmp_path).as_posix() for path in list_notes(tmp_path)]
    assert names == ["one/a.txt", "one/other/b.txt", "two/b.txt", "two/other/a.txt"]


def test_a_link_that_leads_nowhere_is_no_note_without_annotations(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.ann").symlink_to(tmp_path / "nowhere.ann")
    (tmp_path / "b.txt").symlink_to(tmp_path / "nowhere.txt")
    for path in list_notes(tmp_path):
        with pytest.raises(FileNotFoundError):
            read_note(path)


@pytest.mark.parametrize("ending", [".txt", ".ann"])
def test_what_may_never_end_is_not_read(ending: str, tmp_path: Path):
    write_note(tmp_path, "a", "x", Standoff())
    (tmp_path / f"a{ending}").unlink()
    (tmp_path / f"a{ending}").symlink_to(os.devnull)
    with pytest.raises(OSError, match=f"a{ending}: is a pipe, a socket or a device"):
        read_note(tmp_path / "a.txt")


def test_files_that_look_like_notes_and_are_none_are_told(tmp_path: Path):
    for name in ("a.txt", "a.ann", "a.txt.ann", "b.ann", "C.TXT", "C.Ann", "d.json", ".txt"):
        (tmp_path / name).write_text("")
    for name in ("e.txt.gz", "f.ANN.zip", "g.json.gz"):
        (tmp_path / name).write_text("")
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in strays(tmp_path)] == [
        ".txt: its name is .txt alone; expected a name before it: left out",
        "C.Ann: its name ends in .Ann; expected .ann: left out",
        "C.TXT: its name ends in .TXT; expected .txt: left out",
        "e.txt.gz: is compressed; unpack it to e.txt: left out",
        "f.ANN.zip: is compressed; unpack it to f.ANN: left out",
        "a.txt.ann: no a.txt.txt beside it, so it annotates nothing; if it belongs to a.txt, name "
        "it a.ann: left out",
        "b.ann: no b.txt beside it, so it annotates nothing: left out",
    ]


def test_a_folder_is_not_the_text_of_an_annotation(tmp_path: Path):
    (tmp_path / "a.ann").touch()
    (tmp_path / "a.txt").mkdir()
    (problem,) = strays(tmp_path)
    assert problem.message == "no a.txt beside it, so it annotates nothing: left out"


def test_a_folder_with_capital_endings_alone_is_told_what_is_expected(tmp_path: Path):
    (tmp_path / "A.TXT").write_text("")
    with pytest.raises(FileNotFoundError, match=r"its name ends in .TXT; expected .txt \(.*A.TXT"):
        list_notes(tmp_path)


def test_annotations_that_are_dealt_out_to_several_files_are_told(tmp_path: Path):
    # The layout of the BioNLP shared tasks, which brat reads if there is no `.ann`.
    folder = tmp_path / "dev set"
    folder.mkdir()
    (folder / "a b.txt").write_text("IL-2 expression")
    # Its last line has no newline, so it would merge with the first line of the next file.
    (folder / "a b.a1").write_text("T1\tProtein 0 4\tIL-2")
    (folder / "a b.a2").write_text("T2\tEvent 5 15\texpression\nE1\tEvent:T2 Theme:T1\n")
    # Here somebody has merged the files already.
    for name in ("b.txt", "b.ann", "b.a1"):
        (folder / name).write_text("")
    [problem] = strays(folder)
    assert problem.file == f"{folder}/a b.txt"
    assert problem.severity == "error"
    told, remedy, _ = problem.message.split("`")
    assert told == "its annotations are in .a1 and .a2, which are not read; "
    subprocess.run(remedy, shell=True, check=True, cwd=folder)
    assert strays(folder) == []
    note = read_note(folder / "a b.txt")
    assert note.problems == []
    assert [line.record.id for line in note.standoff.lines if line.record] == ["T1", "T2", "E1"]


@pytest.mark.parametrize("name", ["../a", "ward/../../a", "/etc/a"])
def test_no_name_leads_out_of_the_folder(name, tmp_path: Path):
    with pytest.raises(ValueError, match="it leads out of"):
        write_note(tmp_path / "out", name, "x", None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("link", ["ward", "ward/a.txt", "ward/a.ann"])
def test_no_link_leads_out_of_the_folder(link, tmp_path: Path):
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    (out / link).parent.mkdir(parents=True)
    (out / link).symlink_to(outside if link == "ward" else outside / "a")
    with pytest.raises(ValueError, match="is a link, or behind one, that leads out of"):
        write_note(out, "ward/a", "text", Standoff())
    assert not list(outside.iterdir())
    # The folder itself may be one.
    (tmp_path / "linked").symlink_to(outside)
    write_note(tmp_path / "linked", "a", "text", Standoff())
    assert len(list(outside.iterdir())) == 2


@pytest.mark.parametrize("name", ["/a", "c:a", "c:/a", "..\\a"])
def test_on_windows_more_names_lead_out_of_the_folder(name, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "PurePath", PureWindowsPath)
    with pytest.raises(ValueError, match="it leads out of"):
        files.file_below(Path("out"), name, ".txt")


def test_a_name_that_windows_has_no_file_for_is_told(monkeypatch: pytest.MonkeyPatch):
    folder = Path("out")
    assert files.file_below(folder, "ward/a:b", ".txt")
    monkeypatch.setattr(names, "ON_WINDOWS", True)
    with pytest.raises(ValueError, match="not a valid file name on Windows"):
        files.file_below(folder, "ward/a:b", ".txt")


def test_what_macos_leaves_beside_a_note_is_none(tmp_path: Path):
    for name in ("a.txt", "._a.txt", "._a.ann"):
        (tmp_path / name).write_text("Aspirin")
    assert [path.name for path in list_notes(tmp_path)] == ["a.txt"]
    assert strays(tmp_path) == []


def test_an_ann_of_another_note_does_not_become_this_ones(tmp_path: Path):
    write_note(tmp_path, "a", "Aspirin", Standoff.parse("T1\tDrug 0 7\tAspirin\n"))
    with pytest.raises(ValueError, match=r"a\.ann exists, .*: remove it, or write into an empty"):
        write_note(tmp_path, "a", "Aspirin", None)


@pytest.mark.parametrize(("n", "more"), [(1, ""), (2, " (and 1 more like it)")])
def test_hidden_folders_are_not_looked_into_and_told_once(tmp_path: Path, n: int, more: str):
    write_note(tmp_path, "a/1", "Aspirin", Standoff())
    for name in ("a/.ipynb_checkpoints/1-checkpoint", ".git/x/b")[:n]:
        write_note(tmp_path, name, "Aspirin", Standoff())
    assert [path.name for path in list_notes(tmp_path)] == ["1.txt"]
    [problem] = strays(tmp_path)
    first = tmp_path / (".git" if n == 2 else "a/.ipynb_checkpoints")
    assert str(problem) == f"{first}: its name begins with a dot: not looked into{more}"
    assert problem.severity == "warning"
    # A hidden folder is read if it is named explicitly.
    assert len(list_notes(tmp_path / "a" / ".ipynb_checkpoints")) == 1
