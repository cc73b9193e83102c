"""Worker processes."""

import signal

import pytest

from clinical_ie.system.names import ON_WINDOWS
from clinical_ie.system.workers import WorkerPool, start_worker


@pytest.mark.skipif(ON_WINDOWS, reason="there, Ctrl-C cannot be held back")
def test_a_process_never_hears_ctrl_c_not_even_while_it_starts():
    with WorkerPool(1, start_worker) as pool:
        assert pool.submit(_held_back).result()
    assert not _held_back()


def _held_back() -> bool:
    # As inherited at its start: nothing else changes it.
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
