from pathlib import Path

import pytest

from clinical_ie.weights import ChoiceError, choose, models_in_config

from .world import entry, table_of

SOURCE = {"kind": "hub", "repo": "a/b"}
TABLE = table_of(**{name: entry({"x": b"x"}, [SOURCE]) for name in ("one", "two", "qwen2.5-1b")})

CONFIG = """
[paths]
train = null
encoder = "assets/models/one"

[model]
@architectures = "some.Model.v1"
# other = "assets/models/commented"
name = ${paths.encoder}
files = ["assets/models/qwen2.5-1b/model.gguf", "assets/other/thing"]
size = 3

[model.inner]
path = "%s/two/tokenizer.json"
again = "./assets/models/one/vocab.txt"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "train.cfg"
    path.write_text(CONFIG % (tmp_path / "out"), encoding="utf8")
    return path


def test_configs_name_models_by_their_paths(config: Path, tmp_path: Path) -> None:
    found = models_in_config(config, tmp_path / "out")
    assert sorted(found) == ["one", "qwen2.5-1b", "two"]
    assert models_in_config(config, Path("elsewhere")) == ["one", "qwen2.5-1b"]


def test_names_and_configs_are_joined(config: Path, tmp_path: Path) -> None:
    choice = choose(TABLE, ["two", "one"], [config], tmp_path / "out")
    assert choice.from_table == ["two", "one", "qwen2.5-1b"]
    assert choice.own == []


def test_a_folder_of_the_users_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    # As a shell completes it.
    choice = choose(TABLE, ["mine/", "one/"], [], tmp_path)
    assert choice.own == ["mine"]
    assert choice.from_table == ["one"]


def test_an_unknown_name_lists_the_known(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match=r"'thre' is neither .* \(one, two, qwen2\.5-1b\)"):
        choose(TABLE, ["thre"], [], tmp_path)
    for nothing in ("", "/"):
        with pytest.raises(ChoiceError, match="'' is neither"):
            choose(TABLE, [nothing], [], tmp_path)
    with pytest.raises(ChoiceError, match=r"'\.\.' is neither"):
        choose(TABLE, [".."], [], tmp_path / "out")
    config.write_text('[a]\nb = "assets/models/gone"\n', encoding="utf8")
    with pytest.raises(ChoiceError, match=r"'gone' \(.*train\.cfg needs it\)"):
        choose(TABLE, [], [config], tmp_path)


def test_an_unreadable_config_is_named(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match=r"absent\.cfg: cannot be read"):
        models_in_config(tmp_path / "absent.cfg", tmp_path)
    config.write_text("no section\n", encoding="utf8")
    with pytest.raises(ChoiceError, match=r"train\.cfg: cannot be read as a config") as caught:
        models_in_config(config, tmp_path)
    assert "\n" not in str(caught.value)
