"""What a check finds: kinds, how serious each is, and the sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from edgecnn.core.names import as_text

Severity = Literal["error", "warning", "note"]
_MAX_NAME = 40
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        kind: a key of ``KINDS``.
        severity: ``error``: training cannot use it; ``warning``: it harms the model or its figures.
        text: one sentence: what it is, with numbers.
        advice: what to do.
        files: all that it is about, relative to the folder; of duplicates one group.
        worthless: whether a model that is trained on the folder as it is would be worth nothing.
    """

    kind: str
    severity: Severity
    text: str
    advice: str
    files: tuple[str, ...] = ()
    worthless: bool = False


class Kind(NamedTuple):
    """How findings of a kind are worded.

    Attributes:
        severity: of all of them.
        text: what such files are; of a finding with its own sentence: its title.
        advice: what to do.
    """

    severity: Severity
    text: str
    advice: str


_LEAVE_OUT = "delete or replace (--fix-into leaves out)"
KINDS: dict[str, Kind] = {
    # files that cannot be read
    "empty": Kind("error", "empty files", _LEAVE_OUT),
    "truncated": Kind("error", "pictures that are cut short or damaged", _LEAVE_OUT),
    "no-picture": Kind("error", "files that are no pictures, whatever the name says", _LEAVE_OUT),
    "unreadable": Kind("error", "files that cannot be read", "make them readable"),
    "vanished": Kind("error", "files that went away while the folder was checked", "check once nothing changes"),
    "huge": Kind("error", "files of more than 512 MB or 268 million pixels", "make them smaller"),
    "name": Kind("error", "names that are not UTF-8", "rename"),
    "heic": Kind("error", "HEIC pictures, which are not read", "convert to JPEG; telephones can save that, too"),
    "unreadable-folder": Kind("error", "folders that may not be read", "make them readable"),
    # what a network would learn wrongly from
    "unnamed": Kind("warning", "pictures that are passed over, as their names do not end like one's", "rename"),
    "misnamed": Kind(
        "warning",
        "pictures with the suffix of another format",
        "rename (--fix-into does); edgecnn reads them all the same",
    ),
    "tiny": Kind("warning", "pictures below 16 pixels and much smaller than the others", _LEAVE_OUT),
    "animated": Kind("warning", "files of several pictures, the first of which counts", "save single pictures"),
    "torn": Kind("warning", "JPEG pictures whose end is even grey, as a decoder fills what is missing", _LEAVE_OUT),
    "blank": Kind("warning", "pictures of one even colour", "delete, unless that is what the class looks like"),
    "black": Kind("warning", "pictures that are nearly black", "delete, unless that is what the class looks like"),
    "blurred": Kind(
        "warning", "pictures that are blurred", "look whether the thing can be recognized, and delete if not"
    ),
    "loose": Kind("warning", "pictures outside of the class folders, which are passed over", "move into their classes"),
    "special": Kind("warning", "pipes, devices and sockets", "remove"),
    "broken-link": Kind("warning", "links to nothing", "remove"),
    # harmless
    "rotated": Kind(
        "note", "pictures turned by their EXIF block, which is obeyed", "nothing (--fix-into turns the pixels)"
    ),
    "alpha": Kind("note", "pictures with transparency, which are laid over white", "nothing, if white is right"),
    "cmyk": Kind("note", "CMYK pictures, which are converted", "nothing (--fix-into writes RGB)"),
    "deep": Kind("note", "pictures of 16 bits a channel, of which 8 are used", "nothing (--fix-into writes 8 bits)"),
    "trailing": Kind("note", "JPEG files with something else behind the picture", "nothing"),
    "nested": Kind("note", "folders within classes, which belong to the class", "nothing, if that is meant"),
    "linked-folder": Kind("note", "links to folders, which are not followed", "put the pictures themselves there"),
    "hidden": Kind("note", "hidden files and folders, which are passed over", "nothing"),
    "other": Kind("note", "other files, which are passed over", "nothing"),
    # the folder as a whole
    "classes": Kind("error", "classes", "one folder of pictures per class"),
    "class-name": Kind("error", "a class name", "rename the folder"),
    "class-empty": Kind("error", "a class without pictures", "add pictures or remove the folder"),
    "split-classes": Kind("error", "splits with other classes", "give every split the same class folders"),
    "too-few": Kind("error", "too few pictures", "add pictures or remove the class"),
    "many-broken": Kind("error", "much is broken", "replace the files: something went wrong when they were copied"),
    "few": Kind("warning", "few pictures", "add some"),
    "imbalance": Kind("warning", "imbalance", "add pictures to the small classes"),
    "class-case": Kind("warning", "class names that differ in case only", "merge the folders if one class is meant"),
    "mixed": Kind("warning", "folders beside the splits, which make classes of train, val and test", "move them away"),
    # duplicates
    "same-classes": Kind("error", "the same file in several classes", "decide for one class (--fix-into leaves out)"),
    "same-splits": Kind("warning", "the same file in several splits", "keep one (--fix-into does)"),
    "same": Kind("warning", "the same file several times", "keep one (--fix-into does)"),
    "near-classes": Kind("warning", "nearly the same picture in several classes", "look which class is right"),
    "near-splits": Kind("warning", "nearly the same picture in several splits", "keep one (--fix-into does)"),
    "near": Kind("note", "nearly the same picture several times", "nothing; train and data split keep it on one side"),
}


def find(kind: str, paths: Sequence[str], *, detail: str = "") -> Finding:
    """Return the finding that files of one kind make."""
    severity, text, advice = KINDS[kind]
    return Finding(kind, severity, f"{text}{f' ({detail})' if detail else ''}: {len(paths)}", advice, files_of(paths))


def files_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Return paths as they can be written."""
    return tuple(map(as_text, paths))


def shorten(name: str) -> str:
    """Return a name as it can be written, and its first 40 characters if it is longer."""
    text = as_text(name)
    return text if len(text) <= _MAX_NAME else f"{text[: _MAX_NAME - 1]}…"
