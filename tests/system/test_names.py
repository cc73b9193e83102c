from pathlib import Path

import pytest

from clinical_ie.system.names import folded, ignores_case, suits_windows


@pytest.mark.parametrize(
    "name",
    ["a:b", "con", "NUL", "ward/Com1", "aux.1", "con .x", "a?", "a*", 'a"b', "a|b", "<a>",
     "a\\b", "a\tb", "ward /a", "ward./a"],
)  # fmt: skip
def test_names_that_windows_does_not_have(name: str) -> None:
    assert not suits_windows(name)


@pytest.mark.parametrize("name", ["a", "ward/1", "console", "a.con", "com10", "a.", "é ≥ b", "com"])
def test_names_that_windows_has(name: str) -> None:
    assert suits_windows(name)


def test_whether_case_is_ignored_is_seen(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert not ignores_case(tmp_path / "one")
    (tmp_path / "ONE").mkdir()
    assert ignores_case(tmp_path / "one")


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("\xe9", "E\u0301"), ("ward/A", "Ward/a")])
def test_names_of_one_file_where_case_is_ignored(one: str, other: str) -> None:
    assert folded(one) == folded(other)
