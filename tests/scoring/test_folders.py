import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinical_ie.__main__ import app
from clinical_ie.scoring import score
from clinical_ie.scoring.folders import read_pair

from .helpers import write_brat

TEXT = "aspirin 81 mg"
ANN = "T1\tDrug 0 7\taspirin\n"


def run_score(*arguments: object) -> tuple[int, dict, str]:
    """The exit code of `clinical-ie score --json`, its scores and its standard error."""
    result = CliRunner().invoke(app, ["score", *map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout), result.stderr


def test_names_run_below_the_folders(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"a/1": (TEXT, ANN), "a/2": (TEXT, ANN), "b/1": (TEXT, "")})
    predicted = write_brat(tmp_path / "p", {"a/1": (TEXT, ANN), "c": (TEXT, ANN)})
    (predicted / "c.ann").unlink()
    pair = read_pair(gold, predicted)
    assert (pair.missing, pair.extra) == (["a/2", "b/1"], ["c"])
    assert pair.without_ann == ([], [predicted / "c.txt"])
    micro = score(pair.gold, pair.predicted, texts=pair.texts)["entities"]["strict"]["micro"]
    assert (micro["tp"], micro["fp"], micro["fn"]) == (1, 0, 1)


def test_problems_name_file_and_line(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    predicted = write_brat(tmp_path / "p", {"1": (TEXT, f"{ANN}R1\tX Arg1:T1 Arg2:T9\n")})
    (problem,) = read_pair(gold, predicted).problems
    assert str(problem).startswith(f"{predicted / '1.ann'}:2: R1 names T9")


@pytest.mark.parametrize("protocol", ["one-to-one", "n2c2-2018"])
def test_a_mention_is_scored_by_its_offsets_whatever_its_text_column_says(
    tmp_path: Path, protocol: str
) -> None:
    """Leaving such mentions out would reward mistakes, since they could no longer be wrong."""
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    lines = (
        "T1\tDrug 0 7\tASPIRIN, so to say\n"
        "T2\tDrug 1 8\taspirin\n"
        "T3\tDose 8 12;999999999999 9999999999999\t81 mg\n"
        "R1\tOf Arg1:T3 Arg2:T2\n"
    )
    pair = read_pair(gold, write_brat(tmp_path / "p", {"1": (TEXT, lines)}))
    scores = score(pair.gold, pair.predicted, texts=pair.texts, protocol=protocol)
    micro = scores["entities"]["strict"]["micro"]
    assert (micro["tp"], micro["fp"], micro["fn"]) == (1, 2, 0)
    assert scores["relations"]["strict"]["micro"]["fp"] == 1
    assert [(p.line, p.severity) for p in pair.problems] == [(n, "warning") for n in (1, 2, 3)]
    said = [str(problem) for problem in pair.problems]
    assert said[1].endswith(
        "p/1.ann:2: T2 says 'aspirin', but its offsets cover 'spirin ': scored by its offsets"
    )
    assert "end at 9999999999999, and the note at 13: scored by" in said[2]


def test_a_folder_may_leave_the_texts_to_the_other(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (f"\ufeff{TEXT}", ANN), "2": (TEXT, ANN)})
    predicted = write_brat(tmp_path / "p", {"1": ("", ANN), "2": ("", ANN), "3": ("", ANN)})
    for path in predicted.glob("*.txt"):
        path.unlink()
    pair = read_pair(gold, predicted)
    assert (pair.missing, pair.extra, pair.without_ann) == ([], ["3"], ([], []))
    assert pair.texts == {"1": TEXT, "2": TEXT}
    (problem,) = pair.problems
    assert str(problem) == (
        f"{predicted / '3.ann'}: no 3.txt in either folder: only offsets are compared"
    )
    micro = score(pair.gold, pair.predicted, texts=pair.texts)["entities"]["strict"]["micro"]
    assert (micro["tp"], micro["fp"], micro["fn"]) == (2, 1, 0)


