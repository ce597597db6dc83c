from pathlib import Path

import pytest

from edgecnn.errors import RunError
from edgecnn.train.run_folder import CONFIG_FILE
from edgecnn.train.run_writer import reserve_run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def make_run(path: Path, content: str) -> None:
    path.mkdir()
    (path / CONFIG_FILE).write_text('{"format": "edgecnn-run", "version": 1}')
    (path / "mark").write_text(content)


def test_nothing_has_the_final_name_before_it_is_committed(tmp_path: Path, data: Path) -> None:
    with reserve_run(tmp_path / "run", data, overwrite=False) as place:
        (place.folder / "mark").write_text("new")
        assert not (tmp_path / "run").exists()
        assert place.commit() == tmp_path / "run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "run"]


def test_what_was_not_committed_leaves_nothing_not_even_the_folders_above(tmp_path: Path, data: Path) -> None:
    def press() -> None:
        with reserve_run(tmp_path / "a" / "b" / "run", data, overwrite=False) as place:
            (place.folder / "mark").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        press()
    assert list(tmp_path.iterdir()) == [data]


def test_a_run_is_replaced_only_on_request_and_only_at_the_end(tmp_path: Path, data: Path) -> None:
    make_run(tmp_path / "run", "old")
    with pytest.raises(RunError, match="add --overwrite"), reserve_run(tmp_path / "run", data, overwrite=False):
        pass
    with reserve_run(tmp_path / "run", data, overwrite=True) as place:
        (place.folder / "mark").write_text("new")
        assert (tmp_path / "run" / "mark").read_text() == "old"
        place.commit()
    assert (tmp_path / "run" / "mark").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "run"]


def test_a_link_to_a_run_goes_on_linking_to_the_new_one(tmp_path: Path, data: Path) -> None:
    make_run(tmp_path / "first", "old")
    (tmp_path / "latest").symlink_to("first")
    with reserve_run(tmp_path / "latest", data, overwrite=True) as place:
        (place.folder / "mark").write_text("new")
        place.commit()
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "first" / "mark").read_text() == "new"


def test_what_is_not_a_run_is_never_replaced(tmp_path: Path, data: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("…")
    with pytest.raises(RunError, match="is not a training run"), reserve_run(tmp_path / "thesis", data, overwrite=True):
        pass


def test_an_empty_folder_may_be_filled(tmp_path: Path, data: Path) -> None:
    (tmp_path / "run").mkdir()
    with reserve_run(tmp_path / "run", data, overwrite=False) as place:
        (place.folder / "mark").write_text("new")
        assert place.commit() == tmp_path / "run"
    assert (tmp_path / "run" / "mark").read_text() == "new"


def test_a_name_that_was_taken_meanwhile_is_left_alone(tmp_path: Path, data: Path) -> None:
    with reserve_run(tmp_path / "run", data, overwrite=False) as place:
        make_run(tmp_path / "run", "somebody else's")
        assert place.commit() == tmp_path / "run-1"
    assert (tmp_path / "run" / "mark").read_text() == "somebody else's"


@pytest.mark.parametrize("name", ["pictures/run", "pictures", "."])
def test_run_and_pictures_do_not_lie_within_each_other(tmp_path: Path, data: Path, name: str) -> None:
    with (
        pytest.raises(RunError, match="must not lie within each other"),
        reserve_run(tmp_path / name, data, overwrite=True),
    ):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, data: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"cannot write a run to .*file.*name another place with -o"),
        reserve_run(tmp_path / "file" / "run", data, overwrite=False),
    ):
        pass


def test_without_a_name_the_first_free_number_is_taken(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(2):
        with reserve_run(None, data, overwrite=False) as place:
            names.append(str(place.commit()))
    assert names == ["runs/pictures-1", "runs/pictures-2"]
