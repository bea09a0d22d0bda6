"""Rows of the machine and of single functions: what it can do, start-up, the front end, threads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from measure import Line, alternate, compare, compare_speed, per_second, repeated, require_close
from rows_scoring import enroll, enrollment_frames, every_trial, test_frames
from work import BACKGROUND
from workload import (
    FRONT_END,
    N_COMPONENTS,
    N_FEATURES,
    bare_product,
    noise,
    random_mixture,
)

from speakergmm import FrontEnd, FrontEndConfig
from speakergmm.audio import duration_s
from speakergmm.corpora import Utterance, read_utterances
from speakergmm.features import extract_features
from speakergmm.gmm.em import expectation
from speakergmm.gmm.frame_source import frame_source
from speakergmm.parallel import map_in_order
from speakergmm.verification import score_trials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from work import Work

    from speakergmm.corpora import Utterances

# Modules that cost a noticeable part of a second and that `--help` has no use for.
HEAVY = ("librosa", "sklearn", "numba", "matplotlib", "distributed")
LIST_MODULES = """\
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from speakergmm.cli import main
main(["--help"])
"""

# Frames of a product of the machine row.
PRODUCT_FRAMES = 2048

# Two workers are to be so many times as fast as one.
WANTED_SPEED = 1.75

# Made up where there is no corpus: shards of a minute, several for each worker.
N_RECORDINGS, RECORDING_S = 24, 30
N_JOB_MODELS = 10


def command() -> str:
    """Give the path of the speakergmm command beside this Python.

    Raises
    ------
    FileNotFoundError
        When there is none.
    """
    script = shutil.which("speakergmm", path=sysconfig.get_path("scripts"))
    if script is None:
        raise FileNotFoundError("no speakergmm command beside this Python: pip install it first")
    return script


def startup(work: Work) -> list[Line]:
    """`speakergmm --help` against the import of numpy; and which heavy modules it imports."""
    script = command()
    ours, theirs = "speakergmm --help", "import numpy"
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    seconds = alternate(
        {
            ours: lambda: run([script, "--help"]),
            theirs: lambda: run([sys.executable, "-c", theirs]),
        },
        3 * work.size.rounds,
        time.perf_counter,
    )
    modules = run([sys.executable, "-c", LIST_MODULES]).stderr.split()
    found = [name for name in HEAVY if name in modules]
    return [compare(seconds, ours, theirs, f"heavy imports: {', '.join(found) or 'none'}")]


def machine(work: Work) -> list[Line]:
    """float32 products at the shapes of EM against one of compact shape, and float32 exp."""
    rng = np.random.default_rng(0)
    width = 2 * N_FEATURES + 1
    multiplications = PRODUCT_FRAMES * width * N_COMPONENTS
    n_times = 20

    def product(rows: int, inner: int, columns: int) -> Callable[[], object]:
        left = rng.normal(size=(rows, inner)).astype(np.float32)
        right = rng.normal(size=(inner, columns)).astype(np.float32)
        result = np.empty((rows, columns), dtype=np.float32)
        return repeated(n_times, np.matmul, left, right, result)

    exponents = rng.uniform(-20, 0, size=(PRODUCT_FRAMES, N_COMPONENTS)).astype(np.float32)
    powers = np.empty_like(exponents)
    compact = f"product {N_COMPONENTS}x{4 * width}x{N_COMPONENTS}"
    densities = f"densities {PRODUCT_FRAMES}x{width}x{N_COMPONENTS}"
    moments = f"moments {N_COMPONENTS}x{PRODUCT_FRAMES}x{width}"
    exp = f"exp of {PRODUCT_FRAMES}x{N_COMPONENTS}"
    seconds = alternate(
        {
            compact: product(N_COMPONENTS, 4 * width, N_COMPONENTS),
            densities: product(PRODUCT_FRAMES, width, N_COMPONENTS),
            moments: product(N_COMPONENTS, PRODUCT_FRAMES, width),
            exp: repeated(n_times, np.exp, exponents, powers),
        },
        5 * work.size.rounds,
    )
    rate = {name: per_second(n_times * 2e-9 * multiplications, seconds[name]) for name in seconds}
    giga_exp = per_second(n_times * 1e-9 * exponents.size, seconds[exp])
    return [
        compare(seconds, densities, compact, f"{rate[densities]:.0f} GFLOP/s"),
        compare(seconds, moments, compact, f"{rate[moments]:.0f} GFLOP/s"),
        compare(seconds, exp, densities, f"{giga_exp:.2f} G exp/s"),
    ]


def mfcc(work: Work) -> list[Line]:
    """Time a front end with deltas, voice activity and normalization against librosa's MFCC."""
    import librosa

    config = FrontEndConfig(deltas=1, vad="energy", normalization="cmn")
    front_end = FrontEnd(config)
    plain = replace(config, deltas=0, vad="none", normalization="none", noise_subtraction=0.0)
    every_frame = FrontEnd(plain)
    peer = partial(
        librosa.feature.mfcc,
        sr=config.sample_rate,
        n_mfcc=config.n_mfcc,
        n_fft=config.n_fft,
        win_length=config.win_length,
        hop_length=config.hop_length,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
        htk=config.mel_scale == "htk",
    )
    lines = []
    for utterance_s, n_utterances, wanted in ((1, 40, 5.0), (10, 4, 0.8)):
        samples = noise(utterance_s * config.sample_rate)
        # librosa is given samples that are pre-emphasized already: its time is that of MFCC alone.
        emphasized = librosa.effects.preemphasis(samples, coef=config.pre_emphasis)
        require_close("MFCC", every_frame(samples, config.sample_rate), peer(y=emphasized).T, 1e-3)

        what, against = f"front end, {n_utterances} x {utterance_s} s", "librosa.feature.mfcc"
        seconds = alternate(
            {
                what: repeated(n_utterances, front_end, samples, config.sample_rate),
                against: repeated(n_utterances, lambda y: peer(y=y), emphasized),
            },
            2 * work.size.rounds,
        )
        speed = per_second(n_utterances * utterance_s, seconds[what])
        note = f"{speed:,.0f} s of audio/s"
        lines.append(compare_speed(seconds, what, against, wanted=wanted, note=note))
    return lines


