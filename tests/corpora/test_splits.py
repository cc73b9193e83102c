import json
import unicodedata
from pathlib import Path

import pytest

from clinical_ie.brat import write_note
from clinical_ie.corpora.convert import ConvertSettings, convert_dataset
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.formats import format_named
from clinical_ie.corpora.splits import find_splits, split_off_dev
from tests.conftest import run_script as run

from .small_folders import BROKEN, convert, fill, quiet


def test_a_missing_dev_is_drawn_from_train_by_the_seed(tmp_path: Path):
    fill(tmp_path / "in" / "train", 10)
    drawn = []
    for seed in (0, 0, 1):
        out = tmp_path / "out"
        counts, remarks = convert(tmp_path / "in", out, seed)
        drawn.append({doc._.note_id for doc in read_docs(out / "dev.spacy")})
        assert (counts["train"].notes, counts["dev"].notes, counts["test"].notes) == (8, 2, 0)
        assert any("by seed" in r for r in remarks)
        assert any("evaluation will use dev" in r for r in remarks)
        assert drawn[-1].isdisjoint(doc._.note_id for doc in read_docs(out / "train.spacy"))
    assert drawn[0] == drawn[1] != drawn[2]


def test_splits_are_written_all_together_or_not_at_all(tmp_path: Path):
    fill(tmp_path / "in" / "train", 2)
    fill(tmp_path / "in" / "dev", 1)
    convert(tmp_path / "in", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    fill(tmp_path / "in" / "train", 4)
    fill(tmp_path / "in" / "dev", 1, BROKEN)
    with pytest.raises(ValueError, match="n0"):
        convert_dataset(tmp_path / "in", tmp_path / "out", ConvertSettings(on_error="stop"), quiet)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(before) == ["dev.spacy", "test.spacy", "train.spacy"]


def test_notes_that_no_split_has_are_told(tmp_path: Path):
    fill(tmp_path / "data" / "train", 5)
    fill(tmp_path / "data" / "validation", 3)
    (tmp_path / "data" / "docs").mkdir()
    (tmp_path / "data" / "loose.txt").write_text("aspirin")
    counts, _ = convert(tmp_path / "data", tmp_path / "out")
    data = f"{tmp_path}/data"
    assert list(map(str, counts["train"].problems)) == [
        f"{data}/validation: holds 3 notes but is not a split: they are not read",
        f"{data}: 1 notes are in the folder itself, not in a split: they are not read",
    ]
    # They are left out, which --strict does not allow.
    options = (tmp_path / "data", tmp_path / "out", "--strict")
    assert run("convert.py", *options).exit_code == 1


def test_a_split_without_a_mention_is_told(tmp_path: Path):
    for split in ("train", "dev", "test"):
        fill(tmp_path / "in" / split, 2, "" if split == "dev" else "T1\tDrug 0 7\taspirin\n")
    _, remarks = convert(tmp_path / "in", tmp_path / "out")
    [told] = [remark for remark in remarks if "has a mention" in remark]
    assert told.startswith("none of the 2 notes of dev has a mention: training cannot choose")


def test_notes_that_stand_in_two_splits_are_told(tmp_path: Path):
    data = tmp_path / "data"
    gouts = [f"gout {i}" for i in range(6)]
    texts = {"train": ("aspirin", "warfarin", " "), "dev": ("heparin", ""), "test": gouts}
    for split, own in texts.items():
        for i, text in enumerate(own):
            write_note(data / split, f"{split}{i}", text, None)
    _, remarks = convert(data, tmp_path / "out")
    assert not any("word for word" in remark for remark in remarks)
    # A copy with another name and other white space.
    write_note(data / "test", "copy", "aspirin\r\n", None)
    for i in range(6):
        write_note(data / "dev", f"gout{i}", gouts[i], None)
    result = run("convert.py", data, tmp_path / "out")
    assert "1 of the 7 notes of test are also in train, word for word (copy): " in result.stdout
    assert "6 of the 7 notes of test are also in dev" in result.stdout
    assert "test4, …)" in result.stdout
    told = json.loads((tmp_path / "out" / "convert.json").read_text())
    assert told["test"]["same_text_as_in"] == {
        "train": ["copy"],
        "dev": [f"test{i}" for i in range(6)],
    }
    assert told["dev"]["same_text_as_in"] == {}


def test_a_note_that_stands_twice_in_its_split_is_told(tmp_path: Path):
    data = tmp_path / "data"
    for name, text in (
        ("a", "aspirin"),
        ("sub/a", "aspirin\n"),
        ("b", "gout"),
        ("e", ""),
        ("f", ""),
    ):
        write_note(data / "train", name, text, None)
    fill(data / "dev", 1)
    counts, remarks = convert(data, tmp_path / "out")
    [told] = [remark for remark in remarks if "word for word" in remark]
    assert told.startswith("1 of the 5 notes of train repeat an earlier one, word for word (sub/a)")
    assert counts["train"].as_dict()["same_text_as_in"] == {"train": ["sub/a"]}
    # As one file, too.
    result = run("convert.py", data / "train", tmp_path / "all.spacy")
    assert "1 of the 5 notes of all repeat an earlier one, word for word (sub/a)" in result.stdout


def test_a_list_of_the_dev_notes_is_no_note_that_was_left_out(tmp_path: Path):
    fill(tmp_path / "data" / "train", 2)
    ids = tmp_path / "data" / "dev.txt"
    ids.write_text("n0")
    # An editor's lock file.
    (tmp_path / "data" / ".#dev.txt").symlink_to("someone@somewhere.1234")
    splits, _ = find_splits(tmp_path / "data", format_named("brat"), 0, ids)
    assert splits["train"].strays == []


def test_a_release_without_its_format_is_told_which_to_name(tmp_path: Path):
    fill(tmp_path / "data" / "training_20180910", 2)
    with pytest.raises(FileNotFoundError, match="no such folder") as told:
        find_splits(tmp_path / "data", format_named("brat"), 0)
    assert "training_20180910 is from the release of n2c2-2018" in str(told.value)
    assert "--vars.format n2c2-2018" in str(told.value)
    (tmp_path / "other" / "training").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"put notes into .*/test, or name a \.spacy file"):
        find_splits(tmp_path / "other", format_named("brat"), 0)


