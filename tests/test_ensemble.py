import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config

from clinical_ie.annotate import load_pipeline
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.encoder.ensemble import EncoderEnsemble, is_ensemble
from clinical_ie.ensemble import join
from clinical_ie.heads.ensemble import MeanOfHeads
from clinical_ie.relations.candidates import Candidates, find_candidates
from tests.conftest import examples, pipeline_config, run_script

TEXT = "He took aspirin 81 mg daily for chest pain.\n\nMetformin 500 mg for diabetes."
HEADS = ("clinical_ner", "clinical_relations")


@pytest.fixture
def members(learned: Path) -> dict[str, Language]:
    """A pipeline that knows the notes, and one whose heads are a little off."""
    first, second = spacy.load(learned), spacy.load(learned)
    torch.manual_seed(0)
    for name in HEADS:
        for weights in second.get_pipe(name).model.shims[0]._model.parameters():
            weights.data += 0.1 * torch.randn_like(weights)
    return {"first": first, "second": second}


def encoded(nlp: Language, text: str = TEXT) -> Doc:
    return nlp.get_pipe("tok2vec")(nlp.make_doc(text))


def pairs(nlp: Language, doc: Doc) -> Candidates:
    nlp.get_pipe("clinical_ner")(doc)
    head = nlp.get_pipe("clinical_relations")
    return find_candidates(doc, list(doc.spans["entities"]), head.schema, head.max_distance)


def found_by(nlp: Language) -> tuple[list[tuple], list[tuple]]:
    doc = nlp(TEXT)
    return (
        [(span.start, span.end, span.label_) for span in doc.spans["entities"]],
        [(r.head.start, r.tail.start, r.label) for r in doc._.relations],
    )


def test_scores_are_the_mean_of_the_members(members):
    joined = join(members)
    docs = {name: encoded(nlp) for name, nlp in {**members, "joined": joined}.items()}
    of_each = {
        name: nlp.get_pipe("clinical_ner").model.predict([docs[name]])[0]
        for name, nlp in {**members, "joined": joined}.items()
    }
    assert np.abs(of_each["first"] - of_each["second"]).max() > 0.1
    mean = (of_each["first"] + of_each["second"]) / 2
    np.testing.assert_allclose(of_each["joined"], mean, rtol=1e-4, atol=1e-4)
    # Relations, between the mentions that the joined pipeline finds.
    candidates = pairs(joined, docs["joined"])
    assert len(candidates)
    of_each = {"joined": joined.get_pipe(HEADS[1]).model.predict([candidates])}
    spans = [(s.start, s.end, s.label_) for s in candidates.spans]
    for name, nlp in members.items():
        doc, head = docs[name], nlp.get_pipe(HEADS[1])
        own = [doc[start:end] for start, end, _ in spans]
        own = [
            spacy.tokens.Span(doc, s.start, s.end, label)
            for s, (_, _, label) in zip(own, spans, strict=True)
        ]
        same = find_candidates(doc, own, head.schema, head.max_distance)
        of_each[name] = head.model.predict([same])
    assert np.abs(of_each["first"] - of_each["second"]).max() > 0.1
    mean = (of_each["first"] + of_each["second"]) / 2
    np.testing.assert_allclose(of_each["joined"], mean, rtol=1e-4, atol=1e-4)


def test_a_pipeline_joined_with_itself_finds_the_same(learned):
    twins = {name: spacy.load(learned) for name in ("a", "b")}
    alone, joined = twins["a"], join(twins)
    for name in HEADS:
        # Bias and thresholds are chosen anew.
        keys = ("bias", "thresholds")
        for key in keys:
            if key in alone.get_pipe(name).cfg:
                joined.get_pipe(name).cfg[key] = alone.get_pipe(name).cfg[key]
    mentions, relations = found_by(alone)
    assert mentions
    assert relations
    assert found_by(joined) == (mentions, relations)
    assert len(joined("")) == 0
    assert [len(doc.spans["entities"]) for doc in joined.pipe(["", TEXT])] == [0, len(mentions)]


