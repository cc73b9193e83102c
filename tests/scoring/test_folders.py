from pathlib import Path

import pytest

from clinical_ie.scoring import score
from clinical_ie.scoring.folders import read_pair

from .helpers import write_brat

TEXT = "aspirin 81 mg"
ANN = "T1\tDrug 0 7\taspirin\n"


def test_names_run_below_the_folders(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"a/1": (TEXT, ANN), "a/2": (TEXT, ANN), "b/1": (TEXT, "")})
    predicted = write_brat(tmp_path / "p", {"a/1": (TEXT, ANN), "c": (TEXT, ANN)})
    (predicted / "c.ann").unlink()
    pair = read_pair(gold, predicted)
    assert (pair.missing, pair.extra) == (["a/2", "b/1"], ["c"])
    assert pair.without_ann == [predicted / "c.txt"]
    micro = score(pair.gold, pair.predicted, texts=pair.texts)["entities"]["strict"]["micro"]
    assert (micro["tp"], micro["fp"], micro["fn"]) == (1, 0, 1)


def test_problems_name_file_and_line(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    predicted = write_brat(tmp_path / "p", {"1": (TEXT, f"{ANN}R1\tX Arg1:T1 Arg2:T9\n")})
    (problem,) = read_pair(gold, predicted).problems
    assert str(problem).startswith(f"{predicted / '1.ann'}:2: R1 names T9")


def test_other_text_names_the_file(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    predicted = write_brat(tmp_path / "p", {"1": (TEXT.replace(" 81", "  81"), ANN)})
    with pytest.raises(ValueError, match=r"p/1\.txt: its text differs .* character 8 "):
        read_pair(gold, predicted)
    predicted = write_brat(tmp_path / "q", {"1": (TEXT[:4], "")})
    with pytest.raises(ValueError, match="character 4 "):
        read_pair(gold, predicted)


def test_byte_order_mark_where_nothing_counts_it(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (f"\ufeff{TEXT}", ANN)})
    predicted = write_brat(tmp_path / "p", {"1": (f"\ufeff{TEXT}", "")})
    pair = read_pair(gold, predicted)
    assert score(pair.gold, pair.predicted)["entities"]["strict"]["micro"]["fn"] == 1
    counted = write_brat(tmp_path / "q", {"1": (f"\ufeff{TEXT}", "T1\tDrug 1 8\taspirin\n")})
    with pytest.raises(ValueError, match="character 0 "):
        read_pair(gold, counted)


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    gold = write_brat(tmp_path / "g", {"1": (TEXT, ANN)})
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read_pair(gold, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no \.txt"):
        read_pair(tmp_path / "empty", gold)
