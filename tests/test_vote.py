import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import spacy
import torch
from spacy.language import Language

from clinical_ie.annotate import load_pipeline
from clinical_ie.brat import Standoff
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.doc import Annotations, Mention, annotations_of
from clinical_ie.scoring.evaluation import calibrated_pipes, relate_given
from clinical_ie.vote import (
    BESIDE,
    ClinicalVote,
    add_vote,
    best_threshold,
    elected,
    strict_f1,
    tally,
)
from tests.conftest import examples, run_script

TEXT = "He took aspirin 81 mg daily for chest pain."


def mentions(*found: tuple[int, int, str, float]) -> Annotations:
    return Annotations(
        [Mention(f"T{n}", label, ((a, b),), score) for n, (a, b, label, score) in enumerate(found)]
    )


def keys(annotations: Annotations) -> list[tuple[int, int, str]]:
    return [(mention.start, mention.end, mention.label) for mention in annotations.mentions]


def test_a_vote_is_the_weighted_mean_of_scores():
    found = [mentions((0, 4, "Drug", 0.8)), mentions((0, 4, "Drug", 0.5), (0, 4, "ADE", 0.6))]
    votes = tally(found, [3.0, 1.0])
    assert votes == {
        (0, 4, "Drug"): pytest.approx(0.75 * 0.8 + 0.25 * 0.5),
        (0, 4, "ADE"): pytest.approx(0.25 * 0.6),
    }
    # A pipeline votes once for a mention, even if it lists it twice.
    assert tally([mentions((0, 4, "X", 0.4), (0, 4, "X", 0.9))], [2.0]) == {(0, 4, "X"): 0.9}


def test_the_best_are_elected():
    votes = {(0, 9, "A"): 0.6, (5, 12, "B"): 0.65, (12, 14, "A"): 0.3, (14, 15, "A"): 0.29}
    assert keys(elected(votes, 0.3)) == [(5, 12, "B"), (12, 14, "A")]
    chosen = elected(votes, 0.3).mentions
    assert [(m.id, m.score) for m in chosen] == [("T1", 0.65), ("T2", 0.3)]
    assert keys(elected({}, 0.0)) == []


def test_mentions_of_other_types_stand_beside_one_if_most_vote_for_them():
    votes = {(0, 9, "ADE"): 0.9, (0, 9, "Reason"): BESIDE, (5, 9, "ADE"): 0.8, (0, 3, "X"): 0.69}
    assert keys(elected(votes, 0.3)) == [(0, 9, "ADE"), (0, 9, "Reason")]


def test_the_threshold_is_chosen_by_f1():
    gold = {"a": mentions((0, 4, "X", 1.0), (5, 7, "X", 1.0)), "b": mentions()}
    votes = {"a": {(0, 4, "X"): 0.8, (5, 7, "X"): 0.62}, "b": {(0, 2, "X"): 0.58}}
    texts = {"a": "some text", "b": "more"}
    assert best_threshold(votes, gold, texts) == (0.6, 1.0)
    found = {"a": gold["a"], "b": mentions((0, 1, "X", 1.0))}
    assert strict_f1(gold, found, texts) == pytest.approx(0.8)


def test_a_line_break_in_a_gold_mention_does_not_matter():
    """As in all other scores: brat splits a mention there, and a pipeline does not."""
    gold = {"a": Annotations([Mention("T1", "X", ((0, 5), (6, 10)))])}
    assert best_threshold({"a": {(0, 10, "X"): 0.6}}, gold, {"a": "chest\npain"}) == (0.6, 1.0)


@pytest.fixture
def joined(learned):
    """The pipeline that knows the notes, outvoted by one that calls every drug a device."""
    nlp, member = spacy.load(learned), spacy.load(learned)
    cfg = member.get_pipe("clinical_ner").cfg
    cfg["labels"] = [{"Drug": "Device"}.get(label, label) for label in cfg["labels"]]
    add_vote(nlp, [member], [1.0, 2.0], 0.3)
    return nlp


def found_by(nlp, text=TEXT):
    doc = nlp(text)
    return {(span.text, span.label_) for span in doc.spans["entities"]}, {
        (relation.label, relation.head.text) for relation in doc._.relations
    }


def test_the_pipeline_is_outvoted(learned, joined):
    alone, relations = found_by(spacy.load(learned))
    assert ("aspirin", "Drug") in alone
    found, _ = found_by(joined)
    assert found == alone - {("aspirin", "Drug")} | {("aspirin", "Device")}
    assert relations
    [same] = joined.pipe([TEXT])
    assert {(span.text, span.label_) for span in same.spans["entities"]} == found
    assert next(ent.label_ for ent in same.ents) == "Device"
    assert len(joined("")) == 0


def test_threads_take_turns_with_a_member():
    """What one made in the member's vocabulary would be freed while another still reads it."""
    reading: list[str] = []
    together: list[int] = []

    @Language.component("slow_reader")
    def read(doc):
        reading.append(doc.text)
        time.sleep(0.05)
        together.append(len(reading))
        reading.remove(doc.text)
        return doc

    vote = ClinicalVote("vote", threshold=0.5, own_weight=1.0, weights=[1.0])
    vote.members = [spacy.blank("en")]
    vote.members[0].add_pipe("slow_reader")
    docs = [spacy.blank("en")(text) for text in ("one", "two", "three")]
    with ThreadPoolExecutor(len(docs)) as pool:
        assert [doc.text for doc in pool.map(vote, docs)] == ["one", "two", "three"]
    assert together == [1, 1, 1]


