import importlib.util
import json
import os
import resource
from pathlib import Path
from types import ModuleType

import pytest
import spacy
import torch
from spacy.tokens import Doc

from clinical_ie.brat import read_note
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.doc import Annotations, Link, Mention, annotate, annotations_of
from clinical_ie.scoring import sum_up
from clinical_ie.scoring.evaluation import evaluate
from tests.conftest import run_script

from .helpers import save_pipeline

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate.py"


def gold_docs() -> list[Doc]:
    """Notes of which the pipeline finds Anna and Omar (as Next), and all of the second note."""
    nlp = spacy.blank("en")
    docs = [nlp("Anna saw dr. omar, Omar says."), nlp("Zoe met Ida.")]
    names = [[(0, 4), (13, 17), (19, 23)], [(0, 3), (8, 11)]]
    for number, (doc, spans) in enumerate(zip(docs, names, strict=True)):
        mentions = [Mention(f"T{i}", "Name", (span,)) for i, span in enumerate(spans)]
        links = [Link("Next", "T0", "T1")]
        assert not annotate(doc, Annotations(mentions, links))
        doc._.note_id = f"ward/{number}"
    return docs


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return save_pipeline(tmp_path / "pipeline")


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluate_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_end_to_end_and_gold_entities(pipeline: Path) -> None:
    docs, calls = gold_docs(), []
    evaluation = evaluate(spacy.load(pipeline), docs, lambda: calls.append(1))
    entities = evaluation.scores["entities"]["strict"]["micro"]
    assert (entities["tp"], entities["fp"], entities["fn"]) == (4, 0, 1)
    # End-to-end: Anna-Omar is wrong, Zoe-Ida is right.
    relations = evaluation.scores["relations"]["strict"]["micro"]
    assert (relations["tp"], relations["fp"], relations["fn"]) == (1, 1, 1)
    # On gold entities, Anna-omar is found, and omar-Omar is wrong.
    relations = evaluation.gold_entity_relations["strict"]["micro"]
    assert (relations["tp"], relations["fp"], relations["fn"]) == (2, 1, 0)
    assert len(calls) == 4
    assert evaluation.words == 9
    # These components do not report their candidates.
    assert evaluation.candidate_ceiling is None
    for setting, scores in (
        ("end-to-end", evaluation.scores["relations"]),
        ("gold entities", evaluation.gold_entity_relations),
    ):
        counts = evaluation.note_counts(setting, "one-to-one")
        assert sum_up(counts, "one-to-one")["relations"] == scores
    assert evaluation.peak_memory_mb is None or evaluation.peak_memory_mb > 10
    assert [len(doc._.relations) for doc in docs] == [1, 1], "gold is left as it was"


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux can forget an earlier peak"
)
def test_the_peak_of_memory_is_that_of_the_evaluation_alone(pipeline: Path) -> None:
    before = bytearray(400_000_000)
    before[:] = bytes(len(before))
    del before
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = evaluate(spacy.load(pipeline), gold_docs()).peak_memory_mb
    assert found is not None
    assert 10 < found < highest - 300


def test_where_a_line_breaks_a_mention_is_not_cut() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "Sign", "pattern": "chest\npain"}])
    gold = nlp.make_doc("Has chest\npain.")
    annotate(gold, Annotations([Mention("T1", "Sign", ((4, 9), (10, 14)))]))
    gold._.note_id = "a"
    found = evaluate(nlp, [gold])
    assert found.scores["entities"]["strict"]["micro"]["f1"] == 1.0
    counts = found.note_counts("end-to-end", "one-to-one")["a"]
    assert counts["entities"]["strict"]["Sign"].tp == 1


def test_doubled_note_ids_are_told(pipeline: Path) -> None:
    with pytest.raises(ValueError, match="two gold notes have the id 'ward/0'"):
        evaluate(spacy.load(pipeline), gold_docs() + gold_docs())


