"""Filters of a user's own, as the README describes them."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT, run_script

README = (ROOT / "README.md").read_text(encoding="utf8")
[SNIPPET] = re.findall(r"```python\n(from spacy_llm.registry .*?)```", README, re.DOTALL)
FILTER = '[components.llm.task.filters.placebo]\n@llm_misc = "mine.no_placebo.v1"\n\n'
NAMED = "[components.llm.model]"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    text = (ROOT / "configs" / "augment" / "rules.cfg").read_text()
    assert NAMED in text
    (tmp_path / "mine.cfg").write_text(text.replace(NAMED, FILTER + NAMED))
    return tmp_path / "mine.cfg"


def test_the_filter_of_the_readme_drops_what_it_is_made_for(
    config: Path, train: Path, tmp_path: Path
) -> None:
    code = tmp_path / "my_filters.py"
    # Every rewrite has this in it.
    code.write_text(SNIPPET.replace('"placebo" in', '"" in'))
    where = train, tmp_path / "out.spacy", tmp_path / "out", "--config", config
    result = run_script("augment.py", *where, "--code", code, "--n-augmented", 2)
    assert "dropped: placebo" in result.output
    dropped = json.loads((tmp_path / "out" / "augment.json").read_text())["dropped"]
    assert dropped["placebo"]["example"]["detail"] == "names a placebo"


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "mine.py: no such file"), ("1 / 0", "mine.py: ZeroDivisionError: division by zero")],
)
def test_code_that_fails_is_told_in_one_line(
    content: str | None, told: str, config: Path, train: Path, tmp_path: Path
) -> None:
    code = tmp_path / "mine.py"
    if content is not None:
        code.write_text(content)
    where = train, tmp_path / "out.spacy", tmp_path / "out", "--config", config
    result = run_script("augment.py", *where, "--code", code)
    assert result.exit_code == 1
    assert result.stderr == f"augment: --code {tmp_path}/{told}\n"
    assert not (tmp_path / "out").exists()
