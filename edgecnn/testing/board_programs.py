"""What a board's own camera programs write, as a program: run by the fakes of ``edgecnn.testing.boards``.

It imports nothing of edgecnn, so that it starts as quickly as the real ones.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

# As on a Raspberry Pi: each row of a raw picture is padded to so many bytes.
_STRIDE = 64
_PADDING = b"\xaa"


def main() -> None:
    """Be ``rpicam-vid`` or ``gst-launch-1.0``; the arguments behind ``--`` are theirs."""
    ours, theirs = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=["rpicam-vid", "gst-launch-1.0"])
    parser.add_argument("--num-cameras", type=int, default=1)
    parser.add_argument("--num-pictures", type=int, default=1_000_000)
    parser.add_argument("--exit-code", type=int, default=0)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args(ours)
    if options.log:
        with options.log.open("a", encoding="utf-8") as log:
            log.write(" ".join([options.program, *theirs]) + "\n")
    play = _play_rpicam if options.program == "rpicam-vid" else _play_argus
    play(theirs, options.num_cameras, options.num_pictures)
    if options.exit_code:
        sys.stderr.write("ERROR: *** the camera was unplugged ***\n")
    sys.exit(options.exit_code)


def level_of(index: int) -> int:
    """Return the grey level of a picture, 0 to 255: the darkest and the brightest come soon."""
    return (0, 255, 128, 64)[index % 4]


def _play_rpicam(arguments: list[str], num_cameras: int, num_pictures: int) -> None:
    parser = argparse.ArgumentParser()
    for name in ("--camera", "--width", "--height", "--timeout"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--framerate", type=float, default=30.0)
    parser.add_argument("--codec", choices=["yuv420"], required=True)
    parser.add_argument("--output", choices=["-"], required=True)
    parser.add_argument("--nopreview", action="store_true", required=True)
    parser.add_argument("--flush", action="store_true", required=True)
    options = parser.parse_args(arguments)
    if options.camera >= num_cameras:
        sys.stderr.write("[0:00:01] INFO Camera camera_manager.cpp\nERROR: *** no cameras available ***\n")
        sys.exit(255)
    for index in range(num_pictures):
        sys.stderr.write(f"#{index} ({options.framerate:.2f} fps) exp 33251.00 ag 8.00 dg 1.00\n")
        _write(_padded_picture(level_of(index), options.width, options.height))
        time.sleep(1 / options.framerate)


def _padded_picture(luma: int, width: int, height: int) -> bytes:
    stride = -(-width // _STRIDE) * _STRIDE
    row = bytes([luma]) * width + _PADDING * (stride - width)
    half_row = bytes([128]) * (width // 2) + _PADDING * ((stride - width) // 2)
    return row * height + half_row * height


def _play_argus(arguments: list[str], num_cameras: int, num_pictures: int) -> None:
    pipeline = " ".join(arguments)
    number = re.search(r"nvarguscamerasrc sensor-id=(\d+) ! video/x-raw\(memory:NVMM\),format=NV12", pipeline)
    size = re.search(r"width=(\d+),height=(\d+),framerate=(\d+)/(\d+) ! nvvidconv ! video/x-raw,format=I420", pipeline)
    if number is None or size is None or not re.search(r"! y4menc ! fdsink\b", pipeline):
        sys.stderr.write(f"WARNING: erroneous pipeline: {pipeline}\n")
        sys.exit(1)
    if int(number[1]) >= num_cameras:
        sys.stderr.write("ERROR: from element /GstPipeline:pipeline0/GstNvArgusCameraSrc:src: No cameras available\n")
        sys.exit(1)
    width, height = int(size[1]), int(size[2])
    _write(f"YUV4MPEG2 W{width} H{height} F{size[3]}:{size[4]} Ip C420\n".encode())
    for index in range(num_pictures):
        luma = 16 + level_of(index) * 219 // 255
        _write(b"FRAME\n" + bytes([luma]) * (width * height) + bytes([128]) * (width * height // 2))
        time.sleep(int(size[4]) / int(size[3]))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
