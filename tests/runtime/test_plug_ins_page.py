"""Runs the code of docs/plug-ins.md, installed as its pyproject.toml there says."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import cv2
import numpy as np
import pytest

FENCE = re.compile(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def page(repository):
    """The files that the page shows, by name."""
    return dict(FENCE.findall((repository / "docs" / "plug-ins.md").read_text("utf-8")))


@pytest.fixture
def site(page, tmp_path):
    """A folder in which the page's package is installed, as pip would do it."""
    tomllib = pytest.importorskip("tomllib", reason="came with Python 3.11")
    project = tomllib.loads(page["pyproject.toml"])
    for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]:
        (tmp_path / name).write_text(page[name], "utf-8")
    name, version = project["project"]["name"].replace("-", "_"), project["project"]["version"]
    metadata = tmp_path / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in project["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{scheme} = {target}" for scheme, target in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def web():
    """A server that is both: a camera that serves snapshots, and one that takes what is posted."""
    posted, numbers = [], count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            picture = np.full((120, 160, 3), next(numbers) * 7 % 256, np.uint8)
            self.answer(cv2.imencode(".jpg", picture)[1].tobytes())

        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(b"")

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        thread.join()


def test_the_plug_ins_of_the_page_run_as_they_stand_there(run_edgecnn, model_file, site, web):
    url, posted = web
    address = f"snapshot:{url}/shot.jpg"
    result = run_edgecnn(
        *("run", model_file, "--camera", address, "--frames", "8"),
        *("--sink", f"webhook:{url}/labels", "--sink", "jsonl:-"),
        env={"PYTHONPATH": str(site)},
    )
    assert result.returncode == 0, result.stderr
    *lines, summary = map(json.loads, result.stdout.splitlines())
    assert summary["summary"]["frames"] == 8
    assert {line["camera"] for line in lines} == {address}
    tops = [line["categories"][0]["label"] for line in lines]
    changes = [label for position, label in enumerate(tops) if [label] != tops[position - 1 : position]]
    assert [value["label"] for value in posted] == changes
    assert posted[0].keys() == {"camera", "label", "score"}


def test_the_plug_ins_of_the_page_explain_what_is_wrong(run_edgecnn, model_file, site):
    environment = {"PYTHONPATH": str(site)}
    result = run_edgecnn("run", model_file, "--sink", "webhook:nowhere", env=environment)
    assert result.returncode == 1
    assert "the sink webhook needs a URL, got 'nowhere'" in result.stderr
    result = run_edgecnn("run", model_file, "--camera", "snapshot:http://127.0.0.1:1/x.jpg", env=environment)
    assert result.returncode == 4
    assert "cannot get a picture from http://127.0.0.1:1/x.jpg" in result.stderr


def test_a_sink_of_the_page_stays_as_short_as_it_is_told_to_be(page):
    assert set(page) == {"edgecnn_webhook.py", "edgecnn_snapshot.py", "pyproject.toml"}
    assert all(len(text.splitlines()) <= 35 for text in page.values())