def jobs(work: Work) -> list[Line]:
    """Two workers against one, in wall time; and what bare products gain from two."""
    makers = {
        "EM statistics": statistics_job,
        "feature extraction": extraction_job,
        "exact scores": scoring_job,
        "bare products": products_job,
    }
    contestants = {}
    for name, make in makers.items():
        run = make(work)
        contestants |= {f"{name}, {n} job{'s'[: n > 1]}": partial(run, n) for n in (1, 2)}
    seconds = alternate(contestants, work.size.rounds, time.perf_counter)
    return [
        compare_speed(
            seconds,
            f"{name}, 2 jobs",
            f"{name}, 1 job",
            wanted=WANTED_SPEED if name == "EM statistics" else None,
            note="what the machine gives" if name == "bare products" else "",
        )
        for name in makers
    ]


def statistics_job(work: Work) -> Callable[[int], object]:
    gmm = work.mixture(N_COMPONENTS)
    source = frame_source(work.frames(N_COMPONENTS, work.size.frames))
    return lambda n_jobs: expectation(gmm, source, n_jobs)


def extraction_job(work: Work) -> Callable[[int], object]:
    utterances = made_up_utterances(work) if work.corpus is None else corpus_utterances(work)
    return extraction_of(utterances, work.folder / "extracted")


def extraction_of(utterances: Utterances, folder: Path) -> Callable[[int], object]:
    def run(n_jobs: int) -> None:
        extract_features(utterances, folder, FRONT_END, jobs=n_jobs)
        # Else there would be nothing left to do in the next round.
        shutil.rmtree(folder)

    return run


def files(work: Work) -> list[Line]:
    """From files of one second to frames on disk, in files per second, with 1 and 2 workers."""
    folder = work.folder / "short recordings"
    folder.mkdir(exist_ok=True)
    n_files, length = work.size.files, FRONT_END.sample_rate
    utterances = {
        f"{i}": Utterance(f"{i}", f"speaker{i}", write_recording(folder / f"{i}.flac", i, length))
        for i in range(n_files)
    }
    run = extraction_of(utterances, work.folder / "extracted files")
    one, two = (f"{n_files} files of 1 s, {n} job{'s'[: n > 1]}" for n in (1, 2))
    seconds = alternate(
        {one: partial(run, 1), two: partial(run, 2)}, work.size.rounds, time.perf_counter
    )
    rates = [per_second(n_files, seconds[name]) for name in (one, two)]
    note = f"{rates[0]:,.0f} and {rates[1]:,.0f} files/s"
    return [compare_speed(seconds, two, one, note=note)]


def corpus_utterances(work: Work) -> Utterances:
    every = read_utterances(work.require_corpus() / "utterances.csv", durations=duration_s)
    return {name: u for name, u in every.items() if u.split == BACKGROUND}


def made_up_utterances(work: Work) -> Utterances:
    folder = work.folder / "recordings"
    folder.mkdir(exist_ok=True)
    length = RECORDING_S * FRONT_END.sample_rate
    return {
        f"{i}": Utterance(f"{i}", f"speaker{i}", write_recording(folder / f"{i}.wav", i, length))
        for i in range(N_RECORDINGS)
    }


def write_recording(path: Path, seed: int, n_samples: int) -> Path:
    soundfile.write(path, noise(n_samples, seed), FRONT_END.sample_rate)
    return path


def scoring_job(_: Work) -> Callable[[int], object]:
    ubm, tests = random_mixture(), test_frames()
    models = enroll(enrollment_frames()[:N_JOB_MODELS])
    trials = every_trial(len(models), tests)
    return lambda n_jobs: score_trials(models, ubm, tests.__getitem__, trials, jobs=n_jobs)


def products_job(work: Work) -> Callable[[int], object]:
    chunks = frame_source(np.empty((work.size.frames, 1), dtype=np.float32)).chunks
    products = [bare_product(len(chunk)) for chunk in chunks]

    def run(n_jobs: int) -> None:
        for _ in map_in_order(lambda product: product(), products, jobs=n_jobs):
            pass

    return run
