import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from clinical_ie.doc import Annotations
from clinical_ie.report.metrics import arm_metrics, read_arms
from clinical_ie.report.tables import tables_markdown
from clinical_ie.report.terminal import arm_tables, score_table, table_console

from .helpers import GOLD, evaluation, metrics

FULL = "100.00 / 100.00 / 100.00"


def test_markdown() -> None:
    text = tables_markdown({"no_aug": metrics(1), "with_aug": metrics(2)})
    for protocol in ("one-to-one", "n2c2-2018"):
        assert (
            f"Entities and relations. Micro P / R / F1 in percent; protocol: {protocol}; "
            "setting: end-to-end; split: test; notes: 1.\n"
            "\n"
            "| arm | NER strict | RE strict | NER lenient | RE lenient |\n"
            "| --- | --- | --- | --- | --- |\n"
            "| no_aug | 100.00 / 50.00 / 66.67 | 0.00 / 0.00 / 0.00 | 100.00 / 50.00 / 66.67 "
            "| 0.00 / 0.00 / 0.00 |\n"
            f"| with_aug | {FULL} | {FULL} | {FULL} | {FULL} |\n"
        ) in text
        assert f"protocol: {protocol}; setting: gold entities; split: test; notes: 1.\n" in text
    assert text.count("| arm | RE strict | RE lenient | candidate ceiling |\n") == 2
    assert text.count(f"| with_aug | {FULL} | {FULL} | 75.00 |\n") == 2
    # Correct predictions with scores of 1 are calibrated.
    assert "| with_aug | 0.00 → 0.00 | 0.00 → 0.00 |\n" in text


def test_nothing_to_find_and_nothing_found_is_no_score() -> None:
    nothing, text = Annotations(), {"a": "aspirin 81 mg"}
    found = evaluation({"a": nothing}, {"a": nothing}, text)
    options = {"split": "test", "fallback": False, "pipeline": {"name": "", "version": ""}}
    empty = arm_metrics(found, **options)
    # Another arm found relations, so there are tables of them.
    text = tables_markdown({"no_aug": empty, "with_aug": metrics()})
    assert text.count("| no_aug | - | - | - | - |\n") == 2
    assert text.count("| no_aug | - | - | 75.00 |\n") == 2
    # There is no calibration error either.
    assert "| no_aug | - | - |\n" in text


def test_where_there_are_no_relations_that_is_told_instead() -> None:
    gold = {"a": Annotations(GOLD.mentions, [])}
    found = evaluation(gold, {"a": Annotations()}, {"a": "aspirin 81 mg"})
    options = {"split": "test", "fallback": False, "pipeline": {"name": "", "version": ""}}
    arm = arm_metrics(found, corpus_format="i2b2-2012", **options)
    assert arm["relations"]["strict"]["micro"]["tp"] == 0
    text = tables_markdown({"no_aug": arm})
    zero = "0.00 / 0.00 / 0.00"
    assert text.count(f"| no_aug | {zero} | {zero} |\n") == 2
    assert text.count("Entities. Micro P / R / F1 in percent; protocol: ") == 2
    assert text.count("There are no relations, neither gold nor predicted. Not the official") == 2
    assert (
        text.count("| paper, +230 notes | 83.39 / 80.27 / 81.80 | 89.72 / 85.91 / 87.77 |\n") == 2
    )
    assert "RE " not in text
    assert "candidate ceiling" not in text
    assert "| arm | entities |\n" in text


def test_i2b2_says_beside_the_number_what_it_is_not() -> None:
    assert "official EVENT" not in tables_markdown({"a": metrics()})
    text = tables_markdown({"a": metrics(corpus_format="i2b2-2012")})
    for protocol in ("one-to-one", "n2c2-2018"):
        sentence = (
            f"protocol: {protocol}; setting: end-to-end; split: test; notes: 1. "
            "Not the official EVENT scores of i2b2-2012:"
        )
        assert sentence in text


