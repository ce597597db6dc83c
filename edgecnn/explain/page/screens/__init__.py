"""The nine screens, in order; each module has ``gather(material)``, which returns the screen's data."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from edgecnn.errors import ModelFileError
from edgecnn.explain.page.contents import Screen
from edgecnn.explain.page.material import Material

# By key, which is the name of the module and of the templates, too.
TITLES = {
    "numbers": "A picture is numbers",
    "sliding": "A filter slides",
    "detectors": "Filters are detectors",
    "maps": "Feature maps",
    "decision": "From maps to a decision",
    "looked": "Where it looked",
    "dense": "Why not a dense network?",
    "place": "Does the place matter?",
    "augmentation": "Augmentation and overfitting",
}


def gather_screens(material: Material) -> Iterator[Screen]:
    """Make the screens one after the other.

    Raises:
        BackendUnavailableError: the runtime cannot run this model.
        DatasetError: none of the labelled pictures can be read.
    """
    with material.progress.task("explaining", len(TITLES)) as task:
        for key in TITLES:
            yield gather_screen(material, key)
            task.advance()


def gather_screen(material: Material, key: str) -> Screen:
    """Make one screen; one that this network or picture has nothing for says why.

    Raises:
        BackendUnavailableError: the runtime cannot run this model.
        DatasetError: none of the labelled pictures can be read.
    """
    number = list(TITLES).index(key) + 1
    module = importlib.import_module(f"edgecnn.explain.page.screens.{key}")
    try:
        return Screen(number=number, key=key, title=TITLES[key], data=module.gather(material))
    except ModelFileError as exc:
        return Screen(number=number, key=key, title=TITLES[key], data={}, missing=str(exc))
