"""Garbage collection runs less often within the block, and as before after it."""

import gc
from collections.abc import Iterator
from threading import Barrier, Thread

import pytest

from clinical_ie.system.garbage import OBJECTS_BETWEEN, collect_rarely, made_to_stay


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_a_block_and_what_comes_after_it():
    gc.set_threshold(700, 9, 8)
    with collect_rarely():
        assert gc.get_threshold() == (OBJECTS_BETWEEN, 9, 8)
        with collect_rarely():
            pass
        assert gc.get_threshold() == (OBJECTS_BETWEEN, 9, 8)
    assert gc.get_threshold() == (700, 9, 8)


@pytest.mark.parametrize("own", [(0, 10, 10), (10**6, 10, 10)])
def test_who_searches_less_or_never_goes_on_so(own):
    gc.set_threshold(*own)
    with collect_rarely():
        assert gc.get_threshold() == own
    assert gc.get_threshold() == own


def test_an_error_ends_it_too():
    gc.set_threshold(700, 10, 10)

    @collect_rarely()
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert gc.get_threshold() == (700, 10, 10)


def test_blocks_of_threads_that_overlap():
    gc.set_threshold(700, 10, 10)
    both_in, first_out = Barrier(2), Barrier(2)

    def first() -> None:
        with collect_rarely():
            both_in.wait()
        first_out.wait()

    thread = Thread(target=first)
    thread.start()
    with collect_rarely():
        both_in.wait()
        first_out.wait()
        assert gc.get_threshold()[0] == OBJECTS_BETWEEN
    thread.join()
    assert gc.get_threshold() == (700, 10, 10)


def test_what_is_made_to_stay_is_not_searched_until_the_end():
    gc.unfreeze()
    with collect_rarely():
        with made_to_stay():
            assert not gc.isenabled()
            made = [[]]
        assert gc.isenabled()
        assert not any(each is made for each in gc.get_objects())
    assert any(each is made for each in gc.get_objects())
    assert not gc.get_freeze_count()


def test_a_collection_that_is_due_does_not_search_it():
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    searched = []

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            searched.append(any(each is made for each in gc.get_objects(info["generation"])))

    made: list[list[object]] = []
    with collect_rarely():
        gc.callbacks.append(look)
        try:
            with made_to_stay():
                made = [[] for _ in range(OBJECTS_BETWEEN + 1)]
            [[] for _ in range(9)]
        finally:
            gc.callbacks.remove(look)
    assert not any(searched)


def test_what_the_caller_has_frozen_stays_so():
    gc.freeze()
    try:
        with collect_rarely(), made_to_stay():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_nothing_stays_frozen_without_an_end():
    with made_to_stay():
        pass
    assert not gc.get_freeze_count()


def test_who_never_collects_goes_on_so_after_an_error():
    gc.disable()
    try:
        with pytest.raises(LookupError), collect_rarely(), made_to_stay():
            raise LookupError
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert not gc.get_freeze_count()
