"""`clinical-ie score`: output, messages and exit codes."""

import json
from pathlib import Path

import pytest

from .conftest import run_command as run
from .scoring.helpers import write_brat

TEXT = "aspirin 81 mg for pain"
GOLD = (
    "T1\tDrug 0 7\taspirin\n"
    "T2\tDosage 8 13\t81 mg\n"
    "T3\tReason 18 22\tpain\n"
    "R1\tDosage-Drug Arg1:T2 Arg2:T1\n"
)
PREDICTED = GOLD.replace("Drug 0 7\taspirin", "Drug 0 4\taspi")


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write_brat(tmp_path / "gold", {"1": (TEXT, GOLD), "2": (TEXT, GOLD)})


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    return write_brat(tmp_path / "predicted", {"1": (TEXT, PREDICTED), "3": (TEXT, "")})


def test_score_json(gold: Path, predicted: Path) -> None:
    code, out, err = run("score", gold, predicted, "--json")
    # There are scores, and something was reported on standard error.
    assert code == 3
    scores = json.loads(out)
    assert list(scores) == ["protocol", "notes", "entities", "relations"]
    assert list(scores["entities"]["strict"]) == ["micro", "macro", "by_label"]
    assert scores["entities"]["strict"]["micro"] == {
        "tp": 2, "fp": 1, "fn": 4, "precision": 2 / 3, "recall": 2 / 6, "f1": 4 / 9,
    }  # fmt: skip
    assert scores["entities"]["lenient"]["by_label"]["Drug"]["tp"] == 1
    assert scores["relations"]["strict"]["micro"]["tp"] == 0
    assert scores["relations"]["lenient"]["micro"]["tp"] == 1
    assert f"1 not in {predicted}, scored as all missed:\n  2\n" in err
    assert f"1 not in {gold}, scored as all wrong:\n  3\n" in err


def test_score_table(gold: Path) -> None:
    code, out, err = run("score", gold, gold)
    assert (code, err) == (0, f"{gold} is scored against itself\n")
    assert "entities, percent, protocol: one-to-one" in out
    (row,) = [line.split() for line in out.splitlines() if "Dosage-Drug" in line]
    assert row == ["Dosage-Drug", "2", "2", *["100.00"] * 6]


def test_score_by_the_official_counts(gold: Path, predicted: Path) -> None:
    code, out, err = run("score", gold, predicted, "--protocol", "n2c2-2018", "--json")
    scores = json.loads(out)
    assert (code, scores["protocol"], scores["notes"]) == (3, "n2c2-2018", 1)
    assert f"1 not in {predicted}, not scored:\n  2\n" in err
    assert f"1 not in {gold}, not scored:\n  3\n" in err


def test_score_in_all_detail(gold: Path, predicted: Path, tmp_path: Path) -> None:
    options = ("--by-document", "--by-length", "--agreement", "--intervals", "--compare", gold)
    code, out, _ = run("score", gold, predicted, *options, "--json")
    assert code == 3
    scores = json.loads(out)
    by_document = scores["by_document"]
    assert sorted(by_document) == ["1", "2", "3"]
    micro = scores["entities"]["strict"]["micro"]
    for count in ("tp", "fp", "fn"):
        found = [note["entities"]["strict"][count] for note in by_document.values()]
        assert sum(found) == micro[count]
    of_length = scores["by_length"].values()
    assert sum(found["strict"]["found"] for found in of_length) == micro["tp"]
    assert scores["agreement"]["overall"]["n_tokens"] > 0
    interval = scores["intervals"]["entities"]["strict"]["f1"]
    assert interval["low"] <= interval["value"] == micro["f1"] <= interval["high"]


def test_nothing_on_either_side_is_no_score(tmp_path: Path) -> None:
    ann = "T1\tDrug 0 7\taspirin\n"
    gold = write_brat(tmp_path / "gold", {"1": (TEXT, ann), "2": (TEXT, "")})
    found = write_brat(tmp_path / "found", {"1": (TEXT, ann), "2": (TEXT, "")})
    lines: dict[str, list[list[str]]] = {}
    for protocol in ("one-to-one", "n2c2-2018"):
        options = ("--by-document", "--intervals", "--protocol", protocol)
        _, out, _ = run("score", gold, found, *options)
        lines[protocol] = [line.split() for line in out.splitlines() if line.strip()]
    assert ["micro", "0", "0", *["-"] * 6] in lines["one-to-one"]
    assert ["2", "0", "-", "-", "0", "-", "-"] in lines["one-to-one"]
    assert ["1", "1", "100.00", "100.00", "0", "-", "-"] in lines["one-to-one"]
    assert ["relations,", "lenient", "-", "-", "-"] in lines["one-to-one"]
    # In this protocol, it counts as 0 in the mean.
    assert ["2", "0", "0.00", "0.00", "0", "0.00", "0.00"] in lines["n2c2-2018"]


