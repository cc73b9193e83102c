import json
import os
import stat
from collections import Counter
from pathlib import Path

import pytest
from spacy.tokens import Doc
from typer.testing import CliRunner

from clinical_ie.augment.config import ConfigError, load
from clinical_ie.augment.prompt import Prompt, Response
from clinical_ie.augment.run import augment
from clinical_ie.augment.summary import summary_lines
from clinical_ie.brat import list_notes, read_note
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.doc import annotations_of
from tests.augment.conftest import CONFIG, OPENING, Scripted, shouting
from tests.conftest import ROOT


def test_new_notes_are_written(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path, train_docs: list[Doc]
) -> None:
    steps: list[int] = []
    outcome = augment(train, out, out_dir, config, 3, seed=0, on_accepted=lambda: steps.append(1))
    assert len(steps) == 3
    docs = read_docs(out)
    assert sorted(doc._.note_id for doc in docs) == ["note-1.aug1", "note-2.aug1", "note-3.aug1"]
    originals = {doc._.note_id: doc for doc in train_docs}
    for doc in docs:
        origin = doc._.provenance
        original = originals[origin["source"]]
        [segment] = origin["segments"]
        start, end = segment["start"], segment["end"]
        after = original.text[end:]
        rewritten = f"{OPENING} {original.text[start:end]}"
        assert doc.text == original.text[:start] + rewritten + after
        old, new = annotations_of(original), annotations_of(doc)
        assert [original.text[m.start : m.end] for m in old.mentions] == [
            doc.text[m.start : m.end] for m in new.mentions
        ]
        assert old.links == new.links
        assert origin["model"]["@llm_models"] == "tests.Scripted.v1"
        assert segment["prompt_sha256"] in {prompt.sha256 for prompt in scripted.asked}
        assert segment["seed"] in {prompt.seed for prompt in scripted.asked}
        assert segment["variant"] == 0
    assert outcome.requests == len(scripted.asked) == 3


