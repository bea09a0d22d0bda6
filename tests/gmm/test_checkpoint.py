from __future__ import annotations

import errno
import importlib.util
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from speakergmm import TrainingConfig, train_ubm
from speakergmm.errors import OutputError
from speakergmm.gmm.checkpoint import Checkpoint
from speakergmm.gmm.em import TrainingState
from speakergmm.gmm.model import DiagonalGMM

CONFIG = TrainingConfig(max_iterations=8, tolerance=0.0)


def frames(seed=0, n_frames=400):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_frames, 3)) + rng.integers(4, size=(n_frames, 1)) * 3.0


def gmm(seed=0):
    rng = np.random.default_rng(seed)
    return DiagonalGMM([0.25, 0.75], rng.normal(size=(2, 3)), rng.uniform(1, 2, (2, 3)))


def same(a, b):
    return all(
        np.array_equal(getattr(a, n), getattr(b, n)) for n in ("weights", "means", "variances")
    )


class StopAfter:
    """Presses Ctrl-C after some iterations of EM."""

    def __init__(self, n):
        self.left = n

    def start(self, task, total=None):
        pass

    def advance(self, steps=1):
        self.left -= steps
        if self.left < 0:
            raise KeyboardInterrupt

    def note(self, text):
        pass


@pytest.mark.parametrize("unsplit", [None, gmm(1)])
def test_what_is_saved_is_loaded(tmp_path, unsplit):
    state = TrainingState(gmm(), unsplit, False, (-3.25, -3.0), (1, 2), (0, 1), (4, 0), True)
    keeper = Checkpoint(tmp_path / "state", "key")
    keeper.save(state)
    loaded = keeper.load()
    assert same(loaded.gmm, state.gmm)
    assert (loaded.unsplit is None) == (unsplit is None)
    assert unsplit is None or same(loaded.unsplit, unsplit)
    for name in ("may_split", "mean_log_likelihood", "floored_variances", "converged"):
        assert getattr(loaded, name) == getattr(state, name)
    assert Checkpoint(tmp_path / "state", "another training").load() is None


def test_damaged_state_is_not_used(tmp_path):
    keeper = Checkpoint(tmp_path / "state", "key")
    assert keeper.load() is None
    keeper.save(TrainingState(gmm()))
    content = keeper.path.read_bytes()
    for length in range(0, len(content), 11):
        keeper.path.write_bytes(content[:length])
        assert keeper.load() is None


@pytest.mark.parametrize("n_iterations", [0, 1, 4, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resumed_training_ends_as_if_never_stopped(tmp_path, n_iterations, dtype):
    data = frames().astype(dtype)
    whole, history = train_ubm(data, 5, config=CONFIG)
    place = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train_ubm(data, 5, config=CONFIG, checkpoint=place, progress=StopAfter(n_iterations))
    assert place.exists()
    resumed, resumed_history = train_ubm(data, 5, config=CONFIG, checkpoint=place)
    assert same(resumed, whole)
    assert resumed_history.mean_log_likelihood == history.mean_log_likelihood


def test_settings_from_an_array_are_the_same_training(tmp_path):
    config = TrainingConfig(max_iterations=np.int64(2), kmeans_iterations=np.int16(3))
    plain = TrainingConfig(max_iterations=2, kmeans_iterations=3)
    place = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train_ubm(frames(), 5, config=config, checkpoint=place, progress=StopAfter(1))
    state = place.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        train_ubm(frames(), np.int8(5), config=plain, checkpoint=place, progress=StopAfter(1))
    assert place.read_bytes() == state


def test_resuming_does_less_work(tmp_path):
    data = frames()
    with pytest.raises(KeyboardInterrupt):
        train_ubm(data, 5, config=CONFIG, checkpoint=tmp_path / "s", progress=StopAfter(5))
    counted = StopAfter(100)
    tasks = []
    counted.start = lambda task, total=None: tasks.append(task)
    train_ubm(data, 5, config=CONFIG, checkpoint=tmp_path / "s", progress=counted)
    assert tasks == ["UBM: EM"]


@pytest.mark.parametrize(
    "changed", [{"rng": 1}, {"n_components": 6}, {"config": TrainingConfig(max_iterations=3)}, {}]
)
def test_state_of_another_training_is_not_used(tmp_path, changed):
    with pytest.raises(KeyboardInterrupt):
        train_ubm(frames(), 5, config=CONFIG, checkpoint=tmp_path / "s", progress=StopAfter(3))
    options = {"n_components": 5, "config": CONFIG, "rng": 0} | changed
    data = frames(seed=0 if changed else 9)
    fresh, _ = train_ubm(data, **options)
    found, _ = train_ubm(data, **options, checkpoint=tmp_path / "s")
    assert same(found, fresh)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("n_written", [0, 100])
def test_state_that_cannot_be_written_is_said_and_the_last_one_stays(
    tmp_path, monkeypatch, n_written, jobs
):
    whole, history = train_ubm(frames(), 5, config=CONFIG)
    place = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train_ubm(frames(), 5, config=CONFIG, checkpoint=place, progress=StopAfter(3), jobs=jobs)
    before = place.read_bytes()

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:n_written])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(OutputError, match=r"state: cannot be written \(No space left"):
            train_ubm(frames(), 5, config=CONFIG, checkpoint=place, jobs=jobs)
    assert place.read_bytes() == before
    assert list(tmp_path.iterdir()) == [place]
    resumed, resumed_history = train_ubm(frames(), 5, config=CONFIG, checkpoint=place, jobs=jobs)
    assert same(resumed, whole)
    assert resumed_history.mean_log_likelihood == history.mean_log_likelihood


