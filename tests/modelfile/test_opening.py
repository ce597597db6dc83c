import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import BackendUnavailableError, ModelFileError, ModelIntegrityError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.metadata import attach_metadata, build_metadata
from edgecnn.runtime.classifier import Classifier


def test_an_export_says_everything_about_itself(model_file: Path) -> None:
    opened = ModelFile.open(model_file)
    assert opened.labels == ("Kreis ○", "square", "star", "triangle")
    assert opened.contract.size_wh == (96, 96)
    assert (opened.input.dtype, opened.input.shape) == ("uint8", (1, 96, 96, 3))
    assert (opened.output.dtype, opened.output.shape) == ("uint8", (1, 4))
    assert opened.output_quantization is not None
    assert opened.output_quantization.scale == 1 / 256
    assert opened.num_bytes == model_file.stat().st_size
    assert {"labels.txt", "edgecnn.json", "golden/0.png"} == set(opened.files)
    assert opened.manifest is not None
    assert opened.manifest.accuracy.num > 0


def test_a_pixel_of_an_export_is_its_own_code(model_file: Path) -> None:
    opened = ModelFile.open(model_file)
    wanted = opened.contract.pixel_quantization
    assert opened.input.scales == (pytest.approx(wanted.scale),)
    assert opened.input.zero_points == (wanted.zero_point,)


NOT_MODELS = {
    "empty": (b"", "it is empty"),
    "text": (b"this is a text file, for example a README", "it is a text file"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "it is a text file"),
    "git lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a text file"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(2000), "it is an HDF5 file"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(2000), "it lacks the TFL3 mark at byte 4"),
    "zeros": (bytes(2000), "it lacks the TFL3 mark"),
    "one byte": (b"\x1c", "it lacks the TFL3 mark"),
    "another flatbuffer": (b"\x1c\x00\x00\x00TFL2" + bytes(100), "it lacks the TFL3 mark"),
}


@pytest.mark.parametrize("name", NOT_MODELS)
def test_a_file_that_is_no_model_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    data, what = NOT_MODELS[name]
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    with pytest.raises(
        ModelIntegrityError, match=rf"model\.tflite: this is not a \.tflite model: {what}.*edgecnn export"
    ):
        ModelFile.open(path)


def test_a_keras_file_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelIntegrityError, match=r"is a zip archive \(a \.keras file is one, too\)"):
        ModelFile.open(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read the model file .*nowhere\.tflite: No such file"):
        ModelFile.open(tmp_path / "nowhere.tflite")
    with pytest.raises(ModelFileError, match=r"is a folder, not a \.tflite file; of a training run"):
        ModelFile.open(tmp_path)


def test_a_network_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate((512 << 20) + 1)
    with pytest.raises(ModelFileError, match="has 512 MiB; a model file has at most 512"):
        ModelFile.open(path)


def test_the_mark_alone_is_no_model(tmp_path: Path) -> None:
    for size in (0, 1, 4, 20, 1000):
        with pytest.raises(ModelIntegrityError):
            ModelFile.from_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(size), path=tmp_path)
        with pytest.raises(ModelIntegrityError):
            ModelFile.from_bytes(b"\xff\xff\xff\xffTFL3" + b"\xff" * size, path=tmp_path)


def test_a_foreign_file_without_labels_asks_for_them(foreign_file: Path) -> None:
    with pytest.raises(
        ModelFileError, match=r"brings no labels; give the file that lists them with --labels LABELS\.txt"
    ):
        ModelFile.open(foreign_file)


def test_a_foreign_file_takes_the_labels_that_it_is_given(foreign_file: Path, labels_file: Path) -> None:
    opened = ModelFile.open(foreign_file, labels_path=labels_file)
    assert opened.labels == ("Kreis ○", "square", "star", "triangle")
    assert opened.manifest is None
    assert opened.contract.size_wh == (96, 96)