def test_numbers_continue_after_those_of_the_file(joined):
    doc = joined.make_doc(TEXT)
    doc._.standoff = Standoff.parse("T7\tX 0 2\tHe\n")
    assert [span.id_ for span in joined(doc).spans["entities"]] == ["T8", "T9", "T10"]


def test_relations_on_gold_mentions_are_not_voted_on(joined, notes):
    gold = {"n": annotations_of(notes[0])}
    [(_, doc)] = relate_given(joined, gold, {"n": notes[0].text})
    assert annotations_of(doc).mentions == gold["n"].mentions
    assert {link.label for link in annotations_of(doc).links} == {"Strength-Drug", "Reason-Drug"}
    assert set(calibrated_pipes(joined)) == {"relations"}


def test_a_saved_vote_is_complete(joined, tmp_path: Path):
    joined.to_disk(tmp_path / "vote")
    shutil.move(tmp_path / "vote", tmp_path / "moved")
    expected = found_by(joined)
    assert found_by(spacy.load(tmp_path / "moved")) == expected
    empty = spacy.util.load_model_from_config(joined.config, auto_fill=True)
    with pytest.raises(ValueError, match="has 0 members for 1 weights"):
        empty.get_pipe("clinical_vote")(spacy.blank("en")(TEXT))
    assert found_by(empty.from_bytes(joined.to_bytes())) == expected


@pytest.mark.parametrize(
    ("chosen", "read"), [(None, "float32"), ("int8", "int8"), ("bf16", "bfloat16")]
)
def test_all_pipelines_of_a_vote_read_with_the_precision(joined, tmp_path: Path, chosen, read):
    joined.to_disk(tmp_path / "vote")
    nlp = load_pipeline(str(tmp_path / "vote"), precision=chosen)
    for each in (nlp, *nlp.get_pipe("clinical_vote").members):
        assert each.get_pipe("tok2vec").model.layers[0].shims[0].precision == read


def test_the_first_pipeline_must_find_mentions(joined):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="no clinical_ner, but sentencizer"):
        add_vote(nlp, [joined], [1.0, 1.0])


def test_the_script_joins_chooses_and_saves_no_words(learned, notes, tmp_path: Path):
    write_docs(notes[:1], tmp_path / "dev.spacy")
    other = tmp_path / "other"
    shutil.copytree(learned, other)
    out = tmp_path / "made" / "vote"
    arguments = ["--teacher", learned, "--teacher", other, "--teacher", learned]
    for _ in range(2):
        # The second run replaces what the first has made.
        result = run_script("vote.py", out, *arguments, "--dev", tmp_path / "dev.spacy")
        assert result.exit_code == 0, result.stderr
    assert [path.name for path in out.parent.iterdir()] == ["vote"]
    assert f"{learned}: 100.00" in result.stdout.replace("\n", "")
    assert "their vote, from 0." in result.stdout
    nlp = spacy.load(out)
    assert nlp.meta["performance"]["mentions_strict_f"] == 1.0
    assert nlp.get_pipe("clinical_vote").weights == [2.0, 1.0]
    assert "clinical_relations" not in nlp.get_pipe("clinical_vote").members[0].pipe_names
    assert nlp.evaluate(examples(nlp, notes[:1]))["relations_strict_f"] == 1.0
    for strings in out.rglob("strings.json"):
        assert "aspirin" not in json.loads(strings.read_text("utf8"))
    assert len(list(out.rglob("strings.json"))) == 2


def test_the_script_refuses(learned, notes, tmp_path: Path):
    write_docs(notes[:1], tmp_path / "dev.spacy")
    dev = ["--dev", tmp_path / "dev.spacy"]
    result = run_script("vote.py", tmp_path / "out", "--teacher", learned, *dev)
    assert (result.exit_code, "nobody to vote with" in result.stderr) == (1, True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("keep")
    result = run_script("vote.py", mine, "--teacher", learned, "--teacher", mine, *dev)
    assert (result.exit_code, "would be replaced" in result.stderr) == (1, True)
    assert (mine / "letter.txt").read_text() == "keep"
    result = run_script("vote.py", tmp_path / "o", "--teacher", learned, "--teacher", mine, *dev)
    assert (result.exit_code, "cannot load the pipeline" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "fewer teachers may help: CUDA out of"),
    ],
)
def test_the_script_that_cannot_go_on_says_so(
    learned, notes, tmp_path: Path, monkeypatch, error, code, told
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("clinical_ie.vote.ClinicalVote.found", fail)
    write_docs(notes[:1], tmp_path / "dev.spacy")
    shutil.copytree(learned, tmp_path / "other")
    teachers = ["--teacher", learned, "--teacher", tmp_path / "other"]
    result = run_script("vote.py", tmp_path / "out", *teachers, "--dev", tmp_path / "dev.spacy")
    assert (result.exit_code, told in result.stderr) == (code, True)
    assert not (tmp_path / "out").exists()
