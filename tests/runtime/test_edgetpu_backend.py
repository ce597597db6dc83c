import gc
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import BackendUnavailableError, DeviceMissingError
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.backends.edgetpu_devices import Choice, choose_device, why_none_is_seen, why_none_opens
from edgecnn.runtime.backends.edgetpu_library import EdgeTpuDevice
from edgecnn.runtime.backends.edgetpu_process import EdgeTpuProcess
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.verification import verify
from edgecnn.testing.fake_library import find_c_compiler

ANY = Choice({}, "usb")
USB = EdgeTpuDevice("usb", "/sys/bus/usb/devices/2-1")
PCI = EdgeTpuDevice("pci", "/dev/apex_0")


@pytest.fixture
def compiled(compiled_file):
    return ModelFile.open(compiled_file)


@pytest.fixture
def pictures(compiled):
    size = compiled.contract.width, compiled.contract.height
    noise = np.random.default_rng(4).integers(0, 256, (5, *size[::-1], 3), np.uint8)
    return [*noise, *(synthetic_picture(seed, *size) for seed in range(5))]


def events(library, kind):
    """Return what the FAKE library logged of a kind: pairs of what it was about and a process number."""
    log = library.parent / "log"
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(about, int(process)) for event, about, process in lines if event == kind]


def build_library(folder, source):
    compiler = find_c_compiler()
    if compiler is None:
        pytest.skip("no C compiler to build a library with")
    (folder / "library.c").write_text(source)
    library = folder / "library.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "library.c"], check=True, timeout=60)
    return library


# --- what works


def test_every_output_is_that_of_the_plain_file_on_the_cpu_bit_for_bit(edgetpu_library, compiled, exported, pictures):
    plain, device = Classifier(exported, num_threads=1), Classifier(compiled, backend="edgetpu")
    for picture in pictures:
        assert device.codes(picture).tobytes() == plain.codes(picture).tobytes()


def test_what_runs_is_named_down_to_the_device_and_that_it_is_fake(edgetpu_library, compiled):
    classifier = Classifier(compiled, backend="edgetpu")
    assert classifier.kernels == "Edge TPU"
    assert "FAKE libedgetpu for tests, RuntimeVersion(14) on usb FAKE/usb/1-1" in classifier.backend
    assert classifier.backend.startswith("LiteRT ")


def test_auto_takes_the_edge_tpu_for_a_compiled_file_without_a_word(edgetpu_library, compiled):
    said = []
    assert Classifier(compiled, say=said.append).kernels == "Edge TPU"
    assert said == []


def test_the_device_that_is_named_is_the_one_that_is_opened(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "usb,pci,usb")
    classifier = Classifier(compiled, backend="edgetpu:usb:1")
    assert {device for device, _ in events(edgetpu_library, "open")} == {"usb:1"}
    assert "usb FAKE/usb/1-2" in classifier.backend


def test_parameters_are_uploaded_before_the_first_picture(edgetpu_library, compiled):
    classifier = Classifier(compiled, backend="edgetpu")
    assert len(events(edgetpu_library, "invoke")) == 1
    assert classifier.kernels == "Edge TPU"


def test_several_in_one_program_share_the_device_which_another_process_has(edgetpu_library, compiled, pictures):
    first = Classifier(compiled, backend="edgetpu")
    second = first.twin()
    assert first.codes(pictures[0]).tobytes() == second.codes(pictures[0]).tobytes()
    ((_, process),) = events(edgetpu_library, "open")
    assert process != os.getpid()
    assert not first.has_twins, "one device does one thing at a time"
    del first
    assert len(second.codes(pictures[1])) == 4


def test_a_second_program_does_not_get_the_device_until_the_first_one_has_ended(edgetpu_library, compiled):
    first = EdgeTpuProcess(str(edgetpu_library), ANY)
    with pytest.raises(DeviceMissingError, match="another program may be using it"):
        Classifier(compiled, backend="edgetpu")
    first.close()
    Classifier(compiled, backend="edgetpu")