def test_a_check_of_a_release_without_its_format_is_no_check(tmp_path: Path):
    fill(tmp_path / "training_20180910", 2)
    result = run("convert.py", tmp_path, "--check")
    assert result.exit_code == 1
    assert "use --format n2c2-2018" in result.stderr
    assert run("convert.py", tmp_path, "--check", "--format", "n2c2-2018").exit_code == 0


def test_one_note_is_told_what_it_lacks(tmp_path: Path):
    fill(tmp_path / "data" / "train", 1)
    with pytest.raises(ValueError, match=r"cannot be split .*: add notes, or make a .*/data/dev"):
        find_splits(tmp_path / "data", format_named("brat"), 0)


def test_a_dev_id_with_its_folders_is_that_note(tmp_path: Path):
    fill(tmp_path / "data" / "train", 2)
    fill(tmp_path / "data" / "train" / "sub", 2)
    names = sorted(p.stem for p in (tmp_path / "data" / "train").glob("*.txt"))
    ids = tmp_path / "ids"
    for line in (names[0], f"sub/{names[0]}"):
        ids.write_text(line)
        splits, _ = find_splits(tmp_path / "data", format_named("brat"), 0, ids)
        [dev] = splits["dev"].paths
        assert dev == tmp_path / "data" / "train" / f"{line}.txt"
    ids.write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"ids: .*; names must be UTF-8"):
        find_splits(tmp_path / "data", format_named("brat"), 0, ids)


def test_a_dev_name_of_two_notes_is_told(tmp_path: Path):
    for ward in "ab":
        fill(tmp_path / "in" / "train" / ward, 2)
    (tmp_path / "dev.txt").write_text("n0\n")
    with pytest.raises(ValueError, match=r"dev\.txt:1: 'n0' is the name of 2 notes .*: a/n0$"):
        find_splits(tmp_path / "in", format_named("brat"), 0, tmp_path / "dev.txt")


def test_the_draw_does_not_depend_on_the_order():
    paths = [Path(f"n{i}.txt") for i in range(10)]
    assert set(split_off_dev(paths[::-1], 0)[1]) == set(split_off_dev(paths, 0)[1])


def test_names_in_a_list_of_dev_notes_may_have_their_accents_otherwise(tmp_path: Path):
    train = tmp_path / "data" / "train"
    for name in ("Süd/a", "Nord/a", "Nord/b"):
        write_note(train, name, "aspirin", None)
    ids = tmp_path / "ids"
    ids.write_text(unicodedata.normalize("NFD", "Süd/a"), "utf8")
    splits, _ = find_splits(tmp_path / "data", format_named("brat"), 0, ids)
    assert splits["dev"].paths == [train / "Süd" / "a.txt"]
    ids.write_text("Süd/b", "utf8")
    with pytest.raises(
        ValueError, match=r"'Süd/b' is not a note .*; expected names such as 'Nord/a'"
    ):
        find_splits(tmp_path / "data", format_named("brat"), 0, ids)


def test_a_list_without_a_name_draws_no_dev(tmp_path: Path):
    fill(tmp_path / "data" / "train", 2)
    ids = tmp_path / "ids"
    for content, told in (
        ("\n \n", "0 dev notes leave 2"),
        (" n0\r\nn1 \n", "2 dev notes leave 0"),
    ):
        ids.write_text(content)
        with pytest.raises(ValueError, match=told):
            find_splits(tmp_path / "data", format_named("brat"), 0, ids)
