"""Hostile files: each gives samples or one line that says why not; nothing crashes, hangs or grows.

They are read in a process of its own, since a decoder may end it. Run as a program, this file is
that process.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from hostile_files import NO_AUDIO, make_hostile_files

from speakergmm.audio import read_recording, recording_info
from speakergmm.audio.listening import listen
from speakergmm.audio.streams import open_stream
from speakergmm.corpora import Utterance
from speakergmm.errors import MAX_PROBLEMS_SHOWN, AudioError
from speakergmm.features import (
    FrameStore,
    FrontEnd,
    FrontEndConfig,
    extract_features,
    recording_frames,
)

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="such files and limits are those of POSIX"
)

CONFIG = FrontEndConfig()
SECONDS_ALLOWED, BYTES_ALLOWED = 5.0, 256 << 20
# Should one file ask for very much, the process fails before the machine does.
ADDRESS_SPACE_ALLOWED = 8 << 30

# libmpg123 writes to standard error itself, and libsndfile gives no way to tell it not to.
WRITTEN_BY_LIBRARIES = re.compile(r"\s*|.*libmpg123.*|(Note|Warning): .*")


# --- the process that reads ---


def tell(**fact):
    # A name need not be text, which JSON escapes.
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def attempt(step, *args, **options):
    """Tell what came of a step, how long it took, and by how much it raised the peak of memory."""
    import resource

    def peak_bytes():
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return kilobytes if sys.platform == "darwin" else kilobytes * 1024

    # What hangs in a library cannot be interrupted: the process ends, and its last line says where.
    faulthandler.dump_traceback_later(2 * SECONDS_ALLOWED, exit=True)
    before, started = peak_bytes(), time.monotonic()
    error, message = None, ""
    try:
        step(*args, **options)
    except AudioError as caught:
        error, message = "AudioError", str(caught)
    except BaseException as caught:  # noqa: BLE001
        error, message = type(caught).__name__, traceback.format_exc()
    seconds = time.monotonic() - started
    faulthandler.cancel_dump_traceback_later()
    grown = peak_bytes() - before
    tell(error=error, message=message, seconds=seconds, grown=grown)


def can_be_opened(path):
    try:
        return Path(path).is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def hear_opened(path):
    """Hear a file that was opened; what cannot be opened, or is too large, by its path."""
    if not can_be_opened(path) or Path(path).stat().st_size > BYTES_ALLOWED:
        read_recording(path)
        return
    with Path(path).open("rb") as file, listen(file) as heard:
        assert sum(len(block) for block in heard.blocks)


def hear_stream(path):
    """Hear a file as it arrives; what cannot be opened, by its path."""
    if not can_be_opened(path):
        read_recording(path)
        return
    with Path(path).open("rb") as file:
        assert sum(len(block) for block in open_stream(file).blocks)


def read_all(folder: Path) -> None:
    import resource

    front_end = FrontEnd(CONFIG)
    # What is loaded at first use is no file's fault.
    front_end(np.random.default_rng(0).normal(size=48_000).astype(np.float32), 48_000)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_ALLOWED, ADDRESS_SPACE_ALLOWED))
    for path in json.loads((folder / "files.json").read_text()):
        tell(file=path)
        attempt(recording_info, path)
        attempt(read_recording, path)
        attempt(recording_frames, path, front_end)
        attempt(hear_opened, path)
        attempt(hear_stream, path)
    listed = json.loads((folder / "list.json").read_text())
    utterances = {
        f"u{number}": Utterance(f"u{number}", "s", Path(path)) for number, path in enumerate(listed)
    }
    for on_error in ("skip", "stop"):
        tell(file=f"all, {on_error}")
        attempt(extract_features, utterances, folder / on_error, CONFIG, on_error=on_error, jobs=2)


# --- what came of it ---


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    yield folder
    # One of the files is sparse, and of 10 GB to whoever copies them.
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def files(place):
    return make_hostile_files(place / "files")


@pytest.fixture(scope="module")
def outcomes(place, files):
    """For each file (and for all, "skip" and "stop") what its attempts gave."""
    (place / "files.json").write_text(json.dumps([str(file.path) for file in files]))
    listed = [str(file.path) for file in files if file.in_list]
    (place / "list.json").write_text(json.dumps(listed))
    command = [sys.executable, "-W", "error", "-X", "faulthandler", __file__, str(place)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    told: dict[str, list] = {}
    for line in ended.stdout.splitlines():
        fact = json.loads(line)
        if "file" in fact:
            told[fact["file"]] = []
        else:
            told[next(reversed(told))].append(fact)
    last = next(reversed(told), "before the first file")
    assert ended.returncode == 0, f"{last!r}: status {ended.returncode}: {ended.stderr[-3000:]}"
    strange = [
        line for line in ended.stderr.splitlines() if not WRITTEN_BY_LIBRARIES.fullmatch(line)
    ]
    assert not strange
    return told


def listed(problems):
    """Give all problems at once: pytest shortens a list."""
    return "\n".join(problems)


def test_there_are_more_than_a_hundred(files):
    assert len({file.path for file in files}) == len(files) >= 100
    assert sum(file.reason is None for file in files) >= 50


def test_each_is_read_or_refused_in_one_line_that_names_it_and_says_why(files, outcomes):
    problems = []
    for file in files:
        info, samples, frames, *_ = outcomes[str(file.path)]
        # A header may be fine where samples are not, and samples where frames are not.
        may_work = {
            "info": True,
            "samples": file.reason is None or file.may_work or file.readable,
            "frames": file.reason is None or file.may_work,
        }
        for (step, works), fact in zip(may_work.items(), (info, samples, frames), strict=True):
            if fact["error"] is None:
                if not works:
                    problems.append(f"{file.path.name!r}: {step} were read; expected {file.reason}")
                continue
            said = fact["message"]
            reason = said.removeprefix(f"{file.path}: ")
            if (
                fact["error"] != "AudioError"
                or reason == said
                or "\n" in reason
                or file.reason is None
                or (step == "samples" and file.readable)
                or not re.search(file.reason, reason)
            ):
                problems.append(f"{file.path.name!r}: {step}: {said}; expected {file.reason}")
    assert not problems, listed(problems)


def test_an_open_file_is_refused_as_its_path_is(files, outcomes):
    problems = []
    for file in files:
        _, samples, _, opened, _ = outcomes[str(file.path)]
        # Without its name, libsndfile does not take any content for speech.
        by_suffix = re.search(NO_AUDIO, samples["message"]) and opened["error"] == "AudioError"
        said = re.sub(NO_AUDIO + ".*", NO_AUDIO, opened["message"]) if by_suffix else None
        if opened["message"] != samples["message"] and not (said and said in samples["message"]):
            problems.append(f"{file.path.name!r}: {opened} instead of {samples}")
    assert not problems, listed(problems)


def test_as_a_stream_each_gives_samples_or_one_line(files, outcomes):
    problems = []
    for file in files:
        *_, streamed = outcomes[str(file.path)]
        said = streamed["message"]
        told = said.startswith(f"{file.path}: ") and "\n" not in said.removeprefix(str(file.path))
        if streamed["error"] is not None and not (streamed["error"] == "AudioError" and told):
            problems.append(f"{file.path.name!r}: {streamed}")
    assert not problems, listed(problems)


@pytest.mark.parametrize("name", ["zero\0byte.wav", "half a pair \ud83c.wav"])
def test_names_that_no_file_can_have(tmp_path, name):
    for read in (recording_info, read_recording):
        with pytest.raises(AudioError, match=r"'/.*\.wav': no file can have this name"):
            read(tmp_path / name)


def test_none_takes_long_or_much_memory(outcomes):
    problems = [
        f"{name!r}: {fact['seconds']:.1f} s, {fact['grown']:,} bytes"
        for name, facts in outcomes.items()
        for fact in facts
        if not name.startswith("all, ")
        and (fact["seconds"] > SECONDS_ALLOWED or fact["grown"] > BYTES_ALLOWED)
    ]
    assert not problems, listed(problems)


def test_extraction_goes_on_with_the_good_ones(place, files, outcomes):
    (fact,) = outcomes["all, skip"]
    assert fact["error"] is None, fact["message"]
    store = FrameStore.open(place / "skip")
    problems = []
    in_list = [file for file in files if file.in_list]
    for number, file in enumerate(in_list):
        name, refused = f"u{number}", outcomes[str(file.path)][2]["message"]
        if refused:
            said = store.left_out.get(name, "nothing")
            # What is wrong with frames is said of the utterances that they are pooled from.
            expected = {refused, refused.removeprefix(f"{file.path}: ")}
            if said.removeprefix(f"utterance {name}: ") not in expected:
                problems.append(f"{file.path.name!r}: left out for {said}; expected {refused}")
        elif name not in store.places or len(store.frames(name)) == 0:
            problems.append(f"{file.path.name!r}: not in the store")
    assert not problems, listed(problems)
    assert len(store.places) + len(store.left_out) == len(in_list)


def test_extraction_that_is_to_stop_lists_them(place, outcomes):
    (fact,) = outcomes["all, stop"]
    assert fact["error"] == "AudioError", fact["message"]
    left_out = list(FrameStore.open(place / "skip").left_out.values())
    first, *shown, last = fact["message"].split("\n  ")
    assert first == f"features cannot be extracted: {len(left_out):,} problems"
    assert shown == left_out[:MAX_PROBLEMS_SHOWN]
    assert last == f"... and {len(left_out) - MAX_PROBLEMS_SHOWN:,} more"


if __name__ == "__main__":
    read_all(Path(sys.argv[1]))
