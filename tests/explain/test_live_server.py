"""The live view's server, asked through its socket."""

import base64
import hashlib
import re
import select
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_view import LiveView, live_view, until
from numpy.typing import NDArray
from small_network import SmallNetwork

from edgecnn.core.frame import EncodedFrame, Frame
from edgecnn.errors import CameraMissingError, EdgecnnError, SourceError, SourceLostError
from edgecnn.explain import Network, class_activation_map, contributions, feature_maps
from edgecnn.explain.live.answering import MAX_CONNECTIONS
from edgecnn.explain.live.door import is_open_to_others
from edgecnn.explain.live.shots import seen_region
from edgecnn.explain.live.viewers import MAX_VIEWERS
from edgecnn.imaging import to_input
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.plugins import open_source
from edgecnn.testing import ScriptedLiveSource, ScriptedSource, grey_of, write_clip

CARD = "synthetic:64x48@60"


@pytest.fixture
def network(exported) -> Network:
    return Network(exported, num_threads=1)


def picture(seed: int, size_wh: tuple[int, int] = (96, 96)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def follow(view: LiveView, num: int, **fields) -> list[int]:
    """Numbers of the pictures that a browser gets which asks anew whenever it has drawn one."""
    numbers = [-1]
    while len(numbers) <= num:
        about = view.look(after=numbers[-1], **fields).about
        if about["kind"] == "picture":
            numbers.append(about["number"])
    return numbers[1:]


def test_what_is_shown_is_what_the_file_computes(network: Network, exported) -> None:
    pixels = picture(0, (120, 90))
    layer = network.layer("conv2")
    with live_view(Network(exported), ScriptedSource([pixels])) as view:
        message = view.look(layer=layer.index, maps=5)
    look = network.look(to_input(Frame(pixels=pixels, color_order="bgr"), exported.contract))
    about, maps = message.about, feature_maps(look, layer)
    assert [score for _, score in about["classes"]] == pytest.approx(look.scores.tolist())
    assert about["best"] == about["explained"] == look.best
    np.testing.assert_allclose(message.heat, class_activation_map(look), rtol=1e-5)
    channels = about["maps"]["channels"]
    assert channels == sorted(range(maps.shape[2]), key=lambda channel: -maps[::3, ::3, channel].mean())[:5]
    assert about["maps"]["largest"] == maps[:, :, channels].max()
    expected = maps[:, :, channels].transpose(2, 0, 1) * (255 / about["maps"]["largest"])
    np.testing.assert_allclose(message.codes, expected, atol=0.51)
    sums = contributions(look)
    for vote in about["votes"]["features"]:
        assert vote["vote"] == pytest.approx(sums.values.reshape(sums.shape)[tuple(vote["at"])])
    shown = sum(vote["vote"] for vote in about["votes"]["features"])
    votes = about["votes"]
    assert shown + votes["others"] + votes["bias"] + votes["rest"] == pytest.approx(votes["logit"])
    assert decode_jpeg(message.jpeg).shape == (90, 120, 3)
    assert about["size"] == [120, 90]
    assert about["region"] == [0, 0, 1, 1]


def test_large_maps_are_averaged_in_whole_squares() -> None:
    net = SmallNetwork(200, 130)
    weights = np.zeros((2, 1, 1, 3))
    weights[0, 0, 0, 0], weights[1, 0, 0, 1] = 1, -1
    maps = net.conv(net.picture, weights)
    network = net.network(net.softmax(net.dense(net.mean(maps), np.eye(2))))
    pixels = picture(1, (130, 200))
    with live_view(network, ScriptedSource([pixels])) as view:
        message = view.look(layer=0, maps=2)
    assert message.codes.shape == (2, 50, 32)
    assert message.about["maps"]["is_signed"]
    means = pixels[:200, :128, ::-1].reshape(50, 4, 32, 4, 3).mean(axis=(1, 3))
    for channel, codes in zip(message.about["maps"]["channels"], message.codes, strict=True):
        values = means[:, :, 0] if channel == 0 else -means[:, :, 1]
        np.testing.assert_allclose(codes, 128 + values / message.about["maps"]["largest"] * 127, atol=1.01)


@pytest.mark.parametrize(
    ("aspect", "fraction", "expected"),
    [
        ("squash", 1.0, (0, 0, 1, 1)),
        ("squash", 0.5, (0.25, 0.25, 0.5, 0.5)),
        ("crop", 1.0, (0.25, 0, 0.5, 1)),
        ("fit", 1.0, (0, -0.5, 1, 2)),
    ],
)
def test_the_heat_map_lies_on_what_the_network_sees(exported, aspect, fraction, expected) -> None:
    contract = replace(exported.contract, aspect=aspect, crop_fraction=fraction)
    assert seen_region(contract, (200, 100)) == pytest.approx(expected)


def test_a_file_says_unknown_as_it_does_elsewhere(careful_file: Path) -> None:
    network, classifier = Network.open(careful_file), Classifier.load(careful_file)
    strange = picture(2)
    with live_view(network, ScriptedSource([strange])) as view:
        familiar = view.look().about["familiar"]
    prediction = classifier.classify(strange)
    assert familiar["value"] == pytest.approx(prediction.familiarity)
    assert familiar["is_unknown"] == prediction.is_unknown
    assert not familiar["is_score"]


def test_pictures_go_on_and_none_comes_twice(network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        numbers = follow(view, 10)
        assert numbers == sorted(set(numbers))
        about = view.look(after=-1).about
        assert about["age_ms"] < 1000
        assert about["waited_ms"] >= 0


def test_nothing_is_computed_while_nobody_watches(network: Network) -> None:
    source = open_source(CARD)
    with live_view(network, source) as view:
        until(lambda: source.dropped or source.address)
        assert view.get("/")[0] == view.get("/network")[0] == 200
        follow(view, 3)
    assert view.stats is not None
    assert view.stats.pictures == view.stats.answers == 3


def test_browsers_that_ask_at_the_same_time_share_one_look(network: Network) -> None:
    camera = ScriptedLiveSource([picture(0)])
    camera.may_stand_still = True
    answers = {}
    with live_view(network, camera) as view:
        first = view.look().about["number"]

        def ask(viewer: str, layer: int) -> None:
            answers[viewer] = view.look(viewer, after=first, layer=layer)

        threads = [threading.Thread(target=ask, args=(f"{layer}" * 8, layer)) for layer in (1, 3)]
        for thread in threads:
            thread.start()
        assert all(thread.is_alive() for thread in threads)  # they wait for a picture
        time.sleep(0.8)
        camera.show(picture(1))
        for thread in threads:
            thread.join()
        stats = view.end()
    numbers = {answer.about.get("number") for answer in answers.values()}
    layers = [answers[viewer].about["maps"]["layer"] for viewer in ("1" * 8, "3" * 8)]
    assert len(numbers) == 1
    assert layers == [1, 3]
    assert (stats.pictures, stats.answers, stats.most_viewers) == (2, 3, 3)


def test_a_paused_browser_sees_other_layers_of_its_own_picture(network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        before = view.look(layer=1)
        follow(view, 5, viewer="beefbeef")
        after = view.look(layer=3, still=1)
        assert after.about["number"] == before.about["number"]
        assert after.jpeg == before.jpeg
        assert after.about["maps"]["layer"] == 3
        assert view.look(layer=3).about["number"] > after.about["number"]


def test_maps_keep_their_places_while_pictures_change(network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        layer = network.layer("conv4").index
        orders = [view.look(layer=layer, maps=12).about["maps"]["channels"] for _ in range(8)]
    for order, later in pairwise(orders):
        assert sum(one != other for one, other in zip(order, later, strict=True)) <= 1


def test_another_class_is_explained_when_it_is_asked_for(network: Network) -> None:
    with live_view(network, ScriptedSource([picture(0)])) as view:
        explained = [view.look(**({"class": index})) for index in range(4)]
    assert [one.about["explained"] for one in explained] == [0, 1, 2, 3]
    logits = [one.about["votes"]["logit"] for one in explained]
    assert int(np.argmax(logits)) == explained[0].about["best"]
    for one in explained:
        assert one.about["heat"]["class"] == one.about["explained"]


def test_of_many_classes_the_best_are_shown_and_the_one_that_is_explained() -> None:
    net = SmallNetwork(8, 8)
    maps = net.conv(net.picture, np.eye(3).reshape(3, 1, 1, 3))
    weights = np.random.default_rng(3).normal(size=(40, 3)) / 100
    network = net.network(net.softmax(net.dense(net.mean(maps), weights)))
    with live_view(network, ScriptedSource([picture(0)])) as view:
        classes = view.look(layer=0).about["classes"]
        scores = [score for _, score in classes]
        assert len(classes) == 6
        assert scores == sorted(scores, reverse=True)
        other = next(index for index in range(40) if index not in dict(classes))
        again = view.look(layer=0, **{"class": other}).about
    assert [index for index, _ in again["classes"]] == [*[index for index, _ in classes[:5]], other]
    assert again["explained"] == other


def test_a_camera_that_is_lost_and_comes_back_goes_on(network: Network) -> None:
    camera = ScriptedLiveSource([picture(0)])
    camera.opening_errors = []
    with live_view(network, camera) as view:
        number = view.look().about["number"]
        camera.opening_errors = [SourceError("still unplugged")] * 2
        camera.show(SourceError("the cable is out"))
        lost = until(lambda: view.look(after=number).about["lost"])
        assert lost == "the cable is out"
        assert view.look(still=1).about["number"] == number  # the last picture can still be looked at
        camera.show(picture(1))
        back = until(lambda: (about := view.look(after=number).about)["kind"] == "picture" and about)
        assert back["number"] > number
        assert until(lambda: not view.look().about["lost"])
    assert any("camera lost: the cable is out" in said for said in view.said)
    assert any("is back after" in said for said in view.said)


def test_a_camera_that_stays_lost_ends_it_if_so_wished(network: Network) -> None:
    camera = ScriptedLiveSource([picture(0), SourceError("gone")])
    camera.lost_timeout_s = 0.1
    camera.opening_errors = []
    view = LiveView(network, camera)
    with pytest.raises(SourceLostError, match="stayed lost"):
        until(lambda: view.error) and view.end()


def test_a_camera_that_is_missing_is_an_error_and_leaves_the_port_free(network: Network) -> None:
    camera = ScriptedLiveSource()
    camera.opening_errors = [CameraMissingError("there is no camera")]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(CameraMissingError, match="there is no camera"):
        LiveView(network, camera, port=port)
    with live_view(network, ScriptedSource([picture(0)]), port=port) as view:
        assert view.url == f"http://127.0.0.1:{port}/"


def test_a_picture_that_cannot_be_decoded_is_passed_over(network: Network) -> None:
    broken = EncodedFrame(data=b"\xff\xd8nonsense", encoding="jpeg")
    camera = ScriptedLiveSource([picture(0)])
    camera.may_stand_still = True
    with live_view(network, camera) as view:
        number = view.look().about["number"]
        camera.show(broken)
        camera.settle()
        assert view.look(after=number).about["kind"] == "waiting"
        camera.show(picture(1))
        assert until(lambda: view.look(after=number).about["kind"] == "picture")
    assert view.stats is not None
    assert view.stats.unreadable == 1
    assert any("passed over" in said for said in view.said)


def test_a_clip_plays_over_and_over_while_it_is_watched(network: Network, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 4, frame_rate=50.0)
    levels = []
    with live_view(network, open_source(str(clip))) as view:
        number = -1
        while len(levels) < 9:
            message = view.look(after=number)
            if message.jpeg:
                number = message.about["number"]
                levels.append(int(decode_jpeg(message.jpeg).mean()))
    assert number >= 8
    assert len({min(range(4), key=lambda index: abs(grey_of(index) - level)) for level in levels}) > 1


def test_a_picture_file_is_shown_as_long_as_one_likes(network: Network, picture_folder: Path) -> None:
    path = next(picture_folder.rglob("*.png"), None) or next(picture_folder.rglob("*.jpg"))
    with live_view(network, open_source(str(path))) as view:
        names = {view.look(layer=layer).about["name"] for layer in (1, 2, 3)}
    assert names == {path.name}


def test_a_network_without_an_activation_map_is_covered_instead_in_its_own_time() -> None:
    net = SmallNetwork(16, 16)
    maps = net.conv(net.picture, np.random.default_rng(0).normal(size=(4, 3, 3, 3)), activation="relu")
    both = net.add(net.dense(net.mean(maps), np.eye(4)), net.dense(net.mean(maps), np.ones((4, 4))))
    network = net.network(net.softmax(both))
    with live_view(network, open_source("synthetic:64x48@30")) as view:
        message = until(lambda: (found := view.look(layer=0)).about["heat"].get("method") and found)
        about = message.about
        assert about["heat"]["method"] == "occlusion"
        assert about["heat"]["age_ms"] > 0
        assert message.heat.shape == (12, 12)
        assert "no votes to count" in about["votes"]["missing"]
        assert about["familiar"] is None
    assert not [thread for thread in threading.enumerate() if thread.name == "edgecnn-occlusion"]


def test_scores_that_are_no_numbers_do_not_end_it() -> None:
    net = SmallNetwork(8, 8)
    maps = net.conv(net.picture, np.full((2, 1, 1, 3), np.nan))
    network = net.network(net.dense(net.mean(maps), np.eye(2)))
    with live_view(network, ScriptedSource([picture(0)])) as view:
        about = view.look(layer=0, maps=2).about
    assert about["classes"] == [[0, None], [1, None]]


def test_the_page_comes_with_a_policy_that_lets_nothing_else_in(network: Network) -> None:
    with live_view(network, ScriptedSource([picture(0)])) as view:
        status, body, headers = view.get("/")
        assert status == 200
        assert view.get("/", method="HEAD")[:2] == (200, b"")
    page, policy = body.decode(), headers["Content-Security-Policy"]
    for tag in ("script", "style"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "Access-Control-Allow-Origin" not in headers
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing", 404, "nothing at this address"),
        ("/../../etc/passwd", 404, "nothing at this address"),
        ("/look", 400, "viewer must be"),
        ("/look?viewer=0123abcd&after=-1&layer=999&maps=8", 400, "layer must be"),
        ("/look?viewer=0123abcd&after=-1&layer=11&maps=8", 400, "no maps"),
        ("/look?viewer=0123abcd&after=-1&layer=1&maps=0", 400, "maps must be"),
        ("/look?viewer=0123abcd&after=-1&layer=1&maps=100000", 400, "maps must be"),
        ("/look?viewer=0123abcd&after=-1&layer=1&maps=8&class=4", 400, "class must be"),
        ("/look?viewer=0123abcd&after=-1&layer=1e3&maps=8", 400, "layer must be"),
        ("/look?viewer=0123abcd&after=%D9%A3&layer=1&maps=8", 400, "after must be"),
        ("/look?viewer=../../etc&after=-1&layer=1&maps=8", 400, "viewer must be"),
        ("/look?" + "&".join(f"a{index}=1" for index in range(50)), 400, "fields"),
        ("/look?viewer=" + "a" * 5000, 414, "too long"),
        ("/" + "a" * 5000, 414, "too long"),
        ("/" + "a" * 100_000, 414, "too long"),
    ],
)
def test_a_wrong_address_is_answered_in_plain_words(exported, path: str, status: int, words: str) -> None:
    with live_view(Network(exported), ScriptedSource([picture(0)])) as view:
        answered, body, _ = view.get(path)
        assert (answered, words in body.decode()) == (status, True), body
        assert view.look().about["kind"] == "picture"
    assert view.stats is not None
    assert view.stats.pictures == 1


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", b"no request that a browser makes"),
        (b"GET\r\n\r\n", b"no request that a browser makes"),
        (b"GET / HTTP/9.9.9\r\n\r\n", b"no request that a browser makes"),
        (b"POST /look HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b" 501 "),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b" 400 "),
        (b"HEAD /look HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b" 405 "),
        (b"GET / HTTP/1.0\r\n\r\n", b" 403 "),
    ],
)
def test_what_is_no_request_of_a_browser_is_refused(exported, request_: bytes, answer: bytes) -> None:
    with live_view(Network(exported), ScriptedSource([picture(0)])) as view:
        assert answer in view.send(request_)
        assert view.look().about["kind"] == "picture"


@pytest.mark.parametrize(
    "headers", [b"".join(b"A%d: b\r\n" % index for index in range(500)), b"Host: " + b"a" * 1_000_000 + b"\r\n"]
)
def test_headers_without_end_are_refused(exported, headers: bytes) -> None:
    with live_view(Network(exported), ScriptedSource([picture(0)])) as view:
        with suppress(ConnectionError):  # it may hang up before it has read all of that
            assert b" 431 " in view.send(b"GET / HTTP/1.1\r\n" + headers + b"\r\n")
        assert view.look().about["kind"] == "picture"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost.evil.example", "[::1"])
def test_a_name_that_is_not_this_machines_is_refused(network: Network, host: str) -> None:
    with live_view(network, ScriptedSource([picture(0)])) as view:
        for path in ("/", "/network", "/look?viewer=0123abcd&after=-1&layer=1&maps=8"):
            status, body, _ = view.get(path, Host=host)
            assert (status, b"not called so" in body) == (403, True)


def test_the_machines_own_names_and_numbers_are_let_in(network: Network) -> None:
    with live_view(network, ScriptedSource([picture(0)])) as view:
        for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80", "192.168.1.5:8000", socket.gethostname()):
            assert view.get("/", Host=host)[0] == 200, host


def test_a_page_from_elsewhere_cannot_make_it_work(network: Network) -> None:
    look = "/look?viewer=0123abcd&after=-1&layer=1&maps=8"
    with live_view(network, ScriptedSource([picture(0)])) as view:
        assert [view.get(look, Sec_Fetch_Site=site)[0] for site in ("cross-site", "same-site")] == [403, 403]
        assert view.get(look, Sec_Fetch_Site="same-origin")[0] == 200


def test_browsers_that_go_away_in_the_middle_disturb_nobody(
    network: Network, capfd: pytest.CaptureFixture[str]
) -> None:
    with live_view(network, open_source(CARD)) as view:
        for index in range(30):
            with socket.create_connection(view.address) as client:
                client.sendall(
                    b"GET /look?viewer=%08x&after=-1&layer=1&maps=64 HTTP/1.1\r\nHost: localhost\r\n\r\n" % (index % 4)
                )
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # hang up hard
        assert len(follow(view, 5)) == 5
    assert capfd.readouterr().err == ""


def test_one_browser_too_many_is_told_so(network: Network) -> None:
    with live_view(network, ScriptedSource([picture(0)])) as view:
        for index in range(MAX_VIEWERS):
            view.look(f"{index:08x}")
        status, body, _ = view.get("/look?viewer=ffffffff&after=-1&layer=1&maps=8")
        assert (status, b"8 browsers are watching already" in body) == (503, True)
        assert view.look(f"{0:08x}").about["kind"] == "picture"


def test_connections_beyond_a_number_are_not_kept(network: Network) -> None:
    with live_view(network, ScriptedSource([picture(0)])) as view, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(view.address)) for _ in range(MAX_CONNECTIONS + 8)]
        until(lambda: len(select.select(idle, [], [], 0)[0]) == 8)  # hung up: there is an end to read
        stack.close()
        until(lambda: _works(view))


def _works(view: LiveView) -> bool:
    try:
        return view.get("/")[0] == 200
    except OSError:
        return False


def test_a_port_that_is_taken_is_one_sentence(network: Network) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EdgecnnError, match=rf"cannot listen at 127.0.0.1 port {port} .*--port"):
            LiveView(network, ScriptedSource([picture(0)]), port=port)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "nowhere.invalid"}, "no address 'nowhere.invalid'"),
        ({"host": "192.0.2.77"}, "cannot listen"),
        ({"port": 70000}, "no port 70000"),
    ],
)
def test_an_address_that_this_machine_does_not_have_is_one_sentence(network, options, words) -> None:
    source = ScriptedSource([picture(0)])
    with pytest.raises(EdgecnnError, match=words):
        LiveView(network, source, **options)
    assert not source.opened