def test_threads_take_turns(edgetpu_library, compiled, pictures):
    classifier = Classifier(compiled, backend="edgetpu")
    twins = [classifier.twin(), classifier.twin()]
    expected = [classifier.codes(picture).tobytes() for picture in pictures]
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda twin: [twin.codes(picture).tobytes() for picture in pictures], twins)
    assert list(results) == [expected, expected]


def test_the_device_is_let_go_with_the_last_classifier(edgetpu_library, compiled):
    classifier = Classifier(compiled, backend="edgetpu")
    ((_, process),) = events(edgetpu_library, "open")
    os.kill(process, 0)
    del classifier
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_process_ends_with_the_program_that_started_it_even_if_that_is_killed(edgetpu_library, compiled_file):
    code = (
        "import os, signal; from edgecnn.runtime.classifier import Classifier; "
        f"c = Classifier.load({str(compiled_file)!r}, backend='edgetpu'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    ((_, process),) = events(edgetpu_library, "open")
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":  # nobody here to bury it
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} is still there")


def test_golden_vectors_are_replayed_on_the_device(edgetpu_library, compiled):
    outcome = verify(compiled, backend="edgetpu")
    assert outcome.passed
    assert "Edge TPU" in outcome.backend
    assert max(result.max_difference for result in outcome.results) == 0
    assert outcome.tolerance > 0, "a device may round differently, and the file says how far"


# --- which device


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("", {}),
        ("usb", {"device": "usb"}),
        ("pci", {"device": "pci"}),
        ("pci:0", {"device": "pci:0"}),
        ("usb:1", {"device": "usb:1"}),
        ("2", {"device": ":2"}),
        (":0", {"device": ":0"}),
    ],
)
def test_an_address_becomes_the_option_of_the_delegate(place, options):
    assert choose_device([USB, PCI, USB], place).options == options


@pytest.mark.parametrize("place", ["usb1", "tpu", "usb:", "usb:-1", "usb:1:2", "/dev/apex_0", "1234"])
def test_what_is_no_address_is_refused_with_examples(place):
    with pytest.raises(BackendUnavailableError, match=r"edgetpu:.* is no address of a device; give .*edgetpu:usb:1"):
        choose_device([USB], place)


