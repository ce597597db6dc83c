"""Make a short clip of things that move in front of a camera, out of pictures of a test split.

    python tools/make_demo_clip.py demo/pictures clip.avi

One picture per class is shown after another; the view drifts over it, comes closer or goes back, and
trembles a little, as a hand does. A picture keeps its shape; one that stands upright is turned on its
side, so that a camera's landscape frame shows all of it. Beside the clip (Motion JPEG in an AVI file)
lies a JSON file of the same name that says which class is shown in which frames.
The same arguments and the same OpenCV give the same bytes again.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data import ImageFolder, Picture
from edgecnn.imaging import decode_picture, read_bytes, resize

SIZE_WH = (640, 480)
NEAREST_ZOOM = 1.25
FARTHEST_ZOOM = 1.08
TREMOR = 0.05
TREMOR_HZ = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How the view moves over one picture.

    Attributes:
        zooms: at the beginning and at the end; 1 shows as much of the picture as fits the frame's shape.
        pan_xy: where the view begins, as a share of its free play (-1 to 1); it ends on the opposite side.
        phase: of the tremor, in radians.
    """

    zooms: tuple[float, float]
    pan_xy: tuple[float, float]
    phase: float


def main() -> None:
    """Parse the command line, choose one picture per class, write the clip and its sidecar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of pictures; its test split is used where it has one")
    parser.add_argument("out", type=Path, help="the clip to write (.avi)")
    parser.add_argument("--fps", type=int, default=20, help="frames per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each picture (default: %(default)s)")
    parser.add_argument("--seed", default="edgecnn", help="any text; another text chooses other pictures")
    arguments = parser.parse_args()
    folder = ImageFolder.scan(arguments.pictures)
    num_frames = max(2, round(arguments.fps * arguments.seconds))
    shown = choose(folder, arguments.seed)
    write_clip(arguments.out, folder.root, shown, arguments.fps, num_frames)
    sidecar = arguments.out.with_suffix(".json")
    sidecar.write_text(json.dumps(describe(folder, shown, arguments.fps, num_frames), indent=2) + "\n")
    print(f"{arguments.out}: {len(shown) * num_frames} frames of {len(shown)} pictures; {sidecar} says what they show")


def choose(folder: ImageFolder, seed: str) -> list[Picture]:
    """Return one picture of every class, in label order."""
    candidates = folder.select("test") or folder.pictures
    return [
        random.Random(f"{seed}/{label}").choice([picture for picture in candidates if picture.label_index == index])
        for index, label in enumerate(folder.labels)
    ]


def describe(folder: ImageFolder, shown: list[Picture], fps: int, num_frames: int) -> dict[str, object]:
    """Return what the sidecar says: each picture is shown in num_frames frames from first_frame on."""
    segments = [
        {
            "label": folder.labels[picture.label_index],
            "picture": picture.path,
            "first_frame": position * num_frames,
            "num_frames": num_frames,
        }
        for position, picture in enumerate(shown)
    ]
    return {"fps": fps, "size_wh": SIZE_WH, "num_frames": len(shown) * num_frames, "segments": segments}


def write_clip(path: Path, root: Path, shown: list[Picture], fps: int, num_frames: int) -> None:
    """Write every picture's frames, one picture after another."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, SIZE_WH)
    if not writer.isOpened():
        raise SystemExit(f"{path} cannot be written; is its folder there, and does its name end with .avi?")
    try:
        for picture in shown:
            pixels = decode_picture(read_bytes(root / picture.path), picture.path).pixels
            for frame in frames_of(pixels, draw_motion(picture.path), num_frames, fps):
                writer.write(frame)
    finally:
        writer.release()


def draw_motion(name: str) -> Motion:
    """Return the motion that belongs to a picture's name."""
    chance = random.Random(name)
    zooms = (FARTHEST_ZOOM, NEAREST_ZOOM) if chance.random() < 0.5 else (NEAREST_ZOOM, FARTHEST_ZOOM)
    direction = chance.uniform(0, 2 * math.pi)
    pan_xy = 0.8 * math.cos(direction), 0.8 * math.sin(direction)
    return Motion(zooms=zooms, pan_xy=pan_xy, phase=chance.uniform(0, 2 * math.pi))


def frames_of(pixels: NDArray[np.uint8], motion: Motion, num_frames: int, fps: int) -> Iterator[NDArray[np.uint8]]:
    """Yield what a camera sees that moves over a picture: uint8 (480, 640, 3), colour order as given."""
    pixels = shrink(np.ascontiguousarray(np.rot90(pixels)) if pixels.shape[0] > pixels.shape[1] else pixels)
    for index in range(num_frames):
        matrix = view_matrix(pixels.shape[:2], motion, index / (num_frames - 1), index / fps)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(pixels, matrix, SIZE_WH, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        yield frame.astype(np.uint8, copy=False)


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take away the pixels that even the nearest view has no room for, so that nothing aliases."""
    rows, columns = pixels.shape[:2]
    scale = max(SIZE_WH[0] * FARTHEST_ZOOM / columns, SIZE_WH[1] * FARTHEST_ZOOM / rows)
    return pixels if scale >= 1 else resize(pixels, (round(columns * scale), round(rows * scale)))


def view_matrix(shape_hw: tuple[int, ...], motion: Motion, progress: float, time_s: float) -> NDArray[np.float64]:
    """Return the affine map, float64 (2, 3), from pixels of the frame to pixels of the picture."""
    rows, columns = shape_hw
    eased = progress * progress * (3 - 2 * progress)
    zoom = motion.zooms[0] + (motion.zooms[1] - motion.zooms[0]) * eased
    scale = min(columns / SIZE_WH[0], rows / SIZE_WH[1]) / zoom
    tremor = TREMOR * math.sin(2 * math.pi * TREMOR_HZ * time_s + motion.phase)
    # Pixel centres lie at half-integers: the half pixel keeps the view's edges where they are meant.
    offsets = [
        (whole - shown * scale) / 2 * (1 + pan * (1 - 2 * eased) + tremor) + scale / 2 - 0.5
        for whole, shown, pan in zip((columns, rows), SIZE_WH, motion.pan_xy, strict=True)
    ]
    return np.array([[scale, 0.0, offsets[0]], [0.0, scale, offsets[1]]])


if __name__ == "__main__":
    main()
