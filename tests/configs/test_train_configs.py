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


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_builds_its_pipeline(path: Path):
    nlp = load_model_from_config(load_config(path, interpolate=True), validate=True)
    assert nlp.pipe_names == ["tok2vec", "clinical_ner", "clinical_relations"]
    assert spacy.registry.has("architectures", "clinical_ie.LongDocEncoder.v1")
