"""When Ctrl-C is heard."""

import signal
import threading

import pytest

from clinical_ie.terminal.signals import interrupts_later


def test_ctrl_c_is_heard_at_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with interrupts_later():
            signal.raise_signal(signal.SIGINT)
            done.append("all")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with interrupts_later():
        pass


def test_an_error_in_the_block_is_not_hidden() -> None:
    with pytest.raises(KeyError), interrupts_later():
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_that_ignores_ctrl_c_still_does() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_later():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_hears_nothing() -> None:
    seen = []

    def work() -> None:
        with interrupts_later():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
