import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgecnn.core.contract import InputContract
from edgecnn.errors import DatasetError
from edgecnn.imaging import decode_picture, encode_png, is_picture_name, load_input, read_bytes

ROWS, COLUMNS = 120, 160
Y, X = np.mgrid[0:ROWS, 0:COLUMNS]
# Another colour in every corner, so that no turn and no flip goes unnoticed.
COLOURED = np.stack([X * 255 // (COLUMNS - 1), Y * 255 // (ROWS - 1), (X + Y) % 256], axis=-1).astype(np.uint8)
RGB = Image.fromarray(COLOURED)
ALPHA = (X % 256).astype(np.uint8)
RGBA = Image.fromarray(np.dstack([COLOURED, ALPHA]))
ORIENTATION_TAG = 0x0112


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def encode_16_bit(pixels: NDArray[Any]) -> bytes:
    """Give every 8-bit value its 16-bit twin (255 becomes 65535) and write a PNG."""
    return cv2.imencode(".png", pixels.astype(np.uint16) * 257)[1].tobytes()


def decode(data: bytes) -> NDArray[np.int64]:
    frame = decode_picture(data, "picture")
    assert frame.color_order == "bgr"
    return frame.pixels[..., ::-1].astype(np.int64)


def over_white(picture: Image.Image) -> NDArray[np.int64]:
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return np.asarray(white.convert("RGB")).astype(np.int64)


def as_pillow_reads(data: bytes) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(data)) as picture:
        return over_white(ImageOps.exif_transpose(picture))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION_TAG] = orientation
    return tags