@pytest.mark.parametrize("place", ["usb:1", "pci:1", "3"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(place):
    with pytest.raises(DeviceMissingError, match=rf"no Edge TPU {place}; connected: usb:0 \(.*2-1\), pci:0 \(/dev"):
        choose_device([USB, PCI], place)


def test_one_device_is_named_and_of_several_none(tmp_path):
    assert choose_device([USB, PCI], "usb").name == "usb /sys/bus/usb/devices/2-1"
    assert choose_device([USB, USB], "").name == "one of 2 Edge TPUs"


# --- why there is none


def plug_in_usb(root, vendor="1a6e", product="089a"):
    folder = root / "sys/bus/usb/devices/2-1"
    folder.mkdir(parents=True)
    for name, value in (("idVendor", vendor), ("idProduct", product), ("busnum", "2"), ("devnum", "7")):
        (folder / name).write_text(f"{value}\n")
    return root / "dev/bus/usb/002/007"


def make_node(node):
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    return node


def use(node, root, process=4711, name="frigate"):
    folder = root / "proc" / str(process)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "9").symlink_to(node)
    (folder / "comm").write_text(f"{name}\n")


def test_without_any_device_the_sentence_says_what_was_looked_for(tmp_path):
    reason = why_none_is_seen(tmp_path)
    assert reason.startswith("no Edge TPU is connected: plug in")
    assert "1a6e:089a" in reason
    assert "/dev/apex_0" in reason


@pytest.mark.parametrize(("ids", "state"), [(("1a6e", "089a"), "waiting for"), (("18d1", "9302"), "with its firmware")])
def test_a_usb_device_that_a_container_does_not_pass_in_is_told(tmp_path, ids, state):
    plug_in_usb(tmp_path, *ids)
    reason = why_none_is_seen(tmp_path)
    assert f"USB {':'.join(ids)}, {state}" in reason
    assert "docker run --device /dev/bus/usb" in reason


def test_a_card_without_its_driver_is_told(tmp_path):
    folder = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x1ac1\n")
    (folder / "device").write_text("0x089a\n")
    assert "gasket" in why_none_is_seen(tmp_path)
    make_node(tmp_path / "dev/apex_0")
    assert "there is a Coral card at" in why_none_is_seen(tmp_path)


def test_the_process_that_uses_the_device_is_named(tmp_path):
    node = make_node(plug_in_usb(tmp_path))
    use(node, tmp_path)
    assert "process 4711 (frigate) uses it" in why_none_opens(tmp_path)
    assert "process 4711 (frigate) uses it" in why_none_is_seen(tmp_path)


@pytest.fixture
def nobody(tmp_path):
    """Makes this process ask for permissions in the name of an ordinary user, if it is root's."""
    if not hasattr(os, "setresuid"):
        pytest.skip("only Linux lets a process ask in another user's name")
    if os.geteuid():
        yield
        return
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    os.setresuid(65534, 0, 0)
    yield
    os.setresuid(0, 0, 0)


def test_a_user_without_permission_is_told_the_rule_and_the_group(tmp_path, nobody):
    node = make_node(plug_in_usb(tmp_path))
    node.chmod(0)
    for reason in (why_none_opens(tmp_path), why_none_is_seen(tmp_path)):
        assert f"this user may not open {node}" in reason
        assert "60-edgecnn-edgetpu.rules" in reason
        assert "plugdev" in reason
    node.chmod(0o666)
    assert "may not open" not in why_none_opens(tmp_path)


def test_the_rule_file_that_messages_name_exists_and_names_both_ids(repository):
    rules = (repository / "device/edgetpu/60-edgecnn-edgetpu.rules").read_text()
    for vendor, product in (("1a6e", "089a"), ("18d1", "9302")):
        assert f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"' in rules


def test_no_device_is_a_missing_device(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    with pytest.raises(DeviceMissingError, match=r"no Edge TPU is connected|Coral"):
        Classifier(compiled, backend="edgetpu")
    assert events(edgetpu_library, "open") == []


def test_a_device_that_does_not_open_is_a_missing_device_although_the_library_gives_no_reason(
    edgetpu_library, compiled, monkeypatch
):
    monkeypatch.setenv("FAKE_EDGETPU_REFUSE", "1")
    with pytest.raises(DeviceMissingError, match=r"\(usb FAKE/usb/1-1\) cannot be opened: .+"):
        Classifier(compiled, backend="edgetpu")


# --- library and file


def test_a_file_that_is_not_compiled_is_refused_with_the_command_that_compiles(edgetpu_library, exported):
    with pytest.raises(BackendUnavailableError, match=r"not compiled for the Edge TPU.*edgecnn export RUN --edgetpu"):
        Classifier(exported, backend="edgetpu")


def test_a_file_that_is_not_compiled_names_the_compiled_one_beside_it(edgetpu_library, compiled_file):
    plain = ModelFile.open(compiled_file.with_name("shapes.tflite"))
    with pytest.raises(BackendUnavailableError, match=r"shapes_edgetpu\.tflite beside it"):
        Classifier(plain, backend="edgetpu")


def test_a_compiled_file_is_refused_by_the_cpu(compiled):
    with pytest.raises(BackendUnavailableError, match="compiled for a Coral Edge TPU and cannot run on the CPU"):
        Classifier(compiled, backend="cpu")


def test_a_library_that_is_not_there_is_told_with_the_variable_that_names_it(compiled, monkeypatch):
    monkeypatch.setenv("EDGECNN_EDGETPU_LIB", "/nowhere/libedgetpu.so.1")
    with pytest.raises(BackendUnavailableError, match=r"EDGECNN_EDGETPU_LIB names /nowhere/libedgetpu\.so\.1"):
        Classifier(compiled, backend="edgetpu")


def test_a_file_that_is_no_library_is_told(compiled, monkeypatch, tmp_path):
    (tmp_path / "text.so").write_text("no library")
    monkeypatch.setenv("EDGECNN_EDGETPU_LIB", str(tmp_path / "text.so"))
    with pytest.raises(BackendUnavailableError, match="cannot be loaded"):
        Classifier(compiled, backend="edgetpu")


def test_another_library_is_told(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_EDGETPU_LIB", str(build_library(tmp_path, "int nothing;")))
    with pytest.raises(BackendUnavailableError, match="is not libedgetpu"):
        Classifier(compiled, backend="edgetpu")


NO_DELEGATE = """
#include <stddef.h>
struct device { int type; const char *path; };
static struct device only = {1, "FAKE/usb/1-1"};
const char *edgetpu_version(void) { return "FAKE without a delegate"; }
struct device *edgetpu_list_devices(size_t *number) { *number = 1; return &only; }
void edgetpu_free_devices(struct device *devices) { (void)devices; }
"""


def test_a_library_without_a_delegate_is_told(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_EDGETPU_LIB", str(build_library(tmp_path, NO_DELEGATE)))
    with pytest.raises(BackendUnavailableError, match="brings no LiteRT delegate"):
        Classifier(compiled, backend="edgetpu")


ENDS = (
    NO_DELEGATE
    + """
#include <stdio.h>
#include <unistd.h>
void *tflite_plugin_create_delegate(char **k, char **v, size_t n, void *e) { fputs("FAKE end\\n", stderr); _exit(3); }
void tflite_plugin_destroy_delegate(void *delegate) { (void)delegate; }
"""
)


def test_a_library_that_ends_its_process_is_told_with_its_last_words(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_EDGETPU_LIB", str(build_library(tmp_path, ENDS)))
    with pytest.raises(BackendUnavailableError, match=r"ended with exit code 3: FAKE end"):
        Classifier(compiled, backend="edgetpu")


@pytest.fixture
def google_file(shared_data, tmp_path):
    """A file that Google's compiler wrote."""
    path = shared_data / "models/coral/mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {number}\n" for number in range(1001)))
    return ModelFile.open(path, labels_path=labels)


def test_a_library_older_than_the_file_is_told_with_both_versions(edgetpu_library, google_file, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_RUNTIME", "9")
    with pytest.raises(BackendUnavailableError, match=r"compiled for runtime 1\d, and FAKE .* runs up to 9"):
        Classifier(google_file, backend="edgetpu")


def test_a_file_that_the_device_refuses_is_told_with_its_reason(edgetpu_library, google_file):
    with pytest.raises(
        BackendUnavailableError, match=r"cannot be loaded for the Edge TPU .*: FAKE libedgetpu runs only"
    ):
        Classifier(google_file, backend="edgetpu")


# --- what would take the process with it


def test_a_library_that_is_too_old_crashes_another_process_and_the_message_says_which_to_install(
    edgetpu_library, compiled, monkeypatch
):
    monkeypatch.setenv("FAKE_EDGETPU_CRASH", "segfault")
    with pytest.raises(BackendUnavailableError, match=r"SIGSEGV\): it is too old .*16\.0tf2\.17\.1") as caught:
        Classifier(compiled, backend="edgetpu")
    assert not isinstance(caught.value, DeviceMissingError)


def test_a_library_that_is_too_old_in_another_way_is_told_too(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_CRASH", "unresolved")
    with pytest.raises(BackendUnavailableError, match=r"cannot be loaded .*: Encountered .*too old .*16\.0tf2\.17\.1"):
        Classifier(compiled, backend="edgetpu")


def test_a_library_that_aborts_is_cited(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_CRASH", "abort")
    with pytest.raises(DeviceMissingError, match=r"failed while it ran .*gave up: .*transfer on tag 1 failed"):
        Classifier(compiled, backend="edgetpu")


def test_a_device_that_hangs_is_given_up(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_CRASH", "hang")
    process = EdgeTpuProcess(str(edgetpu_library), ANY, run_timeout_s=1.0)
    number = process.load(compiled.model, num_threads=1, use_xnnpack=True)
    values = bytes(96 * 96 * 3)
    with pytest.raises(DeviceMissingError, match=r"did not answer within 1 s"):
        process.run(number, values)
    with pytest.raises(DeviceMissingError, match="failed before"):
        process.run(number, values)
    with pytest.raises(ProcessLookupError):
        os.kill(process.process_id, 0)


def test_a_device_that_fails_is_told_with_its_reason(edgetpu_library, compiled, pictures, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_ERROR_AFTER", "1")
    classifier = Classifier(compiled, backend="edgetpu")
    with pytest.raises(DeviceMissingError, match=r"failed while it ran .*shapes_edgetpu\.tflite .*USB transfer error"):
        classifier.codes(pictures[0])


def test_unplugging_ends_the_library_but_not_the_program_and_plugging_in_again_helps(
    edgetpu_library, compiled, pictures, monkeypatch
):
    monkeypatch.setenv("FAKE_EDGETPU_UNPLUG_AFTER", "3")
    classifier = Classifier(compiled, backend="edgetpu")
    for picture in pictures[:2]:
        classifier.codes(picture)
    for reason in (r"gave up: F FAKE .*transfer on tag 1 failed", "failed before"):
        with pytest.raises(DeviceMissingError, match=rf"\(usb FAKE/usb/1-1\) is gone: was it unplugged\? \(.*{reason}"):
            classifier.codes(pictures[2])
    with pytest.raises(DeviceMissingError):
        classifier.twin()
    edgetpu_library.with_name(edgetpu_library.name + ".unplugged").unlink()
    assert len(classifier.twin().codes(pictures[0])) == 4


# --- instead of it


def test_auto_takes_the_plain_file_beside_it_and_says_once_why(
    edgetpu_library, compiled, exported, pictures, monkeypatch
):
    monkeypatch.setenv("FAKE_EDGETPU_CRASH", "segfault")
    said = []
    classifier = Classifier(compiled, say=said.append)
    assert classifier.file.path.name == "shapes.tflite"
    assert classifier.kernels == "XNNPACK"
    assert classifier.codes(pictures[0]).tobytes() == Classifier(exported).codes(pictures[0]).tobytes()
    (sentence,) = said
    assert "shapes.tflite runs on the CPU instead of shapes_edgetpu.tflite on an Edge TPU" in sentence
    assert "too old" in sentence


def test_a_program_that_does_not_listen_gets_the_sentence_as_a_warning(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    with pytest.warns(UserWarning, match=r"shapes\.tflite runs on the CPU instead of"):
        Classifier(compiled)


def test_a_backend_that_is_named_is_never_replaced(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    said = []
    with pytest.raises(DeviceMissingError):
        Classifier(compiled, backend="edgetpu", say=said.append)
    assert said == []


def test_without_the_plain_file_auto_says_what_would_help(edgetpu_library, compiled_file, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    compiled_file.with_name("shapes.tflite").unlink()
    with pytest.raises(DeviceMissingError, match=r"but shapes\.tflite beside it cannot be used \(No such file"):
        Classifier(ModelFile.open(compiled_file))


def test_a_plain_file_of_another_classifier_is_not_taken(edgetpu_library, compiled_file, repository, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    published = next((repository / "models").glob("*/*.tflite"))
    shutil.copyfile(published, compiled_file.with_name("shapes.tflite"))
    with pytest.raises(DeviceMissingError, match=r"shapes\.tflite beside it is another classifier"):
        Classifier(ModelFile.open(compiled_file))


def test_a_compiled_file_whose_name_says_nothing_has_no_plain_file(edgetpu_library, compiled_file, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    renamed = Path(shutil.move(compiled_file, compiled_file.with_name("renamed.tflite")))
    with pytest.raises(DeviceMissingError, match=r"its name should end in _edgetpu"):
        Classifier(ModelFile.open(renamed))


def test_verification_takes_no_other_file(edgetpu_library, compiled, monkeypatch):
    monkeypatch.setenv("FAKE_EDGETPU_DEVICES", "none")
    with pytest.raises(DeviceMissingError):
        verify(compiled)
