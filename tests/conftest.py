"""Shared fixtures and helpers: a tiny encoder built on the fly, and small annotated notes."""

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # One process per core, one thread per process; PyTorch reads this at import.
    os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import pytest
import torch
import typer
from filelock import FileLock
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from typer.testing import CliRunner, Result

from clinical_ie.corpora.notes import corpus_nlp, make_doc
from clinical_ie.doc import Annotations, Link, Mention

# Background jobs of a shell, and their children, ignore Ctrl-C by default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine must not fail tests.
hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")

ROOT = Path(__file__).parent.parent
MACCROBAT = ROOT.parent / "shared" / "data" / "maccrobat2020"


def run_script(name: str, *arguments: object) -> Result:
    """Run a workflow script in this process, because starting Python takes seconds."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "scripts" / name)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = typer.Typer()
    app.command()(module.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_command(*arguments: object) -> tuple[int, str, str]:
    """Run `clinical-ie` in this process; return its exit code, stdout and stderr."""
    from clinical_ie.__main__ import app

    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="session", autouse=True)
def usual_umask() -> Iterator[None]:
    """What tests say of file modes must not depend on the shell that starts them."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def maccrobat() -> Path:
    """Real case reports in brat, which are not part of the project."""
    if not MACCROBAT.is_dir():
        pytest.skip(f"the MACCROBAT corpus is not at {MACCROBAT}")
    return MACCROBAT


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BERT with windows of 64 wordpieces."""
    return build_tiny_bert(tmp_path_factory.mktemp("tiny-bert"), max_pieces=64)


def build_tiny_bert(folder: Path, max_pieces: int) -> Path:
    """Save a BERT with two layers, 16 units and a vocabulary of letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:;()[]*/-+%'"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = special + list(letters) + [f"##{letter}" for letter in letters]
    ids = {piece: i for i, piece in enumerate(vocabulary)}
    backend = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=max_pieces,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=max_pieces,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def note(
    text: str, *mentions: tuple[str, str], links: tuple[tuple[str, int, int], ...] = ()
) -> Doc:
    """A Doc with mentions given as (label, covered text), numbered in the order given."""
    found = []
    for number, (label, covered) in enumerate(mentions, start=1):
        start = text.index(covered)
        found.append(Mention(f"T{number}", label, ((start, start + len(covered)),)))
    relations = [Link(label, found[h].id, found[t].id) for label, h, t in links]
    return make_doc(corpus_nlp(), text, Annotations(found, relations), "note")


def small_notes() -> list[Doc]:
    """Four notes that a model can memorize."""
    return [
        note(
            "He took aspirin 81 mg daily for chest pain.",
            ("Drug", "aspirin"),
            ("Strength", "81 mg"),
            ("Reason", "chest pain"),
            links=(("Strength-Drug", 1, 0), ("Reason-Drug", 2, 0)),
        ),
        note(
            "Started on metformin 500 mg for diabetes.\n\nDenies rash.",
            ("Drug", "metformin"),
            ("Strength", "500 mg"),
            ("Reason", "diabetes"),
            links=(("Strength-Drug", 1, 0), ("Reason-Drug", 2, 0)),
        ),
        note(
            "Lisinopril was stopped because of cough.",
            ("Drug", "Lisinopril"),
            ("ADE", "cough"),
            links=(("ADE-Drug", 1, 0),),
        ),
        note("No medications were given.\n"),
    ]


@pytest.fixture(scope="session")
def notes() -> list[Doc]:
    """Four notes that a model can memorize."""
    return small_notes()


@pytest.fixture(scope="session")
def learned(tiny_bert: Path, notes: list[Doc], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline that has memorized the four notes; read-only."""
    base = tmp_path_factory.getbasetemp()
    # Shared by all processes of a run; the first one that needs it trains it.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "learned"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            learn(tiny_bert, notes).to_disk(folder)
    return folder


def learn(tiny_bert: Path, notes: list[Doc]) -> Language:
    """A pipeline trained until it has memorized the notes."""
    fix_random_seed(0)
    config = Config(pipeline_config(tiny_bert, learn_rate_scale=0.5))
    nlp = load_model_from_config(config, auto_fill=True)
    batch, sgd = examples(nlp, notes), Adam(0.01)
    nlp.initialize(lambda: batch)
    for _ in range(100):
        update_like_spacy_train(nlp, batch, sgd)
    return nlp


def examples(nlp: Language, docs: list[Doc]) -> list[Example]:
    """Training examples like those of the corpus reader."""
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def update_like_spacy_train(nlp: Language, batch: list[Example], sgd: object) -> dict[str, float]:
    """One step in the order of `spacy train`: every component first, then every optimizer step.

    `nlp.update(sgd=…)` steps a shared encoder before its listeners have sent it their gradients.
    """
    losses: dict[str, float] = {}
    # With None, spaCy would create an optimizer.
    nlp.update(batch, sgd=False, losses=losses, drop=0.0)
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "finish_update"):
            pipe.finish_update(sgd)
    return losses


def pipeline_config(encoder: Path, **encoder_settings: object) -> dict:
    """The config of the project's pipeline, scaled down to the tiny encoder."""
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
    return {
        "nlp": {"lang": "en", "pipeline": ["tok2vec", "clinical_ner", "clinical_relations"]},
        "components": {
            "tok2vec": {
                "factory": "tok2vec",
                "model": {
                    "@architectures": "clinical_ie.LongDocEncoder.v1",
                    "name": str(encoder),
                    "width": 16,
                    "window": 32,
                    "context": 6,
                    "batch_pieces": 128,
                    **encoder_settings,
                },
            },
            "clinical_ner": {
                "factory": "clinical_ner",
                "model": {
                    "@architectures": "clinical_ie.TokenLabeler.v1",
                    "hidden": 32,
                    "tok2vec": dict(listener),
                },
            },
            "clinical_relations": {
                "factory": "clinical_relations",
                "model": {
                    "@architectures": "clinical_ie.RelationClassifier.v1",
                    "hidden": 32,
                    "tok2vec": dict(listener),
                },
            },
        },
    }
