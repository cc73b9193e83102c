import pytest

from clinical_ie.report.seeds import seed_table, seed_tables_markdown
from clinical_ie.scoring import Counts, NoteCounts


def counts(tp: int, fp: int, fn: int, n_notes: int = 30) -> dict[str, NoteCounts]:
    modes = {"strict": {"Drug": Counts(tp, fp, fn)}, "lenient": {"Drug": Counts(tp + fp, 0, 0)}}
    return {f"{n}": {"entities": modes, "relations": modes} for n in range(n_notes)}


RUNS = {
    "no_aug": {0: counts(4, 4, 4), 1: counts(5, 3, 3)},
    "with_aug": {0: counts(7, 1, 1), 1: counts(7, 1, 1)},
}


def test_means_spread_and_significance() -> None:
    found = seed_table(RUNS, "end-to-end", "one-to-one")
    assert found["notes"] == 30
    f1 = found["arms"]["no_aug"]["entities"]["strict"]["f1"]
    assert (f1["mean"], f1["low"], f1["high"], f1["n"]) == (0.5625, 0.5, 0.625, 2)
    # All notes are alike, so there is no variance.
    assert f1["interval"] == [0.5625, 0.5625]
    [pair] = found["comparisons"]
    assert (pair["first"], pair["second"]) == ("no_aug", "with_aug")
    strict = pair["entities"]["strict"]
    assert strict["difference"]["value"] == pytest.approx(0.875 - 0.5625)
    assert strict["p"] < 0.001
    assert (strict["n_runs"], strict["p_runs"]) == (2, pytest.approx(0.0377, abs=1e-4))
    assert strict["in_words"].startswith("with_aug is better than no_aug by 31.25 points")


def test_markdown_has_protocol_setting_and_the_papers_rows() -> None:
    tables = [
        seed_table(RUNS, "end-to-end", "n2c2-2018"),
        seed_table(RUNS, "gold entities", "n2c2-2018"),
    ]
    text = seed_tables_markdown(tables, "test", "n2c2-2018")
    assert "protocol: n2c2-2018; setting: end-to-end; split: test; notes: 30" in text
    assert "| arm | NER strict | RE strict | NER lenient | RE lenient |" in text
    assert "| no_aug | 56.25 / 56.25 / 56.25 ± 8.84 [56.25, 56.25] |" in text
    assert text.count("| paper, +317 notes | 91.82 / 88.16 / 89.95 | 87.62 / 80.94 / 84.15 |") == 1
    assert "- NER strict: with_aug is better than no_aug by 31.25 points" in text
    assert "- RE strict: " in text
    assert text.count("p-values are not corrected for multiple comparisons.\n\n- ") == 2
    assert "paper" not in seed_tables_markdown(tables, "test", "brat")


def test_one_seed_has_no_spread() -> None:
    alone = {arm: {0: seeds[0]} for arm, seeds in RUNS.items()}
    text = seed_tables_markdown([seed_table(alone, "end-to-end", "one-to-one")], "test", "brat")
    assert "| no_aug | 50.00 / 50.00 / 50.00 [50.00, 50.00] |" in text


def test_i2b2_has_the_papers_entity_rows_and_what_they_are_not() -> None:
    table = seed_table(RUNS, "end-to-end", "one-to-one")
    text = seed_tables_markdown([table], "test", "i2b2-2012")
    assert "Not the official EVENT scores of i2b2-2012" in text
    row = "| paper, +230 notes | 83.39 / 80.27 / 81.80 | - | 89.72 / 85.91 / 87.77 | - |"
    assert row in text
    assert "official EVENT" not in seed_tables_markdown([table], "test", "n2c2-2018")


def test_arms_of_other_notes_are_refused() -> None:
    runs = {"a": {0: counts(1, 0, 0, 3)}, "b": {0: counts(1, 0, 0, 4)}}
    with pytest.raises(ValueError, match="only one of the arms"):
        seed_table(runs, "end-to-end", "one-to-one")
    with pytest.raises(ValueError, match="no runs"):
        seed_table({"a": {}}, "end-to-end", "one-to-one")


def test_where_there_are_no_relations_that_is_told_instead() -> None:
    runs = {
        arm: {
            seed: {
                name: note | {"relations": {"strict": {}, "lenient": {}}}
                for name, note in notes.items()
            }
            for seed, notes in seeds.items()
        }
        for arm, seeds in RUNS.items()
    }
    settings = ("end-to-end", "gold entities")
    text = seed_tables_markdown(
        [seed_table(runs, s, "one-to-one") for s in settings], "test", "brat"
    )
    assert "| arm | NER strict | NER lenient |\n" in text
    assert text.count("There are no relations, neither gold nor predicted.") == 1
    assert "RE " not in text
    assert "gold entities" not in text


def test_where_no_note_is_annotated_that_is_told() -> None:
    told = "No note has an annotation: recall and F1 say nothing."
    for runs, n_told in ((RUNS, 0), ({"no_aug": {0: counts(0, 3, 0)}}, 1)):
        table = seed_table(runs, "end-to-end", "one-to-one")
        assert seed_tables_markdown([table], "test", "brat").count(told) == n_told
