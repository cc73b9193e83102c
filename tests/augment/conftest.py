"""A scripted model, and training notes for the augmenter's tests."""

from collections.abc import Callable
from pathlib import Path

# spacy-llm compares these annotations with the task's, and knows only the names from typing.
from typing import Iterable  # noqa: UP035

import pytest
from spacy.tokens import Doc
from spacy_llm.registry import registry

from clinical_ie.augment import journal, task  # noqa: F401  (registered by name)
from clinical_ie.augment.models import llamacpp, rules  # noqa: F401
from clinical_ie.augment.prompt import Prompt
from clinical_ie.corpora.docbin import write_docs
from tests.conftest import note

OPENING = "Today"

Script = Callable[[Prompt], str]

CONFIG = """
[paths]
train = null
journal = null

[augment]
tries = 3
max_words = 40

[nlp]
lang = "en"
pipeline = ["llm"]

[components]

[components.llm]
factory = "llm"

[components.llm.task]
@llm_tasks = "clinical_ie.StructuredRewrite.v1"
terms = ${paths.train}

[components.llm.task.filters]

[components.llm.task.filters.unchanged]
@llm_misc = "clinical_ie.changed.v1"

[components.llm.task.filters.length]
@llm_misc = "clinical_ie.length_ratio.v1"
min_ratio = 0.2
max_ratio = 4.0

[components.llm.model]
@llm_models = "clinical_ie.Journaled.v1"
path = ${paths.journal}

[components.llm.model.model]
@llm_models = "tests.Scripted.v1"
"""


def config_for(folder: Path, url: str) -> Path:
    """A config whose model is behind a server, with four requests in flight."""
    settings = "variants = 3\nbatch_size = 6"
    text = CONFIG.replace("tries = 3", f"tries = 3\n{settings}")
    model = '@llm_models = "clinical_ie.OpenAICompatible.v1"\nmodel = "m"\nin_flight = 4'
    text = text.replace(
        '@llm_models = "tests.Scripted.v1"', f'{model}\nendpoint = "{url}"\nmax_retries = 0'
    )
    path = folder / "server.cfg"
    path.write_text(text)
    return path


class Scripted:
    """A model that answers by the test's script and records its prompts."""

    fingerprint = "scripted"

    def __init__(self) -> None:
        self.script: Script = shouting
        self.asked: list[Prompt] = []

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for group in prompts:
            for prompt in group:
                assert isinstance(prompt, Prompt)
                self.asked.append(prompt)
                yield [self.script(prompt)]


def shouting(prompt: Prompt) -> str:
    """A rewrite that passes the filters: the source with a few words in front."""
    return f"{OPENING} {prompt.source}"


@pytest.fixture
def scripted() -> Scripted:
    """The model registered as `tests.Scripted.v1`, new for each test."""
    model = Scripted()
    registry.llm_models("tests.Scripted.v1", func=lambda: model)
    return model


@pytest.fixture
def train_docs() -> list[Doc]:
    """Three notes of several sentences, with relations within and across sentences."""
    first = note(
        "Brief course.\nHe took aspirin 81 mg daily for chest pain. No rash was seen.\nHe left.",
        ("Drug", "aspirin"),
        ("Strength", "81 mg"),
        ("Reason", "chest pain"),
        ("ADE", "rash"),
        links=(("Strength-Drug", 1, 0), ("Reason-Drug", 2, 0), ("ADE-Drug", 3, 0)),
    )
    second = note(
        "She was well. Started on metformin 500 mg for diabetes.\n\nDenies cough.",
        ("Drug", "metformin"),
        ("Strength", "500 mg"),
        ("Reason", "diabetes"),
        ("ADE", "cough"),
        links=(("Strength-Drug", 1, 0), ("Reason-Drug", 2, 0)),
    )
    third = note(
        "She takes insulin 10 units and heparin 5,000 units for diabetes.",
        ("Drug", "insulin"),
        ("Strength", "10 units"),
        ("Drug", "heparin"),
        ("Strength", "5,000 units"),
        ("Reason", "diabetes"),
        links=(("Strength-Drug", 1, 0), ("Strength-Drug", 3, 2), ("Reason-Drug", 4, 0)),
    )
    docs = [first, second, third]
    for number, doc in enumerate(docs, start=1):
        doc._.note_id = f"note-{number}"
    return docs


@pytest.fixture
def train(tmp_path: Path, train_docs: list[Doc]) -> Path:
    """The training notes as a file."""
    path = tmp_path / "train.spacy"
    write_docs(train_docs, path)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config whose model is the scripted one."""
    path = tmp_path / "scripted.cfg"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus" / "augmented.spacy"


@pytest.fixture
def out_dir(tmp_path: Path) -> Path:
    return tmp_path / "corpus" / "augmented"