def test_it_says_when_others_can_see_the_camera(network: Network) -> None:
    with live_view(network, ScriptedSource([picture(0)]), host="0.0.0.0") as view:
        until(lambda: len(view.said) > 1)
    assert "everybody in this network can see the camera" in view.said[1]
    assert "0.0.0.0" not in view.url
    assert [is_open_to_others(host) for host in ("127.0.0.1", "localhost", "::1", "::", "192.168.0.2", "pi.local")] == [
        False, False, False, True, True, True,
    ]  # fmt: skip


def test_it_ends_at_once_with_everything_closed(network: Network) -> None:
    before = set(threading.enumerate())
    source = ScriptedLiveSource([picture(0)])
    view = LiveView(network, source)
    number = view.look().about["number"]
    waiting = threading.Thread(target=_look_until_it_ends, args=(view, number))
    waiting.start()
    stats = view.end()
    waiting.join()
    assert source.num_opened == source.num_closed == 1
    until(lambda: set(threading.enumerate()) <= before)
    assert "1 picture" in str(stats)
    with socket.create_server(view.address):
        pass


def _look_until_it_ends(view: LiveView, number: int) -> None:
    with suppress(OSError, HTTPException):
        while view.look(after=number).about["kind"] == "waiting":
            pass


def test_what_the_looking_thread_fails_with_ends_the_view(exported) -> None:
    network = Network(replace(exported, model=b"no network at all"))
    view = LiveView(network, open_source(CARD))
    _look_until_it_ends(view, -1)
    with pytest.raises(EdgecnnError):
        view.end()
