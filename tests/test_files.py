"""Files that are whole or not there, and digests that tell contents apart."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.config import config_from_table
from speakergmm.errors import OutputError
from speakergmm.features import FrontEndConfig
from speakergmm.files import (
    check_apart,
    check_writable,
    digests_once,
    file_digest,
    locked,
    value_digest,
    write_json,
    write_text,
    writing,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- writing ---


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    with writing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_old_content_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with writing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_folders_are_made_as_needed_and_a_text_may_name_the_path(tmp_path):
    with writing(str(tmp_path / "a" / "b" / "c.txt")) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


INTERRUPTIONS = [RuntimeError("a slip"), KeyboardInterrupt(), SystemExit(1), ValueError("bad")]


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", INTERRUPTIONS, ids=lambda error: type(error).__name__)
def test_an_interruption_leaves_the_old_content_and_nothing_else(tmp_path, old, error):
    path = tmp_path / "a.txt"
    if old is not None:
        path.write_text(old)

    def write():
        with writing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)) as caught:
        write()
    assert caught.value is error
    assert names(tmp_path) == ([] if old is None else ["a.txt"])
    assert old is None or path.read_text() == old


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_an_error_of_the_system_names_the_path_and_the_reason(tmp_path, number):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with writing(path) as temporary:
            temporary.write_text("half")
            raise OSError(number, os.strerror(number), str(temporary))

    is_full = number in {errno.ENOSPC, errno.EDQUOT}
    advice = "free some space, or choose" if is_full else "choose"
    message = f"{path}: cannot be written ({os.strerror(number)}); {advice} another place"
    with pytest.raises(OutputError, match=re.escape(message)) as caught:
        write()
    assert ".tmp" not in str(caught.value)
    assert caught.value.__cause__.errno == number
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_array_of_which_the_disk_takes_a_part_is_told_as_a_full_disk(tmp_path):
    with (
        pytest.raises(
            OutputError, match=r"\(No space left on device\); free some space, or choose"
        ),
        writing(tmp_path / "a.npy"),
    ):
        raise OSError("152880 requested and 11232 written")


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands for a full disk: a real write that is cut short."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.txt"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(File too large\)"):
            write_text(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_without_a_number_still_has_its_words(tmp_path):
    def write():
        with writing(tmp_path / "a.txt"):
            raise OSError("the tape is torn")

    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(the tape is torn\)"):
        write()


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "sub" / "a.txt"
    with pytest.raises(OutputError, match=re.escape(f"{path}: cannot be written (")):
        write_text(path, "new")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_in_the_place_of_the_file(tmp_path):
    path = tmp_path / "a"
    (path / "sub").mkdir(parents=True)
    with pytest.raises(OutputError, match=re.escape(f"{path}: cannot be written (")):
        write_text(path, "new")
    assert names(tmp_path) == ["a"]


def test_a_block_that_writes_nothing_is_an_error_not_an_empty_file(tmp_path):
    path = tmp_path / "a.txt"

    def write():
        with writing(path):
            pass

    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No such file"):
        write()
    assert names(tmp_path) == []


def test_the_inner_of_two_writings_is_the_one_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    def write():
        with writing(tmp_path / "outer.txt"):
            write_text(tmp_path / "file" / "inner.txt", "new")

    with pytest.raises(OutputError, match=r"inner\.txt: cannot be written") as caught:
        write()
    assert "outer" not in str(caught.value)
    assert names(tmp_path) == ["file"]


# --- folders that one run works in ---


def fail_in(folder, error=INTERRUPTIONS[0], output=None):
    with locked(folder):
        assert ".lock" in names(folder)
        if output is not None:
            write_text(folder / output, "1")
        raise error


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("there", ["", "a", "a/b"])
def test_a_run_that_fails_at_once_leaves_no_folder(tmp_path, error, there):
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(type(error)) as caught:
        fail_in(tmp_path / "a" / "b", error)
    assert caught.value is error
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_in_a_folder_stays_when_a_run_fails(tmp_path):
    folder = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError, match="a slip"):
        fail_in(folder, output="done.csv")
    assert names(folder) == ["done.csv"]
    # A lock that an earlier run has left is not ours.
    with locked(folder):
        pass
    with pytest.raises(RuntimeError, match="a slip"):
        fail_in(folder)
    assert names(folder) == [".lock", "done.csv"]


def test_a_run_that_succeeds_keeps_its_folder(tmp_path):
    with locked(tmp_path / "a"):
        pass
    assert names(tmp_path / "a") == [".lock"]


def test_two_runs_are_kept_apart_and_the_second_removes_nothing(tmp_path):
    with locked(tmp_path / "a"):
        expected = re.escape(f"{tmp_path / 'a'}: another run works here; wait for it, or choose")
        with pytest.raises(OutputError, match=expected), locked(tmp_path / "a"):
            pass
        assert names(tmp_path / "a") == [".lock"]


def test_a_lock_that_is_removed_while_it_is_taken_is_taken_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    folder, left = tmp_path / "a", [1, 2]
    flock = fcntl.flock

    def taken_late(handle, flags):
        # The run that held it fails, and is gone with its folder, before we have it.
        if left:
            (folder / ".lock").unlink()
            if left.pop() == 1:
                folder.rmdir()
        flock(handle, flags)

    monkeypatch.setattr(fcntl, "flock", taken_late)
    with locked(folder):
        assert left == []
        monkeypatch.undo()
        with pytest.raises(OutputError, match="another run works here"), locked(folder):
            pass


def test_a_file_system_without_locks_is_no_reason_to_refuse(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def lacking(handle, flags):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", lacking)
    with locked(tmp_path / "a"):
        (tmp_path / "a" / "done.csv").write_text("")
    assert names(tmp_path / "a") == [".lock", "done.csv"]


def test_runs_that_fail_and_runs_that_work_never_share_a_folder(tmp_path):
    """Processes that take, fail and leave as fast as they can; each notes itself while it works."""
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from speakergmm.errors import OutputError\n"
        "from speakergmm.files import locked\n"
        "folder, note = Path(sys.argv[1], 'a', 'b'), Path(sys.argv[1], 'working')\n"
        "done, until = 0, time.monotonic() + 0.5\n"
        "while time.monotonic() < until:\n"
        "    try:\n"
        "        with locked(folder):\n"
        "            os.close(os.open(note, os.O_CREAT | os.O_EXCL))\n"
        "            note.unlink()\n"
        "            done += 1\n"
        "            raise RuntimeError\n"
        "    except (RuntimeError, OutputError) as error:\n"
        "        if isinstance(error, OutputError): assert 'another run' in str(error), error\n"
        "print(done)\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert sum(int(run.communicate()[0]) for run in runs) > 0
    assert [run.returncode for run in runs] == [0, 0, 0]
    # Who came while another left may leave an empty folder.
    assert set(names(tmp_path)) <= {"a"}


# --- text and JSON ---


def test_text_is_utf8_with_the_line_ends_given(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "Zoë\n山田\r\n")
    assert path.read_bytes() == "Zoë\n山田\r\n".encode()


def test_json_is_indented_and_readable_in_any_script(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, 2.5], "a": "Zoë"})
    assert path.read_text(encoding="utf-8") == (
        '{\n  "b": [\n    1,\n    2.5\n  ],\n  "a": "Zoë"\n}\n'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_has_no_nan_and_no_infinity_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"eer": value})
    assert path.read_text() == "1\n"
    assert names(tmp_path) == ["a.json"]


# --- digests ---


@pytest.mark.parametrize("content", [b"", b"abc", b"\0" * 3_000_000])
def test_a_file_digest_is_sha256(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert file_digest(path) == file_digest(str(path)) == hashlib.sha256(content).hexdigest()


def test_a_value_digest_is_that_of_canonical_json():
    expected = hashlib.sha256('{"a":[1,null,"ä"],"b":0.5}'.encode()).hexdigest()
    assert value_digest({"b": 0.5, "a": [1, None, "ä"]}) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.dictionaries(st.text("abcdef", max_size=3), json_values, max_size=5))
def test_the_order_of_names_does_not_change_a_digest(table):
    backward = dict(reversed(table.items()))
    assert value_digest(backward) == value_digest(table)


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, 2], [2, 1]), ("1", 1), (None, 0), ({"a": 1}, {"b": 1}), (["ab"], ["a", "b"])],
)
def test_different_values_have_different_digests(one, other):
    assert value_digest(one) != value_digest(other)


def test_equal_settings_have_equal_digests_however_they_were_written():
    """TOML's 16 and 16.0 are the same setting: a stage must not be done again for it."""
    whole, point = (
        config_from_table(FrontEndConfig, {"lifter": lifter}, "recipe.toml [front_end]")
        for lifter in (22, 22.0)
    )
    assert whole == point
    assert value_digest({"lifter": whole.lifter}) == value_digest({"lifter": point.lifter})