FILLING_UP = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from speakergmm import TrainingConfig, train_ubm
from speakergmm.errors import OutputError
from speakergmm.progress import SILENT

folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
rng = np.random.default_rng(0)
frames = rng.normal(size=(400, 3)) + rng.integers(4, size=(400, 1)) * 3.0
config = TrainingConfig(max_iterations=8, tolerance=0.0)

def train(**options):
    gmm, _ = train_ubm(frames, 5, config=config, jobs=jobs, **options)
    return b"".join(a.tobytes() for a in (gmm.weights, gmm.means, gmm.variances))

class FillingUp:
    n = 0
    def start(self, task, total=None): pass
    def note(self, text): pass
    def advance(self, steps=1):
        self.n += steps
        if self.n == 4:
            self.before = place.read_bytes()
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))

place, filling, limits = folder / "state", FillingUp(), resource.getrlimit(resource.RLIMIT_FSIZE)
try:
    train(checkpoint=place, progress=filling)
except OutputError as error:
    print(error)
assert place.read_bytes() == filling.before
assert list(folder.iterdir()) == [place]
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
assert train(checkpoint=place) == train()
assert place.read_bytes() != filling.before
"""


@pytest.mark.skipif(
    importlib.util.find_spec("resource") is None, reason="needs a limit on the size of files"
)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_disk_that_fills_up_in_training_costs_nothing_that_was_finished(tmp_path, jobs):
    ended = subprocess.run(
        [sys.executable, "-c", FILLING_UP, tmp_path, jobs],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert f"{tmp_path / 'state'}: cannot be written (File too large); free some" in ended.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_killed_command_ends_with_the_same_bytes(small_corpus, tmp_path):
    """SIGKILL at several moments of `ubm train`; the same command again finishes the work."""

    def command(output):
        return [
            sys.executable, "-m", "speakergmm", "ubm", "train", small_corpus / "utterances.csv",
            "--components", "64", "--set", "training.max_iterations=40",
            "--set", "training.tolerance=0", "--output", output, "--jobs", "1",
        ]  # fmt: skip

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole), check=True, capture_output=True)
    kept = tmp_path / "cut.checkpoint"
    seen = set()
    for n_states in (1, 3, 8, 20):
        process = subprocess.Popen(
            command(cut), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        changes, last = 0, kept.stat().st_mtime_ns if kept.exists() else 0
        while process.poll() is None and changes < n_states:
            now = kept.stat().st_mtime_ns if kept.exists() else 0
            changes, last = changes + (now != last), now
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.add(process.returncode)
    assert -signal.SIGKILL in seen
    if not cut.exists():
        assert kept.exists()
        subprocess.run(command(cut), check=True, capture_output=True)
    assert cut.read_bytes() == whole.read_bytes()
    assert not kept.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"cut", "whole"}
