"""No damaged export is ever taken for a whole one."""

import random
from pathlib import Path

import pytest

from edgecnn.errors import EdgecnnError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import append_files

NUM_FLIPS = 400


@pytest.fixture(scope="module")
def whole(model_file: Path) -> bytes:
    return model_file.read_bytes()


def is_refused(data: bytes) -> bool:
    try:
        ModelFile.from_bytes(data, path=Path("model.tflite"))
    except EdgecnnError:
        return True
    return False


def test_a_flipped_bit_anywhere_is_noticed(whole: bytes) -> None:
    rng = random.Random(0)
    places = [len(whole) * step // NUM_FLIPS for step in range(NUM_FLIPS)]
    accepted = []
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        if not is_refused(bytes(damaged)):
            accepted.append(place)
    assert accepted == []


def test_every_bit_behind_the_network_is_accounted_for(whole: bytes, exported: ModelFile) -> None:
    # All but the insides of the files themselves, which have a checksum: headers, names, the directory.
    inside = b"".join(exported.files.values())
    rng = random.Random(1)
    accepted = []
    for place in range(len(exported.model), len(whole)):
        if whole[place : place + 16] in inside and rng.random() < 0.98:
            continue
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            if not is_refused(bytes(damaged)):
                accepted.append((place, bit))
    assert accepted == []


def test_a_file_cut_short_anywhere_is_noticed(whole: bytes, exported: ModelFile) -> None:
    ends = {*range(64), *(len(whole) * step // 200 for step in range(200)), *range(len(whole) - 64, len(whole))}
    ends |= set(range(len(exported.model) - 8, len(exported.model) + 40))
    assert [end for end in sorted(ends) if not is_refused(whole[:end])] == []


@pytest.mark.parametrize("junk", [b"\x00", b"\n", b"junk" * 1000, bytes(70_000), b"PK\x05\x06" + bytes(18)])
def test_bytes_put_behind_or_before_are_noticed(whole: bytes, junk: bytes) -> None:
    assert is_refused(whole + junk)
    assert is_refused(junk + whole)
    assert is_refused(whole + whole)


def test_bytes_put_between_the_network_and_its_files_are_noticed(exported: ModelFile) -> None:
    assert is_refused(append_files(exported.model + bytes(16), dict(exported.files)))


def test_a_block_that_was_lost_or_repeated_is_noticed(whole: bytes) -> None:
    for start in range(0, len(whole), 16_384):
        assert is_refused(whole[:start] + whole[start + 512 :])
        assert is_refused(whole[: start + 512] + whole[start:])
        assert is_refused(whole[:start] + bytes(512) + whole[start + 512 :])


def test_a_file_of_another_network_with_these_files_is_noticed(bare_model: bytes, exported: ModelFile) -> None:
    assert is_refused(append_files(bare_model, dict(exported.files)))
