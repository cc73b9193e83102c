from pathlib import Path

# spacy-llm compares these annotations with the model's, and knows only the names from typing.
from typing import Any, Iterable  # noqa: UP035

import pytest
from spacy.tokens import Doc
from spacy_llm.registry import registry

from clinical_ie.augment import schedule
from clinical_ie.augment.prompt import Prompt
from clinical_ie.augment.run import augment
from clinical_ie.augment.task import StructuredRewrite, make_structured_rewrite
from clinical_ie.doc import SPANS_KEY
from tests.augment.conftest import Scripted


def test_the_project_s_own_task_needs_no_spans(
    scripted: Scripted,
    train: Path,
    config: Path,
    out: Path,
    out_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "segment_to_doc", None)
    assert augment(train, out, out_dir, config, 3, seed=0).accepted == 3


def test_other_tasks_get_whole_docs(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    seen: list[int] = []

    class Curious(StructuredRewrite):
        def generate_prompts(self, docs: Iterable[Doc]) -> Iterable[Prompt]:
            docs = list(docs)
            seen.extend(len(doc.spans.get(SPANS_KEY, ())) for doc in docs)
            return super().generate_prompts(docs)

    def make(terms: str, filters: dict[str, Any]) -> Curious:
        task = make_structured_rewrite(terms=terms, filters=filters)
        task.__class__ = Curious
        return task

    augment(train, out, out_dir / "own", config, 3, seed=0)
    own = out.read_bytes()
    registry.llm_tasks("tests.Curious.v1", func=make)
    text = config.read_text().replace("clinical_ie.StructuredRewrite.v1", "tests.Curious.v1")
    config.write_text(text)
    augment(train, out, out_dir / "other", config, 3, seed=0)
    assert len(seen) == 3
    assert all(seen)
    assert out.read_bytes() == own