@pytest.mark.parametrize("option", ["--by-length", "--agreement"])
def test_notes_without_text_have_no_words_and_no_tokens(tmp_path: Path, option: str) -> None:
    pieces = "T1\tDose 0 19\tone two three four x\n"
    for name in ("g", "p"):
        write_brat(tmp_path / name, {"1": (TEXT, ANN), "2": ("", pieces)})
        (tmp_path / name / "2.txt").unlink()
    code, scores, err = run_score(tmp_path / "g", tmp_path / "p", option)
    assert code == 3
    assert "1 no .txt in either folder, left out of --by-length and --agreement:\n  2\n" in err
    assert scores["entities"]["strict"]["micro"]["tp"] == 2
    if option == "--by-length":
        assert [found["gold"] for found in scores["by_length"].values()] == [1, 0, 0, 0, 0, 0]
    else:
        assert scores["agreement"]["overall"] == {"kappa": 1.0, "observed": 1.0, "n_tokens": 3}
    for name in ("g", "p"):
        (tmp_path / name / "1.txt").unlink()
    assert run_score(tmp_path / "g", tmp_path / "p")[0] == 0
    arguments = ["score", str(tmp_path / "g"), str(tmp_path / "p"), option]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "expected the .txt files in one of the folders" in result.stderr


def test_other_text_names_file_and_line_of_the_first_and_how_many(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (f"\n{TEXT}\n", ""), "2": (TEXT, ""), "3": (TEXT, "")})
    other = TEXT.replace(" 81", "  81")
    predicted = write_brat(
        tmp_path / "p", {"1": (f"\n{other}\n", ""), "2": (other, ""), "3": (TEXT, "")}
    )
    message = r"p/1\.txt:2: its text differs .* character 9 .* \(and 1 more notes differ\)"
    with pytest.raises(ValueError, match=message):
        read_pair(gold, predicted)
    predicted = write_brat(tmp_path / "q", {"2": (TEXT[:4], "")})
    with pytest.raises(ValueError, match="character 4 "):
        read_pair(gold, predicted)


def test_byte_order_mark_where_nothing_counts_it(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (f"\ufeff{TEXT}", ANN)})
    predicted = write_brat(tmp_path / "p", {"1": (f"\ufeff{TEXT}", "")})
    pair = read_pair(gold, predicted)
    assert score(pair.gold, pair.predicted)["entities"]["strict"]["micro"]["fn"] == 1
    other = write_brat(tmp_path / "q", {"1": (f"\ufeff\ufeff{TEXT}", ANN)})
    with pytest.raises(ValueError, match="character 0 "):
        read_pair(gold, other)


@pytest.mark.parametrize(
    ("gold", "predicted", "right", "told"),
    [
        (ANN, "T1\tDrug 0 7\t\n", 1, "its offsets cover 'aspirin'"),
        ("T1\tDrug 0 7\t\n", "T1\tDrug 0 7\t\n", 1, r"its offsets cover '\ufeffaspiri'"),
        (ANN, "T1\tDrug 1 8\taspirin\n", 0, "its offsets cover 'spirin '"),
        ("T1\tDrug 1 8\taspirin\n", ANN, 0, r"its offsets cover '\ufeffaspiri'"),
        ("", ANN, 0, None),
    ],
)
def test_equal_files_have_equal_texts_whatever_the_annotations_make_of_the_mark(
    tmp_path: Path, gold: str, predicted: str, right: int, told: str | None
) -> None:
    folders = [
        write_brat(tmp_path / name, {"1": (f"\ufeff{TEXT}", ann)})
        for name, ann in (("g", gold), ("p", predicted))
    ]
    pair = read_pair(*folders)
    micro = score(pair.gold, pair.predicted, texts=pair.texts)["entities"]["strict"]["micro"]
    assert micro["tp"] == right
    assert [told in problem.message for problem in pair.problems[-1:]] == [True] * bool(told)


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read_pair(gold, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no \.txt"):
        read_pair(tmp_path / "empty", gold)


def test_linked_folders_are_read_and_names_in_capitals_told(tmp_path: Path) -> None:
    write_brat(tmp_path / "elsewhere", {"b": (TEXT, ANN)})
    for side in ("gold", "predicted"):
        write_brat(tmp_path / side, {"a": (TEXT, ANN)})
        (tmp_path / side / "sub").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "gold" / "C.ANN").write_text(ANN)
    pair = read_pair(tmp_path / "gold", tmp_path / "predicted")
    assert sorted(pair.gold) == sorted(pair.predicted) == ["a", "sub/b"]
    assert [p.message for p in pair.problems if "C.ANN" in p.file] == [
        "its name ends in .ANN; expected .ann: left out"
    ]