def test_the_papers_rows_stand_beside_end_to_end_scores_of_its_corpora() -> None:
    assert "paper" not in tables_markdown({"a": metrics()})
    text = tables_markdown({"a": metrics(corpus_format="n2c2-2018")})
    row = (
        "| paper, +317 notes | 91.82 / 88.16 / 89.95 | 87.62 / 80.94 / 84.15 "
        "| 96.04 / 92.10 / 94.03 | 94.58 / 87.24 / 90.76 |\n"
    )
    # Once for each protocol; the paper has no scores on gold entities.
    assert text.count(row) == text.count("| paper, no augmentation |") == 2
    assert text.count("The paper's rows are as published, not scored by this protocol.") == 2
    of_i2b2 = tables_markdown({"a": metrics(corpus_format="i2b2-2012")})
    assert "| paper, +230 notes | 83.39 / 80.27 / 81.80 | - |" in of_i2b2


def test_speed_and_memory_stand_in_the_metrics() -> None:
    found = metrics()
    assert found["words_per_second"] == 1.5
    assert (found["seconds"], found["words"], found["peak_memory_mb"]) == (2.0, 3, 100.5)


def test_unlike_arms_do_not_stand_side_by_side() -> None:
    with pytest.raises(ValueError, match=r"differ in 'split'.*evaluate all of them together"):
        tables_markdown({"a": metrics(), "b": metrics(split="dev")})


def test_arms_are_told_from_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(metrics()))
    (tmp_path / "convert.json").write_text('{"train": 3}')
    (tmp_path / "list.json").write_text("[]")
    assert read_arms(tmp_path) == {"a": metrics()}
    (tmp_path / "no_aug.json").write_text("{")
    with pytest.raises(ValueError, match=r"no_aug\.json: not JSON .*; evaluate again"):
        read_arms(tmp_path)
    (tmp_path / "no_aug.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no <arm>\.json"):
        read_arms(tmp_path / "nowhere")


def test_the_papers_rows_are_whole_where_the_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arm = metrics(corpus_format="n2c2-2018")
    table_console().print(arm_tables({"no_aug": arm})[0])
    [line] = [line for line in capsys.readouterr().out.splitlines() if "no augmentation" in line]
    assert line.split()[:3] == ["paper,", "no", "augmentation"]
    assert line.split()[-1] == "90.39"
    assert line.count("/") == 8


def test_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=110)
    for table in arm_tables({"no_aug": metrics(1)}):
        console.print(table)
    found = metrics(1)
    for task in ("entities", "relations"):
        console.print(score_table(found, task))
    text = stream.getvalue()
    assert "100.00 / 50.00 / 66.67" in text
    assert "entities, percent, protocol: one-to-one" in text
    lines = {words[0]: words[1:] for line in text.splitlines() if (words := line.split())}
    assert lines["Drug"] == ["1", "1", *["100.00"] * 6]
    assert lines["<Dose>"] == ["1", "0", *["0.00"] * 6]


def test_where_no_note_is_annotated_that_is_told_beside_the_zeros() -> None:
    told = "notes: 1. No note has an annotation: recall and F1 say nothing."
    options = {"split": "test", "fallback": False, "pipeline": {"name": "", "version": ""}}
    found = evaluation({"a": Annotations()}, {"a": GOLD}, {"a": "aspirin 81 mg"})
    text = tables_markdown({"no_aug": arm_metrics(found, **options)})
    assert "| no_aug | 0.00 / 0.00 / 0.00 " in text
    assert text.count(told) == 2
    assert told not in tables_markdown({"no_aug": metrics()})


def test_a_ceiling_of_zero_is_a_number() -> None:
    arm = metrics()
    for ceiling, cell in ((0.0, "0.00"), (None, "-")):
        arm["gold_entities"]["candidate_ceiling"] = ceiling
        assert f"| {FULL} | {FULL} | {cell} |\n" in tables_markdown({"no_aug": arm})
