import threading
import time

import numpy as np
import pytest

from edgecnn.core.frame import Frame
from edgecnn.errors import SourceLostError
from edgecnn.runtime.handover import NewestFrame


def frame(index):
    return Frame(pixels=np.zeros((2, 2, 3), np.uint8), color_order="bgr", index=index)


def test_only_the_newest_frame_is_kept_and_the_others_are_counted():
    newest = NewestFrame()
    for index in range(4):
        newest.put(frame(index))
    assert newest.take(0).index == 3
    assert newest.dropped == 3
    newest.put(frame(4))
    assert newest.take(0).index == 4
    assert newest.dropped == 3


def test_a_reader_waits_for_a_frame_but_not_longer_than_it_said():
    newest = NewestFrame()
    start = time.monotonic()
    assert newest.take(0.05) is None
    assert 0.04 < time.monotonic() - start < 1
    threading.Timer(0.05, newest.put, [frame(0)]).start()
    assert newest.take(5).index == 0


def test_waiting_leaves_the_frame_in_its_place():
    newest = NewestFrame()
    newest.put(frame(0))
    assert newest.wait(0)
    assert newest.take(0).index == 0
    assert newest.dropped == 0


def test_the_last_frame_is_given_before_the_failure():
    newest = NewestFrame()
    newest.put(frame(0))
    newest.fail(SourceLostError("unplugged"))
    assert newest.take(0).index == 0
    with pytest.raises(SourceLostError, match="unplugged"):
        newest.take(0)


def test_a_reader_that_waits_is_told_of_a_failure_at_once():
    newest = NewestFrame()
    threading.Timer(0.05, newest.fail, [SourceLostError("unplugged")]).start()
    start = time.monotonic()
    with pytest.raises(SourceLostError):
        newest.take(5)
    assert time.monotonic() - start < 2


def test_closing_ends_a_reader_that_waits():
    newest = NewestFrame()
    threading.Timer(0.05, newest.close).start()
    start = time.monotonic()
    assert newest.take(5) is None
    assert time.monotonic() - start < 2
    assert newest.closed


def test_a_fast_writer_and_a_slow_reader_lose_no_count():
    newest, num_frames = NewestFrame(), 2000

    def write():
        for index in range(num_frames):
            newest.put(frame(index))

    writer = threading.Thread(target=write)
    writer.start()
    taken = [newest.take(5).index]
    while taken[-1] < num_frames - 1:
        time.sleep(0.001)
        taken.append(newest.take(5).index)
    writer.join(5)
    assert taken == sorted(set(taken))
    assert len(taken) + newest.dropped == num_frames