@pytest.mark.parametrize("num", [1, 3, 5, 1000])
def test_a_labels_file_of_another_length_is_refused(foreign_file: Path, tmp_path: Path, num: int) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {index}\n" for index in range(num)))
    with pytest.raises(
        ModelIntegrityError, match=f"there are {num} labels for 4 outputs; give the labels file of this"
    ):
        ModelFile.open(foreign_file, labels_path=labels)


def test_labels_that_cannot_be_read_are_named(foreign_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read the labels file .*none\.txt: No such file"):
        ModelFile.open(foreign_file, labels_path=tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match=r"labels file .*binary\.txt cannot be used: labels must be UTF-8 text"):
        ModelFile.open(foreign_file, labels_path=tmp_path / "binary.txt")


def test_an_export_does_not_take_other_labels(model_file: Path, labels_file: Path) -> None:
    with pytest.raises(ModelFileError, match="the file brings its own labels; leave out --labels"):
        ModelFile.open(model_file, labels_path=labels_file)


def test_a_foreign_file_brings_labels_in_the_way_of_tflite_metadata(bare_model: bytes, exported: ModelFile) -> None:
    # Metadata that names labels.txt, but nothing of edgecnn's.
    payload = build_metadata(name="other", description="", contract=exported.contract)
    whole = io.BytesIO(attach_metadata(bare_model, payload.replace(b"edgecnn.json", b"other---json")))
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.txt", "not these\n")
        archive.writestr("labels.txt", "a\r\nb\r\nc\r\nd\r\n")
    opened = ModelFile.from_bytes(whole.getvalue(), path=Path("model.tflite"))
    assert opened.labels == ("a", "b", "c", "d")
    assert opened.manifest is None


def test_a_foreign_file_whose_labels_are_damaged_says_so(bare_model: bytes, exported: ModelFile) -> None:
    payload = build_metadata(name="other", description="", contract=exported.contract)
    whole = io.BytesIO(attach_metadata(bare_model, payload.replace(b"edgecnn.json", b"other---json")))
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("labels.txt", b"a\n\n\nb\n")
    with pytest.raises(ModelFileError, match="the labels in the file cannot be used: label 1 must have"):
        ModelFile.from_bytes(whole.getvalue(), path=Path("model.tflite"))


CORAL = ("mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.5_160_quant", "mobilenet_v2_1.0_224_quant")


@pytest.mark.parametrize("name", CORAL)
def test_a_published_model_of_coral_opens_and_runs_as_it_was_measured(shared_data: Path, name: str) -> None:
    folder = shared_data / "models" / "coral"
    measured = json.loads((folder / "golden.json").read_text())["results"][f"{name}.tflite"]
    classifier = Classifier.load(folder / f"{name}.tflite", num_threads=1)
    assert len(classifier.labels) == 1001
    assert list(classifier.file.input.shape) == measured["input"]
    assert [*classifier.file.input.scales, *classifier.file.input.zero_points] == pytest.approx(measured["in_q"])
    for photo, best in measured["top5_raw_uint8"].items():
        with Image.open(shared_data / "photos" / photo) as picture:
            pixels = np.asarray(picture.convert("RGB").resize(classifier.contract.size_wh, Image.Resampling.BILINEAR))
        codes = classifier.codes(pixels)
        assert [int(codes[index]) for index, _, _ in best] == [code for _, _, code in best]
        assert [classifier.labels[index] for index, _, _ in best] == [label for _, label, _ in best]


@pytest.mark.parametrize("name", CORAL[:2])
def test_a_model_compiled_for_the_edge_tpu_opens_but_does_not_run_here(shared_data: Path, name: str) -> None:
    path = shared_data / "models" / "coral" / f"{name}_edgetpu.tflite"
    opened = ModelFile.open(path)
    assert "CUSTOM edgetpu-custom-op" in [operator.name for operator in opened.graph.operators]
    with pytest.raises(BackendUnavailableError, match="compiled for a Coral Edge TPU and cannot run on the CPU"):
        Classifier(opened, backend="cpu")