def test_a_saved_ensemble_is_complete_and_tells_no_folder(members, tmp_path: Path):
    joined = join(members)
    expected = found_by(joined)
    joined.to_disk(tmp_path / "made")
    shutil.move(tmp_path / "made", tmp_path / "moved")
    assert found_by(spacy.load(tmp_path / "moved")) == expected
    empty = load_model_from_config(joined.config, auto_fill=True)
    assert found_by(empty.from_bytes(joined.to_bytes())) == expected
    for settings in joined.config["components"]["tok2vec"]["model"]["encoders"].values():
        assert settings["name"] == Path(settings["name"]).name
    # The members are as they were.
    assert not any(is_ensemble(nlp.config) for nlp in members.values())
    assert is_ensemble(joined.config)


@pytest.mark.parametrize(
    ("chosen", "read"), [(None, "float32"), ("int8", "int8"), ("bf16", "bfloat16")]
)
def test_all_encoders_read_with_the_precision(members, tmp_path: Path, chosen, read):
    join(members).to_disk(tmp_path / "joined")
    nlp = load_pipeline(str(tmp_path / "joined"), precision=chosen)
    encoders = nlp.get_pipe("tok2vec").model.layers
    assert [encoder.layers[0].shims[0].precision for encoder in encoders] == [read, read]


def test_encoders_may_differ_in_width(members, tiny_bert: Path, notes):
    config = pipeline_config(tiny_bert, width=64)
    for name in HEADS:
        config["components"][name]["model"]["tok2vec"]["width"] = 64
    wider = load_model_from_config(config, auto_fill=True)
    batch = examples(wider, notes)
    wider.initialize(lambda: batch)
    joined = join({"first": members["first"], "wider": wider})
    widths = [members["first"].get_pipe("tok2vec").model.get_dim("nO"), 64]
    assert joined("He took aspirin.").tensor.shape == (4, sum(widths))
    assert joined.get_pipe("clinical_ner").model.shims[0]._model.parts == widths


def test_components_are_known_whatever_they_are_called(members):
    expected = found_by(join(members))
    for name, called in (("tok2vec", "encoder"), (HEADS[0], "mentions"), (HEADS[1], "links")):
        members["first"].rename_pipe(name, called)
    assert found_by(join(members)) == expected
    assert found_by(join({name: members[name] for name in ("second", "first")})) == expected


def test_members_may_have_learned_from_other_notes(members):
    """Each of them knows the pairs of types of its own."""
    pairs = members["first"].get_pipe(HEADS[1]).cfg["type_pairs"]
    members["second"].get_pipe(HEADS[1]).cfg.update(
        type_pairs=[["ADE", "Reason"], pairs[0]], candidate_ceiling=0.5
    )
    joined = join(members).get_pipe(HEADS[1])
    assert joined.cfg["type_pairs"] == sorted([*pairs, ["ADE", "Reason"]])
    # Nobody knows the share of all of the notes.
    assert joined.cfg["candidate_ceiling"] is None


def other_labels(nlp: Language) -> None:
    nlp.get_pipe("clinical_ner").cfg["labels"] = ["Drug", "Device"]


def other_relations(nlp: Language) -> None:
    nlp.get_pipe("clinical_relations").cfg["labels"].append("Dose-Drug")


def other_tokenizer(nlp: Language) -> None:
    nlp.config["nlp"]["tokenizer"]["@tokenizers"] = "other"