def test_gold_that_is_dealt_out_to_several_files_is_no_gold_without_annotations(tmp_path: Path):
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    predicted = write_brat(tmp_path / "p", {"1": (TEXT, ANN)})
    (gold / "1.ann").rename(gold / "1.a1")
    code, _, told = run_score(gold, predicted)
    assert code == 3
    assert f"{gold}/1.txt: its annotations are in .a1, which are not read" in told


@pytest.mark.parametrize("stray", [None, TEXT, "another text", b"caf\xe9"])
@pytest.mark.parametrize("side", ["g", "p"])
def test_the_official_script_sees_no_txt(
    tmp_path: Path, side: str, stray: str | bytes | None
) -> None:
    """It does not count a `.txt` without `.ann` as a note, on either side and with any content."""
    for name in ("g", "p"):
        write_brat(tmp_path / name, {"1": (TEXT, ANN), "2": (TEXT, ANN)})
    for name in ("2.txt", "2.ann"):
        (tmp_path / side / name).unlink()
    if stray is not None:
        content = stray if isinstance(stray, bytes) else stray.encode()
        for name in ("2.txt", "README.TXT"):
            (tmp_path / side / name).write_bytes(content)
    code, scores, err = run_score(tmp_path / "g", tmp_path / "p", "--protocol", "n2c2-2018")
    micro = scores["entities"]["strict"]["micro"]
    assert (code, scores["notes"], micro["tp"], micro["fp"], micro["fn"]) == (3, 1, 1, 0, 0)
    assert f"1 not in {tmp_path / side}, not scored:\n  2\n" in err
    assert ("1 no .ann, not scored:" in err) == (stray is not None)
    assert "README" not in err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("T2\tDrug 0 1;2 3;4 5;6 7\tA n a s", "T2 is in 4 pieces: the official script reads 3"),
        ("T2\tDrug 0 4\t", "T2 has no text: the official script skips the line"),
        ("T2\tDrug 0 4\tAn\tna", "T2 has a tab in its text: the official script skips"),
    ],
)
def test_what_the_official_script_reads_otherwise_is_told(
    tmp_path: Path, line: str, told: str
) -> None:
    for name, more in (("g", line), ("p", "T2\tDrug 0 4\tAnna")):
        write_brat(tmp_path / name, {"1": (TEXT, f"{ANN}{more}\n")})
    code, _, err = run_score(tmp_path / "g", tmp_path / "p", "--protocol", "n2c2-2018")
    assert code == 3
    assert told in err
    assert "; scored by its offsets" in err
    assert told not in run_score(tmp_path / "g", tmp_path / "p")[2]


