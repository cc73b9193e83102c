"""A saved pipeline is data: loading it runs nothing that it brings along."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly

from clinical_ie.annotate import load_pipeline
from clinical_ie.doc import annotations_of
from clinical_ie.encoder.saved import without_code

RUNS = """
from pathlib import Path
Path({mark!r}).touch()
from transformers import PreTrainedTokenizerFast
class Own(PreTrainedTokenizerFast): pass
"""


def changed(pipeline: Path, folder: Path, change: Callable[[dict], None]) -> Path:
    """A copy of a pipeline with another saved encoder."""
    shutil.copytree(pipeline, folder)
    model = folder / "tok2vec" / "model"
    message = srsly.msgpack_loads(model.read_bytes())
    for shims in message["shims"]:
        for place, saved in enumerate(shims):
            shim = srsly.msgpack_loads(saved)
            if "tokenizer" in shim:
                change(shim)
                shims[place] = srsly.msgpack_dumps(shim)
    model.write_bytes(srsly.msgpack_dumps(message))
    return folder


@pytest.mark.parametrize("name", ["{}/written", "../written", "a/b", "..", "c:\\x", "own.py", ""])
def test_files_are_written_nowhere_else(name: str, learned: Path, tmp_path: Path) -> None:
    name = name.format(tmp_path)

    def add(shim: dict) -> None:
        shim["tokenizer"][name] = b"x"

    folder = changed(learned, tmp_path / "changed", add)
    with pytest.raises(ValueError, match="which no tokenizer has: this pipeline was changed"):
        load_pipeline(str(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]


def test_code_that_a_config_names_is_not_run(learned: Path, tmp_path: Path) -> None:
    own = {"AutoTokenizer": ["own.Own", "own.Own"], "AutoConfig": "own.Own"}
    (tmp_path / "own.py").write_text(RUNS.format(mark=str(tmp_path / "ran")))

    def name_code(shim: dict) -> None:
        shim["config"]["auto_map"] = {"AutoConfig": f"{tmp_path}--own.Own"}
        config = json.loads(shim["tokenizer"]["tokenizer_config.json"])
        config["auto_map"] = own
        shim["tokenizer"]["tokenizer_config.json"] = json.dumps(config).encode()
        shim["tokenizer"]["kwargs"] |= {"trust_remote_code": True, "_commit_hash": "x"}

    folder = changed(learned, tmp_path / "changed", name_code)
    nlp, plain = spacy.load(folder), spacy.load(learned)
    assert not (tmp_path / "ran").exists()
    text = "He took aspirin 81 mg daily for chest pain."
    assert annotations_of(nlp(text)) == annotations_of(plain(text))


def test_code_is_taken_out_of_the_config_of_any_model() -> None:
    """For types of models that it knows, transformers would not look at it."""
    message: dict[str, dict] = {"tokenizer": {}, "config": {"auto_map": {"AutoModel": "own.Own"}}}
    assert without_code(message)
    assert message["config"] == {}


def test_what_was_saved_here_is_left_as_it_is(learned: Path, tmp_path: Path) -> None:
    seen = []
    changed(learned, tmp_path / "copy", lambda shim: seen.append(without_code(shim)))
    assert seen == [False]
