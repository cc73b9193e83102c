import hashlib
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from clinical_ie.augment.journal import make_journaled
from clinical_ie.augment.models.llamacpp import make_llamacpp
from clinical_ie.augment.models.openai_compatible import make_openai_compatible
from clinical_ie.augment.prompt import Prompt, Response
from clinical_ie.doc import Link
from tests.augment.conftest import Scripted
from tests.augment.server import completion, serving

# A model that records each prompt and dies while answering the fourth. Both runs are forks of one
# process, because imports take far longer than the runs.
KILLED = """
import os, signal, sys
from pathlib import Path
from typing import Iterable
from clinical_ie.augment.journal import make_journaled
from clinical_ie.augment.prompt import Prompt

folder = Path(sys.argv[1])
asked = folder / "asked.txt"

class Model:
    fingerprint = "model"
    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for [prompt] in prompts:
            with asked.open("a") as file:
                file.write(f"{prompt}\\n")
            if len(asked.read_text().splitlines()) == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            yield [f"answer to {prompt}"]

prompts = [[Prompt(f"p{i}", [{"role": "user", "content": f"p{i}"}], seed=i)] for i in range(8)]
for _ in range(2):
    pid = os.fork()
    if not pid:
        model = make_journaled(Model(), folder / "journal.sqlite")
        right = [answer for [answer] in model(prompts)] == [f"answer to p{i}" for i in range(8)]
        os._exit(0 if right else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def prompt(text: str, seed: int = 0, variant: int = 0) -> Prompt:
    return Prompt(text, [{"role": "user", "content": text}], seed=seed, variant=variant)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "run" / "journal.sqlite"


def test_no_question_is_asked_twice(scripted: Scripted, path: Path) -> None:
    scripted.script = lambda prompt: Response(prompt.upper(), 5, 3, 0.5, cut=True, likelihood=-0.25)
    model = make_journaled(scripted, path)
    prompts = [prompt("a"), prompt("a", seed=1), prompt("a", variant=1), prompt("b"), prompt("a")]
    first = [answer for [answer] in model([[p] for p in prompts])]
    assert first == ["A", "A", "A", "B", "A"]
    assert len(scripted.asked) == 4
    again = [answer for [answer] in make_journaled(scripted, path)([[p] for p in prompts])]
    assert again == first
    assert len(scripted.asked) == 4
    for answer in (*first, *again):
        assert isinstance(answer, Response)
        assert (answer.prompt_tokens, answer.completion_tokens) == (5, 3)
        assert (answer.seconds, answer.cut, answer.likelihood) == (0.5, True, -0.25)
    assert {answer.replayed for answer in first} == {False}
    assert {answer.replayed for answer in again} == {True}


def test_another_model_is_asked_anew(scripted: Scripted, path: Path) -> None:
    for fingerprint in ("one", "two", "one"):
        list(make_journaled(scripted, path, fingerprint)([[prompt("a")]]))
    assert len(scripted.asked) == 2


def test_a_model_with_other_settings_of_its_own_is_asked_anew(
    scripted: Scripted, path: Path
) -> None:
    for scripted.fingerprint in ("one", "two", "one"):
        list(make_journaled(scripted, path)([[prompt("a")]]))
    assert len(scripted.asked) == 2


def test_groups_keep_their_shape(scripted: Scripted, path: Path) -> None:
    scripted.script = lambda prompt: str(prompt)
    model = make_journaled(scripted, path)
    groups = [[prompt("a"), prompt("b")], [], [prompt("c")]]
    assert list(model(groups)) == [["a", "b"], [], ["c"]]


def test_what_is_no_function_is_no_model(path: Path) -> None:
    with pytest.raises(ValueError, match="'text' is not a model"):
        make_journaled("text", path, "x")


def test_an_answer_that_is_no_list_is_kept_whole(path: Path) -> None:
    """It is paid for, and easily given by a model of one's own."""
    prompts = [[prompt("one")], [prompt("two")]]
    model = make_journaled(lambda asked: [f"to {each}" for [each] in asked], path, "strings")
    for _ in range(2):
        assert [list(map(str, group)) for group in model(prompts)] == [["to one"], ["to two"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "gave 0 answers to 2 prompts"),
        ([], "gave 0 answers to 2 prompts"),
        ([["good"]], "gave 1 answers to 2 prompts"),
        ([["good"], []], r"gave \[\] in the place of an answer"),
        ([["good"], [None]], r"gave \[None\] in the place of an answer"),
        ([["good"], None], "gave None in the place of an answer"),
    ],
)
def test_a_model_that_does_not_answer_is_told(path: Path, given: object, message: str) -> None:
    prompts = [[prompt("one")], [prompt("two")]]
    with pytest.raises(ValueError, match=message):
        list(make_journaled(lambda asked: given, path, "x")(prompts))
    # What came before is kept, and what is more than was asked for is not.
    answers = make_journaled(lambda asked: [["late"], ["more"], ["than asked"]], path, "x")(prompts)
    first = "good" if given else "late"
    assert [str(answer) for [answer] in answers] == [first, "more" if not given else "late"]


def test_an_answer_is_there_before_the_next_is_asked_for(scripted: Scripted, path: Path) -> None:
    def script(prompt: Prompt) -> str:
        with sqlite3.connect(path) as journal:
            [(size,)] = journal.execute("SELECT COUNT(*) FROM responses")
        journal.close()
        assert size == len(scripted.asked) - 1
        return "x"

    scripted.script = script
    list(make_journaled(scripted, path)([[prompt(str(i))] for i in range(4)]))