def test_a_txt_that_nobody_annotated_is_no_finding_to_the_official_script(tmp_path: Path) -> None:
    for name in ("g", "p"):
        write_brat(tmp_path / name, {"1": (TEXT, ANN), "2": (TEXT, ANN)})
        (tmp_path / name / "2.ann").unlink()
    code, scores, _ = run_score(tmp_path / "g", tmp_path / "p", "--protocol", "n2c2-2018")
    assert (code, scores["notes"]) == (0, 1)
    (tmp_path / "p" / "1.ann").unlink()
    arguments = ["score", str(tmp_path / "g"), str(tmp_path / "p"), "--protocol", "n2c2-2018"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no .ann file" in result.stderr


@pytest.mark.parametrize(("side", "code", "wrong"), [("g", 0, (1, 0)), ("p", 3, (0, 1))])
def test_one_to_one_takes_a_txt_without_ann_for_an_empty_note_and_asks_predicted_for_one(
    tmp_path: Path, side: str, code: int, wrong: tuple[int, int]
) -> None:
    for name in ("g", "p"):
        write_brat(tmp_path / name, {"1": (TEXT, ANN), "2": (TEXT, ANN)})
    (tmp_path / side / "2.ann").unlink()
    found, scores, err = run_score(tmp_path / "g", tmp_path / "p")
    micro = scores["entities"]["strict"]["micro"]
    assert (found, micro["tp"], (micro["fp"], micro["fn"])) == (code, 1, wrong)
    assert f"1 no .ann, read as a note with nothing in it:\n  {tmp_path / side / '2.txt'}\n" in err


@pytest.mark.parametrize(("protocol", "right"), [("one-to-one", 1), ("n2c2-2018", 0)])
def test_ends_are_told_apart_by_name_and_by_the_official_script_by_order(
    tmp_path: Path, protocol: str, right: int
) -> None:
    mentions = "T1\tDrug 0 7\taspirin\nT2\tStrength 8 13\t81 mg\n"
    folders = [
        write_brat(tmp_path / name, {"1": (TEXT, f"{mentions}R1\tStrength-Drug {ends}\n")})
        for name, ends in (("g", "Arg1:T2 Arg2:T1"), ("p", "Arg2:T1 Arg1:T2"))
    ]
    _, scores, _ = run_score(*folders, "--protocol", protocol)
    micro = scores["relations"]["strict"]["micro"]
    assert (micro["tp"], micro["fp"]) == (right, 1 - right)


@pytest.mark.parametrize(
    ("protocol", "entities", "relations"),
    [("one-to-one", (1, 2, 0), (0, 2, 1)), ("n2c2-2018", (1, 1, 0), (1, 0, 0))],
)
def test_of_lines_with_one_id_the_official_script_keeps_the_last_in_the_place_of_the_first(
    tmp_path: Path, protocol: str, entities: tuple[int, ...], relations: tuple[int, ...]
) -> None:
    gold = write_brat(
        tmp_path / "g", {"1": (TEXT, "T1\tDrug 0 7\taspirin\nR1\tOf Arg1:T1 Arg2:T1\n")}
    )
    lines = (
        "T1\tForm 8 13\t81 mg\nT2\tDrug 0 3\tasp\nT1\tDrug 0 7\taspirin, so to say\n"
        "R1\tOf Arg1:T2 Arg2:T2\nR1\tOf Arg1:T1 Arg2:T1\n"
    )
    predicted = write_brat(tmp_path / "p", {"1": (TEXT, lines)})
    code, scores, err = run_score(gold, predicted, "--protocol", protocol)
    for task, counts in (("entities", entities), ("relations", relations)):
        micro = scores[task]["strict"]["micro"]
        assert (micro["tp"], micro["fp"], micro["fn"]) == counts
    assert code == 0
    said = [line.partition("1.ann:")[2] for line in err.splitlines() if "1.ann:" in line]
    if protocol == "n2c2-2018":
        # `T1` comes first and takes the gold mention, before `T2` matches it too.
        assert scores["entities"]["lenient"]["micro"]["fp"] == 0
        assert said[0] == "1: the id T1 is used again in line 3: only that line is scored"
        assert said[1].startswith("3: T1 says 'aspirin, so to say'")
        assert said[2] == "4: the id R1 is used again in line 5: only that line is scored"
    else:
        assert "T1~2" in said[1]


def test_what_is_wrong_in_the_last_of_several_lines_is_told_of_that_line(tmp_path: Path) -> None:
    lines = "R1\tOf Arg1:T1 Arg2:T1\nT1\tDrug 0 7\taspirin\nR1\tOf Arg1:T9 Arg2:T1\n"
    folder = write_brat(tmp_path, {"1": (TEXT, lines)})
    told = read_pair(folder, folder, "n2c2-2018").problems
    assert {problem.line for problem in told if "T9" in problem.message} == {3}


@pytest.mark.parametrize("protocol", ["one-to-one", "n2c2-2018"])
def test_an_ann_that_leads_nowhere_is_told_beside_a_note_and_passed_over_alone(
    tmp_path: Path, protocol: str
) -> None:
    for name in ("g", "p"):
        write_brat(tmp_path / name, {"1": (TEXT, ANN), "2": (TEXT, ANN)})
    (tmp_path / "p" / ".#1.ann").symlink_to("somebody@host.1234")
    assert read_pair(tmp_path / "g", tmp_path / "p", protocol).extra == []
    (tmp_path / "p" / "2.ann").unlink()
    (tmp_path / "p" / "2.ann").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError, match=r"p/2\.ann"):
        read_pair(tmp_path / "g", tmp_path / "p", protocol)


def test_a_label_is_shown_without_what_a_terminal_would_obey(tmp_path: Path) -> None:
    folder = write_brat(tmp_path, {"1": (TEXT, "T1\tDrug\x1b[2J 0 7\taspirin\n")})
    result = CliRunner().invoke(app, ["score", str(folder), str(folder), "--by-document"])
    assert "Drug\\x1b[2J" in result.stdout
    assert "\x1b[2J" not in result.stdout