KINDS: dict[str, bytes] = {
    "JPEG": encode(RGB, "JPEG", quality=90),
    "progressive JPEG": encode(RGB, "JPEG", progressive=True),
    "grey JPEG": encode(RGB.convert("L"), "JPEG"),
    "PNG": encode(RGB, "PNG"),
    "grey PNG": encode(RGB.convert("L"), "PNG"),
    "black and white PNG": encode(RGB.convert("1"), "PNG"),
    "palette PNG": encode(RGB.quantize(64), "PNG"),
    "BMP": encode(RGB, "BMP"),
    "WebP": encode(RGB, "WEBP"),
    "lossless WebP": encode(RGB, "WEBP", lossless=True),
    "GIF": encode(RGB, "GIF"),
    "GIF of two pictures": encode(RGB, "GIF", save_all=True, append_images=[RGB.rotate(180)]),
    "TIFF": encode(RGB, "TIFF"),
    "compressed TIFF": encode(RGB, "TIFF", compression="tiff_lzw"),
    "transparent PNG": encode(RGBA, "PNG"),
    "transparent grey PNG": encode(RGBA.convert("LA"), "PNG"),
    "transparent WebP": encode(RGBA, "WEBP", lossless=True),
    "transparent TIFF": encode(RGBA, "TIFF"),
    "PNG with a transparent palette colour": encode(RGB.quantize(16), "PNG", transparency=3),
    "GIF with a transparent palette colour": encode(RGB.quantize(16), "GIF", transparency=3),
    "PNG with a transparent colour": encode(RGB, "PNG", transparency=tuple(COLOURED[5, 5].tolist())),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_any_kind_has_the_pixels_that_pillow_sees(kind: str) -> None:
    np.testing.assert_allclose(decode(KINDS[kind]), as_pillow_reads(KINDS[kind]), atol=1)


def test_transparency_is_laid_over_white() -> None:
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (201, 0, 0, 127))
    assert (decode(encode(clear, "PNG")) == 255).all()
    np.testing.assert_allclose(decode(encode(half, "PNG"))[0, 0], [228, 128, 128], atol=1)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.asarray(RGB.convert("L")), np.asarray(RGB.convert("L").convert("RGB"))),
        (COLOURED[..., ::-1], COLOURED),
        (np.asarray(RGBA)[..., [2, 1, 0, 3]], over_white(RGBA)),
    ],
    ids=["grey", "colour", "transparent"],
)
def test_16_bits_a_channel_become_8(pixels: NDArray[np.uint8], expected: NDArray[Any]) -> None:
    np.testing.assert_allclose(decode(encode_16_bit(pixels)), expected, atol=1)


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    np.testing.assert_allclose(
        decode(encode(RGB.convert("CMYK"), "JPEG", quality=95)),
        as_pillow_reads(encode(RGB.convert("CMYK"), "JPEG", quality=95)),
        atol=3,
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_camera_held_in_any_way_gives_an_upright_picture(kind: str, orientation: int) -> None:
    data = encode(RGB, kind, exif=exif(orientation))
    decoded = decode(data)
    assert decoded.shape == ((COLUMNS, ROWS, 3) if orientation >= 5 else (ROWS, COLUMNS, 3))
    np.testing.assert_allclose(decoded, as_pillow_reads(data), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_turned_picture_keeps_its_transparency(kind: str, orientation: int) -> None:
    data = encode(RGBA, kind, exif=exif(orientation), lossless=True)
    np.testing.assert_allclose(decode(data), as_pillow_reads(data), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_jpeg_that_is_decoded_at_a_fourth_is_upright_too(orientation: int) -> None:
    large = RGB.resize((800, 600))
    contract = InputContract(width=96, height=96)
    data = encode(large, "JPEG", exif=exif(orientation))
    frame = decode_picture(data, "picture", contract)
    assert sorted(frame.pixels.shape) == [3, 150, 200]
    with Image.open(io.BytesIO(data)) as opened:
        expected = ImageOps.exif_transpose(opened).resize(frame.pixels.shape[1::-1], Image.Resampling.BOX)
    assert np.abs(frame.pixels[..., ::-1].astype(int) - np.asarray(expected)).mean() < 1.5


def test_a_damaged_exif_block_is_passed_over() -> None:
    good = encode(RGBA, "PNG", exif=exif(6))
    start = good.index(b"eXIf") + 4
    for position in range(start, start + 26):
        damaged = good[:position] + bytes([good[position] ^ 0xFF]) + good[position + 1 :]
        assert sorted(decode(damaged).shape) == [3, ROWS, COLUMNS]


NOT_PICTURES = {
    "empty": b"",
    "text": b"this is a text file that somebody gave the name of a picture\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "zeros": bytes(1000),
    "start of a JPEG": b"\xff\xd8",
    "start of a JPEG and its end": b"\xff\xd8\xff\xd9",
    "start of a PNG": b"\x89PNG\r\n\x1a\n",
    "PNG without a picture": b"\x89PNG\r\n\x1a\nIEND",
    "BMP of nothing": b"BM" + bytes(60),
}


@pytest.mark.parametrize("name", NOT_PICTURES)
def test_a_file_that_is_no_picture_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(DatasetError, match=r"^holiday\.jpg "):
        decode_picture(NOT_PICTURES[name], "holiday.jpg")


def test_an_empty_file_and_a_text_are_told_apart() -> None:
    with pytest.raises(DatasetError, match="is empty; delete it or replace it by a picture"):
        decode_picture(b"", "a.jpg")
    with pytest.raises(DatasetError, match="is not a picture, whatever its name says"):
        decode_picture(NOT_PICTURES["text"], "a.jpg")


@pytest.mark.parametrize(
    "kind", ["JPEG", "progressive JPEG", "PNG", "WebP", "lossless WebP", "GIF", "BMP", "TIFF", "compressed TIFF"]
)
def test_a_picture_that_is_cut_short_anywhere_is_refused(kind: str) -> None:
    data = KINDS[kind]
    cuts = {*range(min(40, len(data))), *(len(data) * part // 60 for part in range(60)), len(data) - 2, len(data) - 1}
    for cut in sorted(cuts):
        with pytest.raises(DatasetError, match=r"^picture "):
            decode_picture(data[:cut], "picture")


def test_a_cut_picture_is_called_by_its_kind() -> None:
    with pytest.raises(DatasetError, match="is a JPEG file that is cut short or damaged"):
        decode_picture(KINDS["JPEG"][:-100], "a.jpg")
    with pytest.raises(DatasetError, match="is a PNG file that is cut short or damaged"):
        decode_picture(KINDS["PNG"][:-100], "a.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_behind_the_end_of_a_picture_do_no_harm(kind: str) -> None:
    for tail in (b"\x00", b"\n", b"a phone's own notes" * 100, KINDS["JPEG"]):
        np.testing.assert_array_equal(decode(KINDS[kind] + tail), decode(KINDS[kind]))


def with_thumbnail(picture: bytes, thumbnail: bytes) -> bytes:
    """Return a JPEG with an EXIF segment that holds another whole JPEG, as cameras write it."""
    directories = (
        b"II*\x00\x08\x00\x00\x00"
        + b"\x00\x00"
        + (14).to_bytes(4, "little")
        + b"\x02\x00"
        + b"\x01\x02\x04\x00\x01\x00\x00\x00"
        + (44).to_bytes(4, "little")
        + b"\x02\x02\x04\x00\x01\x00\x00\x00"
        + len(thumbnail).to_bytes(4, "little")
        + bytes(4)
    )
    segment = b"Exif\x00\x00" + directories + thumbnail
    return picture[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + picture[2:]


def test_a_jpeg_with_a_thumbnail_is_accepted_and_a_cut_one_is_not_saved_by_it() -> None:
    whole = with_thumbnail(KINDS["JPEG"], encode(RGB.resize((16, 12)), "JPEG"))
    np.testing.assert_array_equal(decode(whole), decode(KINDS["JPEG"]))
    with pytest.raises(DatasetError, match="cut short"):
        decode_picture(whole[:-200], "a.jpg")


def test_a_picture_of_one_pixel_is_a_picture() -> None:
    for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP"):
        assert decode(encode(Image.new("RGB", (1, 1), (255, 255, 255)), kind)).tolist() == [[[255, 255, 255]]]


def test_a_jpeg_that_claims_to_be_absurdly_large_is_refused_before_it_is_unpacked() -> None:
    data = bytearray(KINDS["JPEG"])
    frame_header = data.index(b"\xff\xc0")
    data[frame_header + 5 : frame_header + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(DatasetError, match="cut short or damaged"):
        decode_picture(bytes(data), "bomb.jpg")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", True), ("a.JPEG", True), ("ä ○.PnG", True), (".a.jpg", False), ("a.txt", False), ("jpg", False)],
)
def test_a_picture_is_known_by_its_name(tmp_path: Any, name: str, expected: bool) -> None:
    assert is_picture_name(tmp_path / name) is expected


def test_a_png_that_is_written_comes_back_pixel_by_pixel() -> None:
    np.testing.assert_array_equal(decode(encode_png(COLOURED)), COLOURED)


def test_a_file_that_is_not_there_is_named(tmp_path: Any) -> None:
    with pytest.raises(DatasetError, match=r"cannot read .*nowhere\.jpg: No such file or directory"):
        read_bytes(tmp_path / "nowhere.jpg")
    with pytest.raises(DatasetError, match=r"cannot read .*: Is a directory"):
        load_input(tmp_path, InputContract(width=8, height=8))


@pytest.mark.parametrize("make", [lambda: KINDS["JPEG"], lambda: encode(RGB.resize((1280, 960)), "JPEG")])
def test_nothing_is_decoded_smaller_than_the_model_needs(make: Callable[[], bytes]) -> None:
    for size_px in (32, 96, 119, 120, 224, 480, 512):
        frame = decode_picture(make(), "picture", InputContract(width=size_px, height=size_px))
        assert min(frame.pixels.shape[:2]) >= min(size_px, ROWS)
