import re
from types import SimpleNamespace

import pytest

from clinical_ie.terminal import progress
from clinical_ie.terminal.progress import progress_bar, track


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


def test_rates_are_those_of_batches_and_of_this_run_alone(capsys, monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with progress_bar() as bar:
        task = bar.add_task("notes", total=100, completed=36)
        for clock.now in (100.0, 200.0):
            # The notes of a batch finish at the same time.
            for _ in range(16):
                bar.advance(task)
        told = capsys.readouterr().err.splitlines()
        clock.now = 300.0
        bar.update(task, description="slower")
    assert told[0] == "notes: 37 of 100, 0.01/s, 1:45:00 left"
    assert told[-1] == "notes: 53 of 100, 0.09/s, 0:09:13 left"
    assert capsys.readouterr().err.splitlines()[0] == "slower: 68 of 100, 0.11/s, 0:05:00 left"


def test_what_was_slow_long_ago_does_not_count(capsys, monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with progress_bar() as bar:
        task = bar.add_task("notes", total=None)
        # The total and what was done before become known at the same time.
        bar.update(task, total=2000, completed=500)
        for clock.now in [1000.0 * i for i in range(1, 10)] + [9000.0 + i for i in range(1, 900)]:
            bar.advance(task)
    *_, last = (line for line in capsys.readouterr().err.splitlines() if line.startswith("notes:"))
    assert re.fullmatch(r"notes: 1,[34]\d\d of 2,000, 1\.00/s, 0:\d\d:\d\d left", last)