def test_answers_that_come_while_one_is_judged_are_there(path: Path) -> None:
    with serving(lambda _: completion("x")) as server:
        answers = make_journaled(make_openai_compatible("m", server.url), path)(
            [[prompt(str(i))] for i in range(8)]
        )
        with closing(answers):
            next(iter(answers))
            # The consumer of this answer is slow.
            end = time.monotonic() + 10
            while (size := rows_of(path)) < 8 and time.monotonic() < end:
                time.sleep(0.02)
    assert size == len(server.requests) == 8


def rows_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as journal:
        [(size,)] = journal.execute("SELECT COUNT(*) FROM responses")
    return int(size)


def test_killed_and_run_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    both = subprocess.run(command, capture_output=True, text=True, check=True)
    assert both.stdout.split() == [str(-signal.SIGKILL), "0"]
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    # Only the prompt in flight when the process died is sent again.
    assert asked == ["p0", "p1", "p2", "p3", *(f"p{i}" for i in range(3, 8))]


def test_readable_by_its_owner_alone(scripted: Scripted, path: Path) -> None:
    list(make_journaled(scripted, path)([[prompt("a")]]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_journal_that_others_can_read_is_closed_to_them(scripted: Scripted, path: Path) -> None:
    list(make_journaled(scripted, path)([[prompt("a")]]))
    sides = [path, path.with_name("journal.sqlite-wal"), path.with_name("journal.sqlite-shm")]
    with closing(sqlite3.connect(path)) as other:
        # While it is open, all three files exist; SQLite leaves the mode of one that is not empty.
        other.execute("DELETE FROM responses")
        other.commit()
        for side in sides:
            side.chmod(0o644)
        list(make_journaled(scripted, path)([[prompt("a")]]))
        assert [stat.S_IMODE(side.stat().st_mode) for side in sides] == [0o600] * 3


def test_a_journal_that_another_run_holds_is_named(
    scripted: Scripted, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinical_ie.augment.journal._PATIENCE", 0.1)
    list(make_journaled(scripted, path)([[prompt("a")]]))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.DatabaseError, match=r"journal\.sqlite: database is locked"):
            list(make_journaled(scripted, path)([[prompt("b")]]))


def test_a_model_that_reads_the_string_is_asked_anew_where_that_is_another(
    scripted: Scripted, path: Path
) -> None:
    turns = [{"role": "user", "content": "a"}]
    prompts = [[Prompt("a", turns)], [Prompt("In British English: a", turns)]]
    list(make_journaled(scripted, path)(prompts))
    assert len(scripted.asked) == 2
    for chat in (make_openai_compatible("m"), make_llamacpp("m.gguf")):
        model = make_journaled(chat, path, "m")
        assert len({model.key(prompt) for [prompt] in prompts}) == 1
        # Journals outlive the code: the key must never change.
        content = ["m", prompts[0][0].sha256, 0, 0]
        assert model.key(prompts[0][0]) == hashlib.sha256(json.dumps(content).encode()).hexdigest()


def test_nothing_is_made_before_the_first_prompt(scripted: Scripted, path: Path) -> None:
    make_journaled(scripted, path)
    assert not path.parent.exists()


def test_a_file_that_is_no_journal(scripted: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("He took aspirin for chest pain, and then some more of it. " * 20)
    with pytest.raises(sqlite3.DatabaseError, match=r"note\.txt: not a journal"):
        list(make_journaled(scripted, path)([[prompt("a")]]))


def test_a_journal_of_something_else(scripted: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "web.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE responses (url TEXT, status INTEGER)")
    with pytest.raises(sqlite3.DatabaseError, match=r"web\.sqlite: not a journal"):
        list(make_journaled(scripted, path)([[prompt("a")]]))
    assert not scripted.asked


def test_a_journal_that_is_damaged(scripted: Scripted, path: Path) -> None:
    list(make_journaled(scripted, path)([[prompt("a")]]))
    with closing(sqlite3.connect(path)) as journal:
        journal.execute("UPDATE responses SET text = x'ff00'")
        journal.commit()
    with pytest.raises(sqlite3.DatabaseError, match=rf"{path}: an answer in it is no text"):
        list(make_journaled(scripted, path)([[prompt("a")]]))
    # A page of the file, overwritten.
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 3000 + content[3100:])
    with pytest.raises(sqlite3.DatabaseError, match=r"\.recover` may save its answers; without"):
        list(make_journaled(scripted, path)([[prompt("a")]]))


def test_a_model_that_does_not_say_what_it_is(path: Path) -> None:
    def model(prompts: list[list[str]]) -> list[list[str]]:
        return [["x"] for _ in prompts]

    with pytest.raises(ValueError, match="fingerprint"):
        make_journaled(model, path)  # type: ignore[arg-type]
    assert list(make_journaled(model, path, "mine")([["a"]])) == [["x"]]  # type: ignore[arg-type]


def test_the_hash_of_a_prompt_is_that_of_all_it_says() -> None:
    """Journals outlive the code, so the hash of a prompt must never change."""
    turns = [{"role": "system", "content": "a"}, {"role": "user", "content": "b\u00e9"}]
    for messages in ([], turns[:1], turns):
        prompt = Prompt(
            "x", messages, source="s", links=(Link("R", "a", "b"),), bound=frozenset("ba"), tries=2
        )
        content = [messages, "s", [["R", "a", "b"]], ["a", "b"], 2]
        assert prompt.sha256 == hashlib.sha256(json.dumps(content).encode()).hexdigest()
        # Which terms have to stay is part of what a model is given.
        assert Prompt("x", messages, echoed=frozenset("a")).sha256 != Prompt("x", messages).sha256
