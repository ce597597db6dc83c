import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.labels import (
    MAX_LABEL_CHARS,
    MAX_LABELS,
    check_labels,
    decode_labels,
    digest_labels,
    encode_labels,
)

SCRIPTS = ("hot dog", "Kreis ○", "дом", "猫", "کتاب", "กล้วย", "👩‍🚀", "a b", "-", "0", "café", "café")
LINE_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def is_usable(label: str) -> bool:
    return bool(label.strip()) and len(label) <= MAX_LABEL_CHARS


usable_labels = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=LINE_BREAKS), min_size=1, max_size=40
).filter(is_usable)


def test_labels_may_be_of_any_script() -> None:
    assert check_labels(SCRIPTS) == SCRIPTS
    assert decode_labels(encode_labels(SCRIPTS)) == SCRIPTS


@given(st.lists(usable_labels, min_size=1, max_size=30))
def test_labels_come_back_from_their_file_as_they_were(labels: list[str]) -> None:
    assert decode_labels(encode_labels(labels)) == tuple(labels)


@pytest.mark.parametrize("character", [*LINE_BREAKS, "\t", "\x00", "\x1b", "\x7f"])
@pytest.mark.parametrize("label", ["a{}", "{}a", "a{}a"])
def test_line_breaks_and_control_characters_are_refused(label: str, character: str) -> None:
    with pytest.raises(ValueError, match="label 1 must not hold line breaks or control characters"):
        check_labels(["fine", label.format(character)])


@pytest.mark.parametrize("label", ["", " ", "\u3000", "x" * (MAX_LABEL_CHARS + 1)])
def test_empty_and_endless_labels_are_refused(label: str) -> None:
    with pytest.raises(ValueError, match=f"label 0 must have 1 to {MAX_LABEL_CHARS} characters"):
        check_labels([label])


def test_the_longest_label_is_accepted() -> None:
    assert check_labels(["ä" * MAX_LABEL_CHARS])


@pytest.mark.parametrize("label", ["\ud800", "a\udcffb", "\udfff\U0001f600"])
def test_half_a_character_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="label 0 must not hold line breaks"):
        check_labels([label])


def test_there_must_be_labels_but_not_too_many() -> None:
    with pytest.raises(ValueError, match="got 0"):
        check_labels([])
    with pytest.raises(ValueError, match=f"got {MAX_LABELS + 1}"):
        check_labels(["x"] * (MAX_LABELS + 1))


@pytest.mark.parametrize(
    "text",
    [
        b"cat\ndog\n",
        b"cat\ndog",
        b"cat\r\ndog\r\n",
        b"cat\r\ndog",
        b"\xef\xbb\xbfcat\ndog\n",
        b"\xef\xbb\xbfcat\r\ndog\r\n",
    ],
)
def test_byte_order_marks_windows_line_ends_and_a_missing_last_newline_are_accepted(text: bytes) -> None:
    assert decode_labels(text) == ("cat", "dog")


@pytest.mark.parametrize("text", [b"", b"\n", b"cat\n\ndog\n", b"\ncat\n", b"cat\n\n\n", b"cat\rdog\n"])
def test_an_empty_line_among_the_labels_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="label"):
        decode_labels(text)


def test_bytes_that_are_no_text_are_refused_with_their_place() -> None:
    with pytest.raises(ValueError, match="byte 4 is not"):
        decode_labels(b"cat\n\xff\xfe\n")


def test_the_file_has_one_label_a_line_in_utf_8() -> None:
    assert encode_labels(("Kreis ○", "b")) == b"Kreis \xe2\x97\x8b\nb\n"


@given(st.lists(usable_labels, min_size=2, max_size=10, unique=True))
def test_the_digest_is_that_of_the_file_and_changes_with_the_order(labels: list[str]) -> None:
    assert digest_labels(labels) == hashlib.sha256(encode_labels(labels)).hexdigest()
    assert digest_labels(labels[::-1]) != digest_labels(labels)