def test_brat_and_summary(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    scripted.script = lambda p: Response(f"{OPENING} {p.source}", 10, 4, 0.25)
    augment(train, out, out_dir, config, 3, seed=0)
    docs = {doc._.note_id: doc for doc in read_docs(out)}
    for path in list_notes(out_dir / "brat"):
        found = read_note(path, out_dir / "brat")
        annotations, problems = note_to_annotations(found)
        assert not problems
        assert found.text == docs[found.name].text
        expected = annotations_of(docs[found.name])
        pairs = zip(annotations.mentions, expected.mentions, strict=True)
        assert all((a.label, a.fragments) == (b.label, b.fragments) for a, b in pairs)
        assert len(annotations.links) == len(expected.links)
    summary = json.loads((out_dir / "augment.json").read_text())
    assert (summary["accepted"], summary["requests"]) == (3, 3)
    assert summary["tokens"] == {"prompt": 30, "completion": 12, "untold": 0}
    assert summary["seconds"]["model"] == 0.8
    assert summary["mentions"]["Drug"] == {"train": 4, "augmented": 4}
    assert summary["relations"]["ADE-Drug"] == {"train": 1, "augmented": 1}
    assert len(summary["examples"]) == 3
    assert summary["examples"][0]["rewrite"] == f"{OPENING} {summary['examples'][0]['source']}"
    assert summary["segments"]["tried"] == 3


def test_everything_is_readable_by_its_owner_alone(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    before = os.umask(0)
    try:
        augment(train, out, out_dir, config, 2, seed=0)
    finally:
        os.umask(before)
    for path in (out, out_dir, *out_dir.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert {path.name for path in out_dir.iterdir()} == {
        "brat",
        "provenance.jsonl",
        "journal.sqlite",
        "augment.json",
        "augment.html",
    }
    assert {path.name for path in out.parent.iterdir()} == {"augmented", "augmented.spacy"}


def test_failed_rewrites_are_tried_again_and_then_dropped(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    tries: Counter[str] = Counter()

    def script(prompt: Prompt) -> str:
        tries[prompt.source] += 1
        if "metformin" in prompt.source:
            return "Lost it all."
        return f"{OPENING} {prompt.source}" if tries[prompt.source] == 2 else prompt.source

    scripted.script = script
    outcome = augment(train, out, out_dir, config, 100, seed=0)
    assert max(tries.values()) == 3
    assert len(scripted.asked) == len({(p.source, p.seed) for p in scripted.asked})
    summary = json.loads((out_dir / "augment.json").read_text())
    lost = [source for source in tries if "metformin" in source]
    kept = [source for source in tries if "metformin" not in source]
    assert summary["accepted"] == outcome.accepted == len(kept)
    assert summary["dropped"]["missing marker"]["answers"] == 3 * len(lost)
    assert summary["dropped"]["missing marker"]["segments"] == len(lost)
    assert summary["dropped"]["missing marker"]["example"]["rewrite"] == "Lost it all."
    assert summary["dropped"]["unchanged"]["answers"] == len(kept)
    assert summary["dropped"]["unchanged"]["segments"] == 0
    assert summary["segments"]["given up"] == len(lost)
    assert summary["segments"]["available"] == summary["segments"]["tried"] == len(tries)
    assert summary["requests"] == len(scripted.asked)
    names = Counter(doc._.note_id.rsplit(".aug", 1)[0] for doc in read_docs(out))
    assert len({doc._.note_id for doc in read_docs(out)}) == names.total()


def test_run_again_asks_nothing_and_writes_the_same(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    augment(train, out, out_dir, config, 3, seed=0)
    before = {path: path.read_bytes() for path in (out, *(out_dir / "brat").iterdir())}
    asked = len(scripted.asked)
    augment(train, out, out_dir, config, 3, seed=0)
    assert len(scripted.asked) == asked
    assert {path: path.read_bytes() for path in before} == before
    augment(train, out, out_dir, config, 2, seed=1)
    assert len(list((out_dir / "brat").glob("*.txt"))) == 2


def test_batches_and_variants(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\nvariants = 2\nbatch_size = 4"))
    scripted.script = lambda p: f"{OPENING if p.variant else 'Now'} {p.source}"
    outcome = augment(train, out, out_dir, config, 100, seed=0)
    assert outcome.accepted == 2 * outcome.segments
    assert outcome.tried == outcome.segments
    assert Counter(doc._.provenance["segments"][0]["variant"] for doc in read_docs(out)) == {
        0: outcome.segments,
        1: outcome.segments,
    }


def test_no_more_is_asked_for_than_is_still_wanted(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\nbatch_size = 4"))
    scripted.script = lambda p: "Lost it." if len(scripted.asked) == 1 else shouting(p)
    assert augment(train, out, out_dir, config, 2, seed=0).accepted == 2
    # Both in one batch, and the first once more.
    assert len(scripted.asked) == 3


def test_an_interrupted_run_leaves_its_journal_alone(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    def script(prompt: Prompt) -> str:
        if len(scripted.asked) == 3:
            raise RuntimeError("the model died")
        return f"{OPENING} {prompt.source}"

    scripted.script = script
    with pytest.raises(RuntimeError, match="died"):
        augment(train, out, out_dir, config, 3, seed=0)
    assert not out.exists()
    assert {path.name for path in out_dir.iterdir()} == {"journal.sqlite"}
    augment(train, out, out_dir, config, 3, seed=0)
    assert len(scripted.asked) == 4


def test_no_notes_no_new_notes(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    augment(train, out, out_dir, config, 3, seed=0)
    before = _files(out, out_dir)
    write_docs([], train)
    assert augment(train, out, out_dir, config, 3, seed=0).accepted == 0
    # The notes of the earlier run stay.
    assert before
    assert _files(out, out_dir) == before
    assert json.loads((out_dir / "augment.json").read_text())["accepted"] == 0
    assert "0 new notes" in (out_dir / "augment.html").read_text()


def _files(out: Path, out_dir: Path) -> dict[Path, bytes]:
    paths = out, out_dir / "provenance.jsonl", *(out_dir / "brat").iterdir()
    return {path: path.read_bytes() for path in paths}


def test_the_script(
    scripted: Scripted,
    train: Path,
    config: Path,
    out: Path,
    out_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import typer

    from augment import main  # type: ignore[import-not-found]

    app = typer.Typer()
    app.command()(main)
    arguments = [str(train), str(out), str(out_dir), "--config", str(config), "--seed", "0"]
    result = CliRunner().invoke(app, [*arguments, "--n-augmented", "100"])
    assert result.exit_code == 0, result.output
    assert "[[T1|Drug:" in result.output or "[[Drug:" in result.output
    assert "asked for 100" in result.output
    config.write_text("[augment")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert f"augment: {config}: " in result.output


def test_several_segments_of_a_note_go_into_one(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path, train_docs: list[Doc]
) -> None:
    config.write_text(
        CONFIG.replace("tries = 3", "tries = 3\nsegments_per_note = 3\nmin_mentions = 1")
    )
    outcome = augment(train, out, out_dir, config, 3, seed=0)
    assert outcome.accepted == 3
    assert outcome.rewrites == len(scripted.asked) > 3
    originals = {doc._.note_id: doc for doc in train_docs}
    for doc in read_docs(out):
        segments = list(doc._.provenance["segments"])
        assert segments == sorted(segments, key=lambda segment: segment["start"])
        expected = original = originals[doc._.provenance["source"]].text
        for segment in reversed(segments):
            start = segment["start"]
            expected = f"{expected[:start]}{OPENING} {expected[start:]}"
        assert doc.text == expected
        old, new = annotations_of(originals[doc._.provenance["source"]]), annotations_of(doc)
        assert [original[m.start : m.end] for m in old.mentions] == [
            doc.text[m.start : m.end] for m in new.mentions
        ]
        assert old.links == new.links
    lines = (out_dir / "provenance.jsonl").read_text().splitlines()
    told = {line.pop("note"): line for line in map(json.loads, lines)}
    kept = {doc._.note_id: doc._.provenance for doc in read_docs(out)}
    assert told == json.loads(json.dumps(kept))


def test_rare_labels_first(scripted: Scripted, train: Path, config: Path, out: Path) -> None:
    config.write_text(CONFIG.replace("tries = 3", 'tries = 3\nstrategy = "rare_labels"'))
    augment(train, out, out.with_suffix(""), config, 1, seed=0)
    assert "[[ADE: " in scripted.asked[0].source


def test_weak_labels_first(
    scripted: Scripted, train: Path, config: Path, out: Path, tmp_path: Path
) -> None:
    errors = {"ADE": {"fp": 0, "fn": 0}, "Reason": {"fp": 0, "fn": 9}}
    metrics = {"split": "dev", "entities": {"strict": {"by_label": errors}}}
    (tmp_path / "dev.json").write_text(json.dumps(metrics))
    settings = f'tries = 3\nstrategy = "weak_labels"\ndev_metrics = "{tmp_path / "dev.json"}"'
    config.write_text(CONFIG.replace("tries = 3", settings))
    augment(train, out, out.with_suffix(""), config, 3, seed=0)
    assert all("Reason: " in prompt.source for prompt in scripted.asked)
    config.write_text(CONFIG.replace("tries = 3", 'tries = 3\nstrategy = "weak_labels"'))
    with pytest.raises(ConfigError, match="weak_labels needs dev_metrics"):
        augment(train, out, out.with_suffix(""), config, 3, seed=0)


@pytest.mark.parametrize("feedback", [True, False])
def test_the_error_is_fed_back_where_that_is_asked(
    feedback: bool, scripted: Scripted, train: Path, config: Path, out: Path
) -> None:
    config.write_text(CONFIG.replace("tries = 3", f"tries = 3\nfeedback = {str(feedback).lower()}"))
    scripted.script = lambda p: "Lost it." if p.tries == 0 else f"{OPENING} {p.source}"
    outcome = augment(train, out, out.with_suffix(""), config, 1, seed=0)
    assert outcome.accepted == 1
    first, second = scripted.asked
    assert (second.messages[-2]["content"] == "Lost it.") == feedback
    assert ("missing marker" in second.messages[-1]["content"]) == feedback
    assert first.seed != second.seed


def test_an_answer_without_end_is_not_fed_back(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\nfeedback = true"))
    scripted.script = lambda p: "[[Drug: x]] " * 10_000 if p.tries == 0 else shouting(p)
    assert augment(train, out, out_dir, config, 1, seed=0).accepted == 1
    first, second = scripted.asked
    assert (first.messages, str(first)) == (second.messages, str(second))


def test_what_is_no_answer_is_counted_and_asked_for_again(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    scripted.script = lambda p: Response("", fault="server error", answered=False)
    assert augment(train, out, out_dir, config, 2, seed=0).dropped["server error"].answers == 18
    scripted.script = lambda p: Response("", 5, 0, fault="refusal")
    asked = len(scripted.asked)
    outcome = augment(train, out, out_dir, config, 2, seed=0)
    assert (outcome.replayed, outcome.dropped["refusal"].answers) == (0, 18)
    # A refusal costs money, so the journal keeps it.
    outcome = augment(train, out, out_dir, config, 2, seed=0)
    assert (outcome.replayed, len(scripted.asked)) == (18, asked + 18)


def test_a_segment_is_given_up_once(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    config.write_text(CONFIG.replace("tries = 3", "tries = 2\nvariants = 3"))
    scripted.script = lambda p: "Lost it." if "insulin" not in p.source else shouting(p)
    outcome = augment(train, out, out_dir, config, 100, seed=0)
    kept = len({p.source for p in scripted.asked if "insulin" in p.source})
    summary = json.loads((out_dir / "augment.json").read_text())
    assert kept
    assert summary["segments"]["given up"] == outcome.tried - kept
    # A segment that succeeds late is not given up.
    scripted.script = lambda p: shouting(p) if p.variant else "Lost it."
    augment(train, out, out_dir, config, 100, seed=1)
    assert json.loads((out_dir / "augment.json").read_text())["segments"]["given up"] == 0


def test_cost_is_told_for_all_answers_and_for_this_run(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    prices = "prompt_price = 2.0\ncompletion_price = 10.0"
    config.write_text(CONFIG.replace("tries = 3", f"tries = 3\n{prices}"))
    scripted.script = lambda p: Response(f"{OPENING} {p.source}", 1_000_000, 100_000)
    for this_run, replayed in ((9.0, 0), (0.0, 3)):
        augment(train, out, out_dir, config, 3, seed=0)
        summary = json.loads((out_dir / "augment.json").read_text())
        assert summary["cost"] == {"all": 9.0, "this_run": this_run}
        assert summary["replayed"] == replayed


def test_new_terms_and_words_are_counted(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    scripted.script = lambda p: p.source.replace("500 mg", "7 g").replace("metformin", "tea")
    augment(train, out, out_dir, config, 1, seed=3)
    summary = json.loads((out_dir / "augment.json").read_text())
    [pair] = summary["examples"]
    assert "tea" in pair["rewrite"]
    assert summary["new_terms"]["Drug"] == {"terms": 1, "new": 1}
    assert summary["new_terms"]["Reason"] == {"terms": 1, "new": 0}
    diversity = summary["diversity"]
    assert diversity["distinct_words_new"] == 3
    assert 0 < diversity["words_kept"] < 1
    assert "tea</mark>" in (out_dir / "augment.html").read_text()


def test_no_more_requests_than_are_allowed(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    scripted.script = lambda prompt: "Sorry."
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\nmax_requests = 4"))
    outcome = augment(train, out, out_dir, config, 3, seed=0)
    assert len(scripted.asked) == outcome.asked == 4
    assert outcome.accepted == 0
    # Answers from the journal do not count.
    outcome = augment(train, out, out_dir, config, 3, seed=0)
    assert len(scripted.asked) == 8
    assert (outcome.asked, outcome.replayed) == (4, 4)


def test_a_model_whose_first_answers_are_all_bad_is_given_up(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    good = scripted.script
    scripted.script = lambda prompt: "Sorry."
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\ngive_up_after = 4"))
    for asked in (4, 0):
        outcome = augment(train, out, out_dir, config, 3, seed=0)
        assert outcome.accepted == 0
        assert (outcome.requests, outcome.asked) == (4, asked)
        assert "none of the first 4 answers was accepted" in "".join(summary_lines(outcome))
    # Not after a good one, nor where the limit is lifted.
    before = len(scripted.asked)
    scripted.script = lambda prompt: "Sorry." if len(scripted.asked) > before + 1 else good(prompt)
    outcome = augment(train, out, out_dir, config, 3, seed=1)
    assert outcome.rewrites >= 1
    assert outcome.requests > 4
    scripted.script = lambda prompt: "Sorry."
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\ngive_up_after = null"))
    outcome = augment(train, out, out_dir, config, 3, seed=2)
    assert outcome.requests > 4
    assert "yielded no more" in "".join(summary_lines(outcome))


def test_what_was_rewritten_before_the_last_request_is_kept(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    settings = "tries = 1\nmin_mentions = 1\nsegments_per_note = 2\nmax_requests = 1"
    config.write_text(CONFIG.replace("tries = 3", settings))
    outcome = augment(train, out, out_dir, config, 1, seed=1)
    # The note was to get a second rewritten segment, which was not asked for.
    assert outcome.tried == 1
    assert (outcome.asked, outcome.rewrites, outcome.accepted) == (1, 1, 1)
    assert len(read_docs(out)) == 1


@pytest.mark.parametrize("name", ["rules", "near", "tiny", "local", "endpoint"])
def test_the_project_configs_can_be_read(name: str, train: Path, tmp_path: Path) -> None:
    path = ROOT / "configs" / "augment" / f"{name}.cfg"
    settings, nlp, model = load(path, {"train": train, "journal": tmp_path / "journal.sqlite"})
    assert settings.tries
    assert nlp.pipe_names == ["llm"]
    names = {"rules": "Rules", "near": "Rules", "endpoint": "OpenAICompatible"}
    assert model["@llm_models"] == f"clinical_ie.{names.get(name, 'LlamaCpp')}.v1"


def test_without_a_language_model(train: Path, out: Path, out_dir: Path) -> None:
    outcome = augment(train, out, out_dir, ROOT / "configs" / "augment" / "rules.cfg", 2, seed=0)
    assert outcome.accepted == 2
    assert all(doc._.provenance["model"]["@llm_models"] for doc in read_docs(out))