def test_score_compares_two_arms_in_words(gold: Path, tmp_path: Path) -> None:
    arm = write_brat(tmp_path / "arm", {"1": (TEXT, PREDICTED), "2": (TEXT, PREDICTED)})
    code, out, _ = run("score", gold, arm, "--compare", arm)
    assert code == 0
    assert (
        f"entities, strict, micro F1: {arm} and {arm} are not distinguishable at the 0.05 level: "
        "they differ by 0.00 points (p = 1.0000, 2 notes; one run of each)" in out
    )


def test_both_arms_are_scored_by_the_same_texts(tmp_path: Path) -> None:
    """Only a text tells that what is between two pieces is white space."""
    ann = {"gold": "T1\tDrug 0 4;5 9\tabcd efgh\n", "arm": "T1\tDrug 0 9\tabcd efgh\n"}
    folders = {}
    for name in ("gold", "arm", "other"):
        folders[name] = write_brat(
            tmp_path / name, {"1": ("abcd\nefgh", ann.get(name, ann["arm"]))}
        )
    for name in ("gold", "arm"):
        (folders[name] / "1.txt").unlink()
    code, out, _ = run("score", folders["gold"], folders["arm"], "--compare", folders["other"])
    assert (code, "they differ by 0.00 points" in out) == (0, True)
    (folders["arm"] / "1.txt").write_text("abcd-efgh")
    code, _, err = run("score", folders["gold"], folders["arm"], "--compare", folders["other"])
    assert (code, f"1: its text in {folders['arm']} is not that in" in err) == (1, True), err


def test_arms_without_the_same_notes_are_told_apart(gold: Path, tmp_path: Path) -> None:
    arm = write_brat(tmp_path / "arm", {"1": (TEXT, GOLD)})
    code, _, err = run("score", gold, gold, "--compare", arm, "--protocol", "n2c2-2018")
    assert (code, f"{arm} was not scored on 2, the other arm was" in err) == (1, True), err
    assert "use --protocol one-to-one" in err


def test_names_of_notes_that_look_the_same_are_told_apart(tmp_path: Path) -> None:
    # macOS and some tools write é as e with a combining accent.
    folders = [
        write_brat(tmp_path / side, {name: ("pain", ""), "b": ("pain", "")})
        for side, name in (("gold", "caf\u00e9"), ("found", "cafe\u0301"))
    ]
    code, _, err = run("score", *folders)
    assert code == 3
    for name in ("'caf\\xe9'", "'cafe\\u0301'"):
        assert f"{name} (another differs from it only in case, or in how accents" in err


def test_a_folder_of_misspelt_files_is_told(gold: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "1.ANN").write_text("")
    code, _, err = run("score", gold, tmp_path / "odd")
    assert (code, "its name ends in .ANN; expected .ann" in err) == (1, True), err


def test_score_warns_of_labels_that_differ_in_case_alone(tmp_path: Path) -> None:
    folders = [
        write_brat(tmp_path / label, {"1": ("aspirin", f"T1\t{label} 0 7\taspirin\n")})
        for label in ("Drug", "drug")
    ]
    code, out, err = run("score", *folders, "--json")
    assert (code, json.loads(out)["entities"]["lenient"]["micro"]["tp"]) == (3, 0)
    assert "1 labels that differ only in case, or in how accents are encoded: scored" in err
    places = [f"{label}, first in {tmp_path / label / '1.ann'}:1" for label in ("Drug", "drug")]
    assert f"  {places[0]}; {places[1]}" in err


def test_score_tells_labels_apart_that_look_the_same(tmp_path: Path) -> None:
    # macOS and some editors write é as e with a combining accent.
    folders = [
        write_brat(tmp_path / side, {"1": ("disnea", f"T1\t{label} 0 6\tdisnea\n")})
        for side, label in (("gold", "S\u00edntoma"), ("found", "Si\u0301ntoma"))
    ]
    code, out, err = run("score", *folders, "--json")
    assert (code, json.loads(out)["entities"]["strict"]["micro"]["tp"]) == (3, 0)
    found, gold = (tmp_path / side / "1.ann" for side in ("found", "gold"))
    assert f"  'Si\\u0301ntoma', first in {found}:1; 'S\\xedntoma', first in {gold}:1" in err


