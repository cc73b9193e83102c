"""Work in several processes that nobody waits for any more."""

import time

import pytest

from clinical_ie.corpora.parallel import ordered_map
from clinical_ie.system.workers import WorkerPool


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_results_come_in_order() -> None:
    seconds = [0.02 if at % 3 else 0.0 for at in range(40)]
    assert list(ordered_map(slow, seconds, 2)) == seconds


def test_what_is_in_flight_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    terminate = WorkerPool.terminate

    def counted(pool: WorkerPool) -> None:
        ended.append(list((pool._processes or {}).values()))
        terminate(pool)

    monkeypatch.setattr(WorkerPool, "terminate", counted)
    results = ordered_map(slow, [0.0] * 8 + [600.0] * 80, 2)
    assert next(results) == 0.0
    results.close()
    [processes] = ended
    assert len(processes) == 2
    for process in processes:
        process.join(60)
        assert process.exitcode is not None
