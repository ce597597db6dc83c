"""Classify pictures with MediaPipe Tasks, to see that a stranger reads a model file as edgecnn does.

    python -m venv .mediapipe-venv
    .mediapipe-venv/bin/pip install mediapipe
    .mediapipe-venv/bin/python tools/check_mediapipe.py MODEL PICTURE...

Prints one JSON object: {"mediapipe": version, "results": {PICTURE: [[label, score], …]}}, best first. It is run by
the Python of an environment of its own, because mediapipe brings another OpenCV; so it imports nothing of edgecnn.
"""

import argparse
import json

import mediapipe
from mediapipe.tasks.python import BaseOptions, vision

MAX_RESULTS = 5


def main() -> None:
    """Parse the command line, classify, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pictures", nargs="+")
    arguments = parser.parse_args()
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=arguments.model), max_results=MAX_RESULTS
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        results = {picture: classify(classifier, picture) for picture in arguments.pictures}
    print(json.dumps({"mediapipe": mediapipe.__version__, "results": results}))


def classify(classifier: vision.ImageClassifier, picture: str) -> list[tuple[str, float]]:
    """Return label and score of the best categories."""
    result = classifier.classify(mediapipe.Image.create_from_file(picture))
    return [(category.category_name, category.score) for category in result.classifications[0].categories]


if __name__ == "__main__":
    main()