def test_a_mention_and_a_relation_may_have_one_name(tmp_path: Path) -> None:
    ann = "T1\tDrug 0 7\taspirin\nT2\tDose 8 13\t81 mg\nR1\tdose Arg1:T1 Arg2:T2\n"
    folders = [
        write_brat(tmp_path / side, {"1": ("aspirin 81 mg", ann)}) for side in ("gold", "arm")
    ]
    code, _, err = run("score", *folders)
    assert (code, err) == (0, "")


def test_a_relation_to_nothing_is_named_and_not_scored(gold: Path, tmp_path: Path) -> None:
    bad = write_brat(
        tmp_path / "bad", dict.fromkeys("12", (TEXT, f"{GOLD}R9\tForm-Drug Arg1:T1 Arg2:T77\n"))
    )
    code, out, err = run("score", gold, bad, "--json")
    assert (code, json.loads(out)["relations"]["strict"]["micro"]["fp"]) == (3, 0)
    assert f"{bad / '1.ann'}:{GOLD.count(chr(10)) + 1}: " in err


def test_the_exit_code_is_0_where_nothing_had_to_be_said(gold: Path, tmp_path: Path) -> None:
    same = write_brat(tmp_path / "same", {"1": (TEXT, GOLD), "2": (TEXT, "")})
    (gold / "2.ann").unlink()
    code, _, err = run("score", gold, same, "--compare", same)
    assert (code, "no .ann, read as a note with nothing in it" in err) == (0, True)
    less = write_brat(tmp_path / "less", {"1": (TEXT, GOLD)})
    assert run("score", gold, same, "--compare", less)[0] == 3


def test_with_two_arms_what_is_to_be_said_of_gold_is_said_once(tmp_path: Path) -> None:
    odd = f"{GOLD}R9\tForm-Drug Arg1:T1 Arg2:T77\nT9\tdrug 0 7\taspirin\n"
    gold = write_brat(tmp_path / "gold", {"1": (TEXT, odd), "2": (TEXT, GOLD), "3": (TEXT, "")})
    (gold / "3.ann").unlink()
    arms = [
        write_brat(tmp_path / name, dict.fromkeys("13", (TEXT, f"{GOLD}T8\tx\n"))) for name in "ab"
    ]
    code, _, err = run("score", gold, arms[0], "--compare", arms[1])
    assert code == 3
    for once in (f"{gold / '1.ann'}:5:", f"  {gold / '3.txt'}", "Drug, first in"):
        assert err.count(once) == 1
    for arm in arms:
        assert f"1 not in {arm}, scored as all missed:\n  2\n" in err
        assert err.count(f"{arm / '1.ann'}:5:") == 1


def test_without_a_common_note_the_official_counts_are_refused(gold: Path, tmp_path: Path) -> None:
    other = write_brat(tmp_path / "other", {"9": (TEXT, "")})
    code, out, err = run("score", gold, other, "--protocol", "n2c2-2018")
    assert (code, out) == (1, "")
    assert "no note in common: nothing is scored" in err


def test_score_tells_what_it_could_not_read(gold: Path, tmp_path: Path) -> None:
    bad = write_brat(tmp_path / "bad", {"1": (TEXT, "T1\tDrug 0 x\t\n" * 30), "2": (TEXT, "")})
    (bad / "2.ann").unlink()
    code, _, err = run("score", gold, bad)
    assert code == 3
    assert f"  {bad / '1.ann'}:1: T1: " in err
    assert "  … and 10 more" in err
    assert f"1 no .ann, read as a note with nothing in it:\n  {bad / '2.txt'}" in err


def test_score_refuses_in_one_line(gold: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = write_brat(tmp_path / "other", {"2": (f"{TEXT}!", "")})
    for args, message in [
        ((gold, tmp_path / "empty"), "holds no .txt"),
        ((tmp_path / "nowhere", gold), "no such folder"),
        ((gold, other), "2.txt:1: its text differs"),
        ((gold, gold, "--protocol", "muc"), "expected one of one-to-one, n2c2-2018"),
    ]:
        code, out, err = run("score", *args)
        assert (code, out) == (1, "")
        assert message in err
        assert err.startswith("clinical-ie: ")
        assert err.count("\n") == 1