def test_the_digest_of_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        file_digest(Path(tmp_path / "none"))


def test_a_recording_of_many_segments_is_read_once(tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(b"speech")
    digest = digests_once()
    expected = file_digest(path)
    assert digest(path) == expected
    path.unlink()
    assert digest(path) == expected


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path):
    from speakergmm.files import check_writable

    kept = tmp_path / "kept.csv"
    kept.write_text("old")
    for good in (kept, tmp_path / "new.csv", tmp_path / "a" / "b" / "new.csv"):
        check_writable(good)
    for bad in (tmp_path / "a", kept / "new.csv"):
        with pytest.raises(OutputError, match="cannot be written"):
            check_writable(bad)
    assert kept.read_text() == "old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kept.csv"]


def test_a_link_stays_and_what_it_names_is_written(tmp_path):
    (tmp_path / "link").symlink_to("there")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "new"


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        for refuse in (check_writable, lambda at: write_text(at, "x")):
            with pytest.raises(OutputError, match="not a file, but a device or a pipe"):
                refuse(path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_is_read_is_not_written_over(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("a")
    check_apart(tmp_path / "c", [None, tmp_path / "a"])
    with pytest.raises(OutputError, match="b: is read here, and would be written over"):
        check_apart(tmp_path / "b", [None, tmp_path / "a"])
