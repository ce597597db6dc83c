"""``edgecnn explain``: how a network looks at a picture."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.asking import read_request, request_options
from edgecnn.cli.explained import (
    Picture,
    find_float_file,
    first_picture,
    labelled_pictures,
    open_float_file,
    pictures_of_run,
    read_picture,
    take_picture,
)
from edgecnn.cli.progress import TerminalProgress
from edgecnn.cli.signals import reader_may_leave, stop_on_signals
from edgecnn.cli.training_record import find_run, read_training
from edgecnn.core.names import as_text
from edgecnn.data import SPLIT_NAMES
from edgecnn.errors import SinkError
from edgecnn.explain import Network
from edgecnn.runtime.find_model import find_model

if TYPE_CHECKING:
    from edgecnn.explain.page import PictureSet
    from edgecnn.train.run_folder import RunFolder

_PATH = click.Path(path_type=Path)
_FOR_REPORTS = ("picture", "against", "data", "split", "output", "as_json", "png", "class_name", "run")
_FOR_CAMERAS = ("size", "frame_rate", "fourcc")
_AS_TYPED = {"as_json": "--json", "picture": "PICTURE", "class_name": "--class", "frame_rate": "--fps"}


@click.command()
@click.argument("file")
@click.argument("picture", type=_PATH, required=False)
@click.option("--data", type=_PATH, metavar="DIR", help="Labelled pictures: what excites each filter, and accuracy.")
@click.option("--split", type=click.Choice(SPLIT_NAMES), help="Which split of them; test if left out, else val.")
@click.option("--camera", metavar="ADDRESS", help="Take the picture with a camera: 0, csi:0, rtsp://…, a clip.")
@request_options
@click.option(
    "-o", "--output", type=_PATH, metavar="PAGE", help="Page to write; if left out: FILE's name and -explained.html."
)
@click.option("--png", type=_PATH, metavar="DIR", help="Write every picture of the page as a PNG file, too.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON; a page is written only with -o.")
@click.option(
    "--against", type=_PATH, metavar="FLOAT", help="The same network in floats; found if it lies beside FILE."
)
@click.option("--class", "class_name", metavar="NAME", help="Explain this class; the answer if left out.")
@click.option("--run", type=_PATH, help="What FILE was trained in, for the last screen; found if it lies near.")
@click.option("--labels", type=_PATH, help="Labels file, for a .tflite that brings none.")
@click.option("--serve", is_flag=True, help="Show what the camera sees, live, as a page in a browser.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where --serve listens; 0.0.0.0 is everywhere.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Of --serve; 0: any.")
def command(file: str, serve: bool, **given: Any) -> None:
    """Show how the network in FILE looks at PICTURE, as one page that needs nothing else.

    FILE is a .tflite file or the name of a published model. The page goes from the numbers of the
    picture over filters, feature maps and votes to the answer; all of it is what the file itself
    computes. Without PICTURE, the first one of --data, of --camera, or of those that training kept
    aside is taken.
    """
    _check_together(serve, given)
    network = Network.open(find_model(file), labels_path=given["labels"])
    if serve:
        _serve(network, given)
    else:
        _report(network, given)


def _report(network: Network, given: dict[str, Any]) -> None:
    from edgecnn.explain.page import Material, explain, to_json, write_page, write_pictures

    page = _page_path(network, given)
    _check_writable(page, given["png"])
    class_index = _find_class(network, given["class_name"])
    against, labels = given["against"], given["labels"]
    other = open_float_file(network, against, labels) if against else find_float_file(network)
    run, no_training = find_run(network, given["run"])
    pictures = labelled_pictures(given["data"], given["split"], network, run) if given["data"] else None
    picture = _choose_picture(network, given, pictures, run)
    material = Material(
        network=network,
        pixels=picture.pixels,
        photograph=picture.photograph,
        picture_name=picture.name,
        class_index=class_index,
        other=other,
        other_name=other.file.path.name if other else "",
        pictures=pictures,
        training=read_training(run) if run else None,
        no_training=no_training,
        progress=TerminalProgress(),
    )
    explanation = explain(material)
    if given["as_json"]:
        _print_json(to_json(explanation))
    if given["png"]:
        written = write_pictures(given["png"], explanation)
        click.echo(f"wrote {len(written)} pictures to {given['png']}", err=True)
    if page:
        num_bytes = write_page(page, explanation)
        click.echo(f"wrote {page} ({num_bytes / 1e6:.1f} MB); open it in a browser", err=True)


def _print_json(explanation: dict[str, Any]) -> None:
    try:
        with reader_may_leave():
            click.echo(as_text(json.dumps(explanation, ensure_ascii=False)))
    except OSError as exc:
        raise SinkError(f"cannot write the JSON: {exc.strerror or exc}") from exc


def _page_path(network: Network, given: dict[str, Any]) -> Path | None:
    """Return where the page goes; None where only data or pictures were asked for."""
    if given["output"] is None and (given["as_json"] or given["png"]):
        return None
    return given["output"] or Path(f"{network.file.path.stem}-explained.html")  # FILE.html may be an export's report


def _check_writable(page: Path | None, png: Path | None) -> None:
    """Raise SinkError before the work rather than after it."""
    if png and png.exists() and not png.is_dir():
        raise SinkError(f"{png} is a file; give --png the name of a folder")
    if page and (page.is_dir() or not page.parent.is_dir()):
        what = "is a folder" if page.is_dir() else f"cannot be written: there is no folder {page.parent}"
        raise SinkError(f"the page {page} {what}; give the name of an .html file with -o")
    if page:
        _try_writing(page.parent, f"the page {page}")
    if png:
        _try_writing(next(folder for folder in (png, *png.absolute().parents) if folder.is_dir()), f"pictures to {png}")


def _try_writing(folder: Path, what: str) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise SinkError(f"cannot write {what}: {exc.strerror or exc}") from exc


def _find_class(network: Network, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in network.labels:
        known = ", ".join(network.labels[:10]) + (", …" if len(network.labels) > 10 else "")
        raise click.UsageError(f"--class {name}: the file knows {len(network.labels)} classes: {known}")
    return network.labels.index(name)


def _choose_picture(
    network: Network, given: dict[str, Any], pictures: PictureSet | None, run: RunFolder | None
) -> Picture:
    contract = network.file.contract
    if given["picture"]:
        return read_picture(given["picture"], contract)
    if given["camera"]:
        request = read_request(size=given["size"], frame_rate=given["frame_rate"], fourcc=given["fourcc"])
        return take_picture(given["camera"], request, contract)
    some = pictures or (pictures_of_run(run, network) if run else None)
    if some is None:
        raise click.UsageError("say which picture: edgecnn explain FILE PICTURE, or --data DIR, or --camera 0")
    path, picture = first_picture(some, contract)
    click.echo(f"no picture was named: taking {path}", err=True)
    return picture


def _check_together(serve: bool, given: dict[str, Any]) -> None:
    """Raise UsageError for options that would change nothing here."""
    if serve and (useless := [name for name in _FOR_REPORTS if given[name]]):
        named = ", ".join(_AS_TYPED.get(name, f"--{name}") for name in useless)
        raise click.UsageError(f"--serve shows what a camera sees and takes no {named}")
    if given["picture"] and given["camera"]:
        raise click.UsageError("the picture comes from a file or from --camera, not from both")
    if given["split"] and not given["data"]:
        raise click.UsageError("--split says which part of --data DIR; give that, too")
    asked = [name for name in _FOR_CAMERAS if given[name]]
    if asked and not (serve or given["camera"]):
        raise click.UsageError(f"{_AS_TYPED.get(asked[0], f'--{asked[0]}')} is for a camera; give --camera, too")


def _serve(network: Network, given: dict[str, Any]) -> None:
    from edgecnn.explain.live import serve
    from edgecnn.runtime.plugins import open_source

    request = read_request(size=given["size"], frame_rate=given["frame_rate"], fourcc=given["fourcc"])
    say = TerminalProgress().say
    with stop_on_signals() as stop:
        source = open_source(given["camera"] or "0", request=request, say=say)
        stats = serve(network, source, host=given["host"], port=given["port"], stop=stop, say=say)
    say(str(stats))