def test_script(pipeline: Path, script: ModuleType, tmp_path: Path) -> None:
    write_docs(gold_docs(), tmp_path / "test.spacy")
    out = tmp_path / "metrics"
    stale = out / "predictions" / "no_aug" / "stale.txt"
    stale.parent.mkdir(parents=True)
    stale.touch()
    script.main(tmp_path / "test.spacy", out, [f"no_aug={pipeline}", f"with_aug={pipeline}"])
    metrics = json.loads((out / "no_aug.json").read_text())
    assert metrics["protocol"] == "one-to-one"
    assert (metrics["setting"], metrics["split"], metrics["notes"]) == ("end-to-end", "test", 2)
    assert metrics["entities"]["strict"]["micro"]["f1"] == pytest.approx(8 / 9)
    assert metrics["gold_entities"]["relations"]["lenient"]["micro"]["recall"] == 1.0
    assert metrics["pipeline"]["version"]
    table = (out / "table.md").read_text()
    assert "protocol: one-to-one; setting: end-to-end; split: test; notes: 2." in table
    assert "setting: gold entities" in table
    ner, re = "100.00 / 80.00 / 88.89", "50.00 / 50.00 / 50.00"
    assert f"| with_aug | {ner} | {re} | {ner} | {re} |\n" in table
    assert "| no_aug | 66.67 / 100.00 / 80.00 | 66.67 / 100.00 / 80.00 | - |\n" in table
    folder = out / "predictions" / "no_aug"
    assert not (folder / "stale.txt").exists()
    note = read_note(folder / "ward" / "1.txt", folder)
    assert note.text == "Zoe met Ida."
    assert str(note.standoff).splitlines()[-1] == "R1\tNext Arg1:T1 Arg2:T2"
    assert (folder / "ward" / "1.ann").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_script_without_test_notes(
    pipeline: Path, script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_docs([], tmp_path / "test.spacy")
    write_docs(gold_docs(), tmp_path / "dev.spacy")
    out = tmp_path / "metrics"
    for gold in ("test.spacy", "nowhere.spacy"):
        script.main(tmp_path / gold, out, [f"a={pipeline}"], fallback_dev=tmp_path / "dev.spacy")
        assert "NO TEST NOTES" in capsys.readouterr().err
    assert json.loads((out / "a.json").read_text())["split"] == "dev"
    assert "split: dev (there was no test split)" in (out / "table.md").read_text()


def test_an_arm_that_fails_leaves_nothing_of_the_others(
    pipeline: Path, script: ModuleType, tmp_path: Path
) -> None:
    write_docs(gold_docs(), tmp_path / "test.spacy")
    with pytest.raises(script.typer.Exit):
        script.main(
            tmp_path / "test.spacy", tmp_path / "metrics", [f"a={pipeline}", "b=/no/such/folder"]
        )
    assert not (tmp_path / "metrics").exists()


def test_a_place_that_cannot_be_written_to_is_told_before_a_pipeline_runs(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_docs(gold_docs(), tmp_path / "test.spacy")
    within = tmp_path / "test.spacy" / "metrics"
    with pytest.raises(script.typer.Exit):
        script.main(tmp_path / "test.spacy", within, ["a=no/such/folder"])
    told = f"{tmp_path / 'test.spacy'} is a file; expected a folder, for {within}"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gold", "arm", "message"),
    [
        ("nowhere.spacy", "a=p", "no notes to score on"),
        ("test.spacy", "a", "expected NAME=PIPELINE"),
        ("test.spacy", "../a=p", "expected NAME=PIPELINE"),
        ("test.spacy", "a=p a=q", "two --arm have the same name"),
        ("test.spacy", "a=nowhere", "cannot load the pipeline nowhere"),
    ],
)
def test_script_tells_in_one_line(
    gold: str,
    arm: str,
    message: str,
    script: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_docs(gold_docs(), tmp_path / "test.spacy")
    with pytest.raises(script.typer.Exit) as stopped:
        script.main(tmp_path / gold, tmp_path / "metrics", arm.split())
    assert stopped.value.exit_code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_what_brat_cannot_express_is_scored_and_told(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "Side effect", "pattern": "Anna"}])
    nlp.to_disk(tmp_path / "pipeline")
    write_docs(gold_docs(), tmp_path / "test.spacy")
    out = tmp_path / "metrics"
    script.main(tmp_path / "test.spacy", out, [f"a={tmp_path / 'pipeline'}"])
    metrics = json.loads((out / "a.json").read_text())
    assert metrics["entities"]["strict"]["by_label"]["Side effect"]["fp"] == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-2] == "1 notes are scored, but brat cannot express what was found in them:"
    assert told[-1].startswith("  a, ward/0: ")
    assert "Side effect 0 4" in told[-1]
    notes = [path.stem for path in (out / "predictions" / "a").rglob("*.ann")]
    assert notes == ["1"]
    assert len((out / "predictions" / "a.jsonl").read_text().splitlines()) == 2


def test_a_gpu_whose_memory_is_full_is_told_in_one_line(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    monkeypatch.setattr("clinical_ie.scoring.evaluation.predict", full)
    write_docs(gold_docs(), tmp_path / "test.spacy")
    done = run_script(
        "evaluate.py", tmp_path / "test.spacy", tmp_path / "m", "--arm", f"a={pipeline}"
    )
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "evaluate: less of batch_pieces or nlp.batch_size in the pipeline's config.cfg may help: "
        "CUDA out of memory. Tried to allocate 2.00 GiB."
    )


def test_labels_that_can_never_be_found_are_told(learned: Path, notes: list[Doc], caplog) -> None:
    nlp = spacy.load(learned)
    docs = [doc.copy() for doc in notes]
    for number, doc in enumerate(docs):
        doc._.note_id = str(number)
    evaluate(nlp, docs)
    assert not caplog.messages
    found = annotations_of(docs[0])
    other = [mention._replace(label="Reason\x1b") for mention in found.mentions[2:]]
    links = [link._replace(label="Cause") for link in found.links]
    annotate(docs[0], Annotations(found.mentions[:2] + other, links))
    evaluate(nlp, docs)
    entities, relations = caplog.messages
    assert entities.startswith("1 of ")
    assert entities.endswith("so they count as missed: Reason\\x1b (1)")
    assert relations.startswith("2 of ")
    assert relations.endswith(
        "gold relations have labels that the pipeline was not trained on, so "
        "they count as missed: Cause (2)"
    )
