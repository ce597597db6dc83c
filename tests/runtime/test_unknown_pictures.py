"""What a model file says about pictures that it has never seen the like of."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

import edgecnn
from edgecnn.core.decisions import UNKNOWN, DecisionRules
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import ImageFolder
from edgecnn.imaging import load_input
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.manifest import ConfidencePart
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.plugins import open_sink
from edgecnn.testing import CollectSink, FakeClassifier, ScriptedSource

LABELS = ("night", "day")


@pytest.fixture(scope="module")
def careful(careful_file: Path) -> Classifier:
    return Classifier.load(careful_file)


def shapes(folder: Path, classifier: Classifier) -> list[NDArray[np.uint8]]:
    """Return pictures that the file's threshold was not set by."""
    return [load_input(folder / picture.path, classifier.contract) for picture in ImageFolder.scan(folder).pictures]


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)


def test_noise_is_unknown_and_shapes_are_not(careful: Classifier, picture_folder: Path) -> None:
    judged = [careful.classify(noise(seed)) for seed in range(8)]
    assert all(prediction.is_unknown for prediction in judged)
    assert {prediction.headline and prediction.headline[0] for prediction in judged} == {UNKNOWN}
    familiar = [careful.classify(picture, color_order="rgb") for picture in shapes(picture_folder, careful)]
    assert np.mean([prediction.is_unknown for prediction in familiar]) < 0.15
    assert all(0.0 <= (prediction.familiarity or 0.0) <= 1.0 for prediction in judged + familiar)


def test_the_threshold_is_what_19_of_20_pictures_reach(careful: Classifier, picture_folder: Path) -> None:
    confidence = careful.file.manifest.confidence if careful.file.manifest else None
    assert confidence is not None
    val = shapes(picture_folder, careful)[1::2]
    reached = 0
    for picture in val:
        careful.scores(picture)
        reached += (careful.familiarity() or 0.0) >= 0.5
    assert confidence.num == len(val)
    assert reached == round(confidence.kept * len(val)) >= 0.95 * len(val)


def test_looking_inside_the_network_changes_no_byte_of_its_output(careful: Classifier) -> None:
    plain = Classifier(replace(careful.file, manifest=None))
    for seed in range(20):
        picture = synthetic_picture(seed, 96, 96)
        assert plain.codes(picture).tobytes() == careful.codes(picture).tobytes()
    assert plain.familiarity() is None
    assert plain.unknown_below is None


def test_familiarity_is_of_the_newest_picture_and_a_twin_has_its_own(careful: Classifier, picture_folder: Path) -> None:
    twin = careful.twin()
    assert twin.familiarity() is None
    familiar = shapes(picture_folder, careful)[0]
    careful.scores(familiar)
    first = careful.familiarity()
    twin.scores(familiar)
    careful.scores(noise(0))
    second = careful.familiarity()
    assert first is not None
    assert second is not None
    assert twin.familiarity() == first > 0.5 > second


BLIND = """
from edgecnn.runtime.interpreter import open_cpu

def open_blind(file, options):
    engine = open_cpu(file, options._replace(also=()))

    class Blind:
        runtime, kernels, num_threads, extras = engine.runtime, engine.kernels, engine.num_threads, None

        def invoke(self, values):
            return engine.invoke(values)

    return Blind()
"""


def test_where_the_inside_cannot_be_seen_the_best_score_decides(
    careful: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blind.py").write_text(BLIND)
    metadata = tmp_path / "blind-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: blind\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[edgecnn.backends]\nblind = blind:open_blind\n")
    monkeypatch.syspath_prepend(tmp_path)
    confidence = careful.file.manifest.confidence if careful.file.manifest else None
    assert confidence is not None
    assert careful.unknown_below == 0.5
    blind = Classifier(careful.file, backend="blind")
    assert blind.unknown_below == confidence.score_below
    prediction = blind.classify(noise(0))
    assert prediction.familiarity is None
    assert prediction.is_unknown == (max(category.score for category in prediction.categories) < blind.unknown_below)


def test_an_old_file_goes_by_its_best_score(exported: ModelFile, tmp_path: Path) -> None:
    path = tmp_path / "old.tflite"
    assert exported.manifest is not None
    for threshold, is_unknown in ((1.0, True), (0.0, False)):
        part = ConfidencePart(method="max_score", unknown_below=threshold, kept=0.95, split="val", num=20)
        manifest = structs.replace(exported.manifest, schema=2, confidence=part)
        path.write_bytes(pack_model_file(exported.model, exported.labels, manifest, {}))
        classifier = edgecnn.load(str(path))
        prediction = classifier.classify(np.zeros((96, 96, 3), np.uint8))
        assert prediction.familiarity is None
        assert classifier.unknown_below == threshold
        best = max(category.score for category in prediction.categories)
        assert prediction.is_unknown == (is_unknown and best < 1.0)


def brightness(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    bright = float(pixels.mean()) / 255
    return 1 - bright, bright


def grey_is_strange(pixels: NDArray[np.uint8]) -> float:
    return 2 * abs(float(pixels.mean()) / 255 - 0.5)


def test_a_run_decides_by_familiarity_and_puts_it_out(tmp_path: Path) -> None:
    levels = (0, 255, 120, 120, 255)
    sink = CollectSink()
    sinks = [sink, open_sink(f"jsonl:{tmp_path / 'out.jsonl'}"), open_sink(f"csv:{tmp_path / 'out.csv'}")]
    source = ScriptedSource([np.full((8, 8, 3), level, np.uint8) for level in levels])
    classifier = FakeClassifier(LABELS, brightness, familiar=grey_is_strange)
    run(source, classifier, sinks, RunOptions(rules=DecisionRules(unknown_below=0.5, confirm=2)))
    shown = [prediction.headline and prediction.headline[0] for prediction in sink.predictions]
    assert shown == [None, None, None, UNKNOWN, UNKNOWN]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()[:-1]]
    assert [line["familiarity"] for line in lines] == pytest.approx([1, 1, 1 / 17, 1 / 17, 1], abs=1e-6)
    assert lines[3]["decision"] == {"index": None, "label": UNKNOWN, "score": pytest.approx(1 / 17, abs=1e-6)}
    rows = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert rows[0].endswith(",dropped,familiarity")
    assert float(rows[3].rsplit(",", 1)[1]) == pytest.approx(1 / 17, abs=1e-6)


def test_results_of_a_model_without_familiarity_do_not_speak_of_it(tmp_path: Path) -> None:
    sink = open_sink(f"jsonl:{tmp_path / 'out.jsonl'}")
    run(ScriptedSource([np.zeros((8, 8, 3), np.uint8)]), FakeClassifier(LABELS, brightness), [sink])
    assert "familiarity" not in json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[0])
