from pathlib import Path

import pytest
import spacy
from spacy.cli.init_config import fill_config
from spacy.util import load_config, load_model_from_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "train").glob("*.cfg"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_complete(path: Path, tmp_path: Path):
    _, filled = fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert filled == load_config(path, interpolate=False)


def test_the_configs_are_those_the_readme_names():
    assert [path.stem for path in CONFIGS] == [
        "bluebert_large",
        "minilm",
        "modernbert",
        "mpnet",
        "stock",
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_builds_its_pipeline(path: Path):
    nlp = load_model_from_config(load_config(path, interpolate=True), validate=True)
    ours = ["tok2vec", "clinical_ner", "clinical_relations"]
    assert nlp.pipe_names == (["transformer", "ner"] if path.stem == "stock" else ours)
    assert spacy.registry.has("architectures", "clinical_ie.LongDocEncoder.v1")