def other_types(nlp: Language) -> None:
    nlp.get_pipe("clinical_relations").model.attrs["types"] = ["Drug"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            other_labels,
            "second cannot join first: the labels of mentions must be the same, but it "
            "lacks ADE, Reason, Strength and also has Device$",
        ),
        (other_relations, "the labels of relations must be the same, but it also has Dose-Drug$"),
        (other_tokenizer, "nlp.tokenizer must be the same, but it has {.*other"),
        (lambda nlp: setattr(nlp, "lang", "de"), "nlp.lang .* it has 'de', not 'en'"),
        (
            lambda nlp: setattr(nlp.get_pipe("clinical_ner"), "overlapping", False),
            "overlapping must be the same, but it has False, not True",
        ),
        *(
            (
                lambda nlp, name=name: nlp.get_pipe_config(name)["model"].update(hidden=64),
                f"{name}.model.hidden must be the same, but it has 64, not 32",
            )
            for name in HEADS
        ),
        (other_types, "the types of mentions beside relations must be the same, but it lacks ADE"),
        (lambda nlp: nlp.add_pipe("sentencizer"), "its components are tok2vec.*sentencizer; exp"),
        (lambda nlp: nlp.remove_pipe("tok2vec"), "second cannot be a member: its components are"),
        (lambda nlp: nlp.remove_pipe("clinical_relations"), "the components must be the same"),
        (
            lambda nlp: setattr(nlp.get_pipe("clinical_relations"), "max_distance", 9),
            "max_distance must be the same, but it has 9, not ",
        ),
        (
            lambda nlp: nlp.replace_listeners("tok2vec", "clinical_ner", ["model.tok2vec"]),
            "its clinical_ner has an encoder of its own",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(members, change, told):
    change(members["second"])
    with pytest.raises(ValueError, match=told):
        join(members)


def test_the_last_of_several_members_is_looked_at_too(members, learned: Path):
    third = spacy.load(learned)
    third.get_pipe("clinical_relations").max_distance = 9
    with pytest.raises(ValueError, match=r"third cannot join first: .*max_distance"):
        join(members | {"third": third})


def test_an_ensemble_has_members_that_are_none(members):
    with pytest.raises(ValueError, match="two members or more"):
        join({"first": members["first"]})
    with pytest.raises(ValueError, match="is an ensemble itself: name its members in its place"):
        join({"joined": join(members), "first": members["first"]})
    with pytest.raises(ValueError, match="two or more, not 1"):
        EncoderEnsemble({"0": members["first"].get_pipe("tok2vec").model})
    with pytest.raises(ValueError, match=r"parts = \[2, 3\]: must be positive, and add up to .* 6"):
        MeanOfHeads(torch.nn.Linear, 6, [2, 3])


@pytest.fixture
def given(learned, notes, tmp_path: Path) -> list[object]:
    """Arguments for the script: two pipelines, and a note."""
    write_docs(notes[:1], tmp_path / "dev.spacy")
    shutil.copytree(learned, tmp_path / "other")
    members = ["--member", learned, "--member", tmp_path / "other"]
    return [*members, "--dev", tmp_path / "dev.spacy"]


def test_the_script_joins_chooses_and_saves_no_words(given, notes, tmp_path: Path):
    out = tmp_path / "made" / "ensemble"
    for _ in range(2):
        # The second run replaces what the first has made.
        result = run_script("ensemble.py", out, *given)
        assert result.exit_code == 0, result.stderr
    assert out.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in out.parent.iterdir()] == ["ensemble"]
    assert result.stdout.count("100.00") == 9
    assert "all together" in result.stdout
    nlp = spacy.load(out)
    assert nlp.meta["performance"]["mentions_strict_f"] == 1.0
    assert nlp.meta["clinical_ie"].keys() >= {"mention_bias", "relation_thresholds"}
    assert nlp.evaluate(examples(nlp, notes[:1]))["relations_strict_f"] == 1.0
    [strings] = out.rglob("strings.json")
    assert "aspirin" not in json.loads(strings.read_text("utf8"))


def test_the_script_refuses(given, learned, tmp_path: Path):
    first, dev = given[:2], given[-2:]
    for members, told in (
        (first, "two members or more"),
        ([*first, *first], "named twice"),
        ([*first, "--member", tmp_path], "cannot load the pipeline"),
    ):
        result = run_script("ensemble.py", tmp_path / "out", *members, *dev)
        assert (result.exit_code, told in result.stderr) == (1, True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("keep")
    # An ensemble beside which something else was put.
    mixed = tmp_path / "mixed"
    join({name: spacy.load(learned) for name in "ab"}).to_disk(mixed)
    (mixed / "letter.txt").write_text("keep")
    for folder in (mine, learned, mixed):
        result = run_script("ensemble.py", folder, *given)
        assert (result.exit_code, "would be replaced" in result.stderr) == (1, True)
    for folder in (mine, mixed):
        assert (folder / "letter.txt").read_text() == "keep"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "fewer members may help: CUDA out of"),
    ],
)
def test_the_script_that_cannot_go_on_says_so(given, tmp_path, monkeypatch, error, code, told):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("clinical_ie.ner.component.ClinicalNER.predict", fail)
    result = run_script("ensemble.py", tmp_path / "out", *given)
    assert (result.exit_code, told in result.stderr) == (code, True)
    assert not (tmp_path / "out").exists()
