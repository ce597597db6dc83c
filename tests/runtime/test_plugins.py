from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.errors import EdgecnnError, SinkError, SourceError
from edgecnn.imaging import encode_png
from edgecnn.runtime.loop import run
from edgecnn.runtime.plugins import open_sink, open_source, source_address
from edgecnn.runtime.sinks.console import ConsoleSink
from edgecnn.runtime.sinks.jsonl import JsonlSink
from edgecnn.runtime.sources.camera import CameraSource
from edgecnn.runtime.sources.pictures import FolderSource, ImageSource
from edgecnn.runtime.sources.video import VideoSource
from edgecnn.testing import CollectSink, FakeClassifier

STRANGER = """
import numpy as np
from edgecnn.core.frame import Frame
from edgecnn.runtime.streams import Sink, Source

class Noise(Source):
    def __init__(self, place):
        self.num_frames = int(place)

    def __iter__(self):
        for index in range(self.num_frames):
            yield Frame(pixels=np.full((8, 8, 3), index, np.uint8), color_order="rgb", index=index)

class Log(Sink):
    def __init__(self, place):
        self.place, self.lines = place, []

    def write(self, frame, prediction):
        self.lines.append(prediction.frame_index)
"""


def install(folder, distribution, module, source, *declared):
    """Put a distribution that declares entry points into a folder, as pip would."""
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{distribution}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(declared) + "\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def declared(repository):
    tomllib = pytest.importorskip("tomllib", reason="came with Python 3.11")
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]


def test_a_source_and_a_sink_from_a_strangers_distribution_are_found_by_their_schemes(site):
    declared = ("[edgecnn.sources]", "noise = stranger_a:Noise", "[edgecnn.sinks]", "log = stranger_a:Log")
    install(site, "stranger", "stranger_a", STRANGER, *declared)
    sink = open_sink("log:/some/where")
    run(open_source("noise:3"), FakeClassifier(("a", "b"), lambda pixels: [0.5, 0.5]), [sink])
    assert sink.place == "/some/where"
    assert sink.lines == [0, 1, 2]


def test_a_source_is_told_the_contract_and_whom_to_talk_to(tmp_path):
    contract = InputContract(width=8, height=8)
    sentences = []
    source = open_source(str(tmp_path), contract=contract, say=sentences.append)
    source.say("hello")
    assert source.contract == contract
    assert sentences == ["hello"]


def test_two_distributions_with_the_same_scheme_are_both_named(site):
    install(site, "first", "stranger_b", STRANGER, "[edgecnn.sources]", "noise = stranger_b:Noise")
    install(site, "second", "stranger_c", STRANGER, "[edgecnn.sources]", "noise = stranger_c:Noise")
    with pytest.raises(EdgecnnError, match="first and second both declare 'noise'"):
        open_source("noise:1")


def test_a_plug_in_that_cannot_be_imported_is_named(site):
    install(site, "broken", "stranger_d", "import no_such_module", "[edgecnn.sources]", "noise = stranger_d:Noise")
    with pytest.raises(EdgecnnError, match="'noise' of the plug-in broken cannot be loaded: No module named"):
        open_source("noise:1")


def test_a_stranger_cannot_take_the_place_of_a_scheme_of_edgecnn(site):
    install(site, "thief", "stranger_e", STRANGER, "[edgecnn.sources]", "camera = stranger_e:Noise")
    assert isinstance(open_source("camera:0"), CameraSource)


def test_every_declared_built_in_can_be_loaded(declared):
    files = {"video": "video:0", "folder": "folder:0", "image": "image:0"}
    cameras = {
        "camera": "camera:0",
        "csi": "csi:0",
        "gst": "gst:videotestsrc",
        "http": "http://host/stream",
        "https": "https://host/stream",
        "pipe": "pipe:mjpeg:true",
        "rtsp": "rtsp://host/stream",
        "rtsps": "rtsps://host/stream",
        "screen": "screen:",
        "synthetic": "synthetic:",
    }
    assert set(declared["edgecnn.sources"]) == {*files, *cameras}
    for addresses, live in ((files, False), (cameras, True)):
        assert {open_source(address).live for address in addresses.values()} == {live}
    sinks = ("console", "jsonl:-", "csv:-", "events:-", "frames:pictures", "video:clip.avi", "window:")
    assert set(declared["edgecnn.sinks"]) == {address.partition(":")[0] for address in sinks}
    for address in sinks:
        open_sink(address)


def test_an_installed_edgecnn_declares_what_its_project_file_does(declared):
    installed = {point.name: point.value for point in entry_points(group="edgecnn.sources")}
    if "camera" not in installed:
        pytest.skip("edgecnn is not installed here")
    assert declared["edgecnn.sources"].items() <= installed.items()


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0", CameraSource),
        ("camera:0", CameraSource),
        ("camera:/dev/video7", CameraSource),
        ("auto", CameraSource),
        ("video:clip.avi", VideoSource),
        ("folder:pictures", FolderSource),
        ("image:one.png", ImageSource),
    ],
)
def test_an_address_names_its_source(address, kind):
    assert isinstance(open_source(address), kind)


def test_what_exists_needs_no_scheme(tmp_path):
    (tmp_path / "one.PNG").write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    (tmp_path / "clip.anything").write_bytes(b"")
    assert isinstance(open_source(str(tmp_path)), FolderSource)
    assert isinstance(open_source(str(tmp_path / "one.PNG")), ImageSource)
    assert isinstance(open_source(str(tmp_path / "clip.anything")), VideoSource)
    assert source_address("/dev/null").scheme == "camera"


@pytest.mark.parametrize("name", ["C:\\clips\\my clip.avi", "camera:0", "folder:x", "12:30:00.mp4"])
def test_an_existing_file_with_a_colon_is_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"x")
    assert source_address(name) == ("video", name)


def test_an_address_without_a_scheme_that_is_nothing_at_all_is_explained():
    with pytest.raises(SourceError, match=r"there is no file or folder 'clip\.avi'; .*: camera, csi, folder, gst, "):
        open_source("clip.avi")


def test_an_unknown_scheme_is_explained():
    with pytest.raises(SourceError, match=r"no source 'C'; .*: camera, csi, folder, gst, "):
        open_source("C:\\no such clip.avi")
    with pytest.raises(SinkError, match=r"no sink 'xls' for 'xls:out'; give one of: console, csv, events"):
        open_sink("xls:out")


def test_a_name_that_no_file_can_have_is_not_found():
    with pytest.raises(SourceError, match="there is no file or folder"):
        open_source("a\0b")


def test_sinks_are_built_by_their_address():
    assert isinstance(open_sink("console"), ConsoleSink)
    assert isinstance(open_sink("jsonl:a:b.jsonl"), JsonlSink)


def test_a_collecting_sink_is_a_sink_like_any_other():
    assert CollectSink().labels == []


@pytest.mark.parametrize("address", ["rstp://maria:geheim@host/live", "rtmp://maria:geheim@host"])
def test_a_password_is_not_repeated_in_a_message(address):
    with pytest.raises(SourceError, match=r"\*\*\*@host") as raised:
        open_source(address)
    assert "geheim" not in str(raised.value)
