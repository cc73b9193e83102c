import re

import pytest

from clinical_ie import progress
from clinical_ie.progress import progress_bar, track


def test_items_pass_through_and_the_bar_goes_to_standard_error(capsys):
    assert list(track(["a", "b"], "letters")) == ["a", "b"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "letters" in captured.err


def test_without_a_terminal_there_is_a_line_now_and_then(capsys, monkeypatch: pytest.MonkeyPatch):
    with progress_bar() as bar:
        task = bar.add_task("letters", total=2000)
        bar.advance(task)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
        bar.advance(task, 999)
        first, *_ = capsys.readouterr().err.splitlines()
        bar.update(task, completed=1500, description="words [b]")
        second, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("letters: 1,000 of 2,000, ")
    assert re.fullmatch(r".*, [\d,.]+/s, 0:00:0\d left", first)
    assert second.startswith("words [b]: 1,500 of 2,000, ")
