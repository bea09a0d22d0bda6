"""The rows of the table: each function measures one thing and gives its lines.

Peers and heavy libraries are imported in the row that needs them, so that no row pays for another.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, alternate, compare, per_second, repeated, require_close
from workload import (
    BLOCK_FRAMES,
    N_COMPONENTS,
    N_FEATURES,
    Size,
    bare_product,
    draw_frames,
    random_mixture,
)

from speakergmm import (
    CostModel,
    DiagonalGMM,
    FrontEnd,
    FrontEndConfig,
    Statistics,
    TrainingConfig,
    accumulate,
    eer,
    map_adapt,
)
from speakergmm.corpora import Scores, all_against_all
from speakergmm.evaluation.bootstrap import estimates
from speakergmm.gmm.em import expectation, maximization
from speakergmm.gmm.frame_source import frame_source
from speakergmm.gmm.statistics import accumulate_centered
from speakergmm.parallel import map_in_order, sum_in_order
from speakergmm.verification import score_trials

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BARE = "bare product"
SKLEARN = "scikit-learn"

# Modules that cost a noticeable part of a second and that `--help` has no use for.
HEAVY = ("librosa", "sklearn", "numba", "matplotlib")
LIST_MODULES = """\
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from speakergmm.cli import main
main(["--help"])
"""

PROCESS_STATUS = Path("/proc/self/status")

ENROLLMENT_FRAMES, TEST_FRAMES = 1500, 300


def startup(size: Size) -> list[Line]:
    """`speakergmm --help` against the import of numpy; and which heavy modules it imports."""
    script = shutil.which("speakergmm", path=sysconfig.get_path("scripts"))
    if script is None:
        raise FileNotFoundError("no speakergmm command beside this Python: pip install it first")
    ours, theirs = "speakergmm --help", "import numpy"
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    seconds = alternate(
        {
            ours: lambda: run([script, "--help"]),
            theirs: lambda: run([sys.executable, "-c", theirs]),
        },
        3 * size.rounds,
        time.perf_counter,
    )
    modules = run([sys.executable, "-c", LIST_MODULES]).stderr.split()
    found = [name for name in HEAVY if name in modules]
    return [compare(seconds, ours, theirs, f"heavy imports: {', '.join(found) or 'none'}")]


def machine(size: Size) -> list[Line]:
    """float32 products at the shapes of EM against one of compact shape, and float32 exp."""
    rng = np.random.default_rng(0)
    width = 2 * N_FEATURES + 1
    multiplications = BLOCK_FRAMES * width * N_COMPONENTS
    n_times = 20

    def product(rows: int, inner: int, columns: int) -> Callable[[], object]:
        left = rng.normal(size=(rows, inner)).astype(np.float32)
        right = rng.normal(size=(inner, columns)).astype(np.float32)
        result = np.empty((rows, columns), dtype=np.float32)
        return repeated(n_times, np.matmul, left, right, result)

    exponents = rng.uniform(-20, 0, size=(BLOCK_FRAMES, N_COMPONENTS)).astype(np.float32)
    powers = np.empty_like(exponents)
    compact = f"product {N_COMPONENTS}x{4 * width}x{N_COMPONENTS}"
    densities = f"densities {BLOCK_FRAMES}x{width}x{N_COMPONENTS}"
    moments = f"moments {N_COMPONENTS}x{BLOCK_FRAMES}x{width}"
    exp = f"exp of {BLOCK_FRAMES}x{N_COMPONENTS}"
    seconds = alternate(
        {
            compact: product(N_COMPONENTS, 4 * width, N_COMPONENTS),
            densities: product(BLOCK_FRAMES, width, N_COMPONENTS),
            moments: product(N_COMPONENTS, BLOCK_FRAMES, width),
            exp: repeated(n_times, np.exp, exponents, powers),
        },
        5 * size.rounds,
    )
    rate = {name: per_second(n_times * 2e-9 * multiplications, seconds[name]) for name in seconds}
    giga_exp = per_second(n_times * 1e-9 * exponents.size, seconds[exp])
    return [
        compare(seconds, densities, compact, f"{rate[densities]:.0f} GFLOP/s"),
        compare(seconds, moments, compact, f"{rate[moments]:.0f} GFLOP/s"),
        compare(seconds, exp, densities, f"{giga_exp:.2f} G exp/s"),
    ]


def em(size: Size) -> list[Line]:
    """One EM iteration from the same parameters: the package, scikit-learn, the bare product."""
    gmm = random_mixture()
    frames = draw_frames(gmm, size.frames)
    ours = f"EM iteration, {size.frames:,} frames"
    iterate = {ours: package_iteration(gmm, frames), SKLEARN: sklearn_iteration(gmm, frames)}
    require_close("EM, means", iterate[ours](), iterate[SKLEARN](), 1e-3)
    seconds = alternate({**iterate, BARE: bare_product(size.frames)}, size.rounds)
    note = f"{per_second(size.frames, seconds[ours]):,.0f} frames/s"
    return [compare(seconds, ours, BARE, note), compare(seconds, ours, SKLEARN)]


def package_iteration(
    gmm: DiagonalGMM, frames: NDArray[np.float32]
) -> Callable[[], NDArray[np.float64]]:
    """Make one iteration as `train_ubm` does it, in one thread; it gives the new means."""
    source = frame_source(frames)
    config = TrainingConfig()
    floor = config.variance_floor * gmm.variance

    def run() -> NDArray[np.float64]:
        # A new model: what is derived from parameters is computed anew in every iteration.
        start = DiagonalGMM(gmm.weights, gmm.means, gmm.variances)
        new, _ = maximization(start, expectation(start, source, 1), floor, config)
        return new.means

    return run


def sklearn_iteration(
    gmm: DiagonalGMM, frames: NDArray[np.float32]
) -> Callable[[], NDArray[np.floating]]:
    """Make scikit-learn's `_e_step` and `_m_step` from the same parameters in float32."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(gmm.n_components, covariance_type="diag")

    def run() -> NDArray[np.floating]:
        mixture.weights_ = gmm.weights.astype(np.float32)
        mixture.means_ = gmm.means.astype(np.float32)
        mixture.covariances_ = gmm.variances.astype(np.float32)
        mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
        _, log_responsibilities = mixture._e_step(frames)
        mixture._m_step(frames, log_responsibilities)
        return mixture.means_

    return run


def mfcc(size: Size) -> list[Line]:
    """`FrontEnd(FrontEndConfig())`, checks and voice activity included, against librosa's MFCC."""
    import librosa

    config = FrontEndConfig()
    front_end, every_frame = FrontEnd(config), FrontEnd(FrontEndConfig(vad_db=None))
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
    for utterance_s, n_utterances in ((1, 40), (10, 4)):
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
            2 * size.rounds,
        )
        speed = per_second(n_utterances * utterance_s, seconds[what])
        lines.append(compare(seconds, what, against, f"{speed:,.0f} s of audio/s"))
    return lines


def noise(n_samples: int) -> NDArray[np.float32]:
    """Noise that swells and fades, all of it within the range that voice activity keeps."""
    rng = np.random.default_rng(0)
    level = 0.1 + 0.05 * np.sin(np.linspace(0, 20 * np.pi, n_samples))
    return (level * rng.normal(size=n_samples)).astype(np.float32)


def speaker_frames(ubm: DiagonalGMM, n_speakers: int) -> list[NDArray[np.float32]]:
    """Enrollment frames of speakers."""
    return [draw_frames(ubm, ENROLLMENT_FRAMES, seed=10 + i) for i in range(n_speakers)]


def scoring(size: Size) -> list[Line]:
    """Exact scores of all models on all tests, against the bare product of the UBM's densities."""
    ubm = random_mixture()
    models = [map_adapt(ubm, accumulate(ubm, x)) for x in speaker_frames(ubm, 50)]
    tests = {str(i): draw_frames(ubm, TEST_FRAMES, seed=100 + i) for i in range(size.tests)}
    trials = all_against_all(
        {str(i): str(i) for i in range(len(models))}, {test: test for test in tests}
    )
    what = f"{len(models)} models x {len(tests)} tests of {TEST_FRAMES} frames"
    against = "bare product (UBM)"
    seconds = alternate(
        {
            what: lambda: score_trials(models, ubm, tests.__getitem__, trials, jobs=1),
            against: bare_product(TEST_FRAMES * len(tests)),
        },
        size.rounds,
    )
    note = f"{per_second(len(trials), seconds[what]):,.0f} trials/s"
    return [compare(seconds, what, against, note)]


def map_adaptation(size: Size) -> list[Line]:
    """Statistics and adaptation of speakers against the bare product; adaptation alone."""
    ubm = random_mixture()
    enrollments = speaker_frames(ubm, size.speakers)
    statistics = [accumulate(ubm, x) for x in enrollments]
    both = f"{size.speakers} speakers of {ENROLLMENT_FRAMES} frames"
    alone = f"map_adapt alone, {size.speakers} speakers"
    seconds = alternate(
        {
            both: lambda: [map_adapt(ubm, accumulate(ubm, x)) for x in enrollments],
            alone: lambda: [map_adapt(ubm, s) for s in statistics],
            BARE: bare_product(size.speakers * ENROLLMENT_FRAMES),
        },
        size.rounds,
    )
    note = f"{per_second(size.speakers, seconds[both]):,.0f} models/s"
    return [compare(seconds, both, BARE, note), compare(seconds, alone, both)]


def jobs(size: Size) -> list[Line]:
    """Two workers against one: statistics of frames, and what bare products gain from two."""
    gmm = random_mixture()
    chunks = frame_source(draw_frames(gmm, size.frames)).chunks
    zero = Statistics.zero(gmm.n_components, gmm.n_features)

    def statistics(n_jobs: int) -> Statistics:
        return sum_in_order(
            lambda chunk: accumulate_centered(gmm, chunk.load()), chunks, zero, jobs=n_jobs
        )

    products = [bare_product(len(chunk.load())) for chunk in chunks]

    def multiply(n_jobs: int) -> None:
        for _ in map_in_order(lambda product: product(), products, jobs=n_jobs):
            pass

    seconds = alternate(
        {
            f"{what}, {name}": partial(run, n_jobs)
            for what, run in (("statistics", statistics), ("bare products", multiply))
            for n_jobs, name in ((1, "1 job"), (2, "2 jobs"))
        },
        size.rounds,
        time.perf_counter,
    )
    return [
        compare(seconds, "statistics, 2 jobs", "statistics, 1 job", "0.5 is perfect"),
        compare(seconds, "bare products, 2 jobs", "bare products, 1 job", "what the machine gives"),
    ]


def bootstrap(size: Size) -> list[Line]:
    """Intervals over speakers against sorting the scores as often; `eer` against roc_curve."""
    from sklearn.metrics import roc_curve

    scores = random_scores()
    target, nontarget = scores.target(), scores.nontarget()
    n_calls = size.resamples // 10
    labels = scores.trials.is_target
    intervals = f"intervals, {size.resamples} resamples of {len(labels):,} trials"
    sorts = f"{size.resamples} argsorts of the scores"
    ours, theirs = f"eer(), {n_calls} times", "scikit-learn roc_curve"
    seconds = alternate(
        {
            intervals: lambda: estimates(scores, CostModel(), n_resamples=size.resamples, rng=0),
            sorts: repeated(size.resamples, np.argsort, scores.score),
            ours: repeated(n_calls, eer, target, nontarget),
            theirs: repeated(n_calls, roc_curve, labels, scores.score),
        },
        size.rounds,
    )
    resamples = per_second(size.resamples, seconds[intervals])
    return [
        compare(seconds, intervals, sorts, f"{resamples:,.0f} resamples/s, every metric"),
        compare(seconds, ours, theirs, f"{per_second(n_calls, seconds[ours]):,.0f} EER/s"),
    ]


def random_scores() -> Scores:
    """Draw normal scores of 275 target and 24,475 nontarget trials: 90 models, 275 tests."""
    models = {f"model{i}": f"speaker{i}" for i in range(90)}
    tests = {f"test{i}": f"speaker{i % 90}" for i in range(275)}
    trials = all_against_all(models, tests)
    rng = np.random.default_rng(0)
    return Scores(trials, rng.normal(size=len(trials)) + 3.0 * trials.is_target)


def memory(size: Size) -> list[Line]:
    """Peak resident memory of an EM iteration in a process of its own; nothing but on Linux."""
    if not PROCESS_STATUS.exists():
        return []
    peak, above = {}, {}
    for name, make in (("package", package_iteration), ("scikit-learn", sklearn_iteration)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            peak[name], before = child.submit(em_memory, make, size.frames).result()
        above[name] = peak[name] - before
    return [
        Line(
            what=f"peak memory, EM of {size.frames:,} frames",
            value=peak["package"],
            against=SKLEARN,
            against_value=peak["scikit-learn"],
            ratio=peak["package"] / peak["scikit-learn"],
            unit="MB",
            note=f"above data and libraries: {above['package']:,.0f} against "
            f"{above['scikit-learn']:,.0f} MB",
        )
    ]


def em_memory(
    make_iteration: Callable[[DiagonalGMM, NDArray[np.float32]], Callable[[], object]],
    n_frames: int,
) -> tuple[float, float]:
    """Peak resident memory of this process after an EM iteration, and before it, in MB."""
    gmm = random_mixture()
    iterate = make_iteration(gmm, draw_frames(gmm, n_frames))
    before = status_mb("VmRSS")
    iterate()
    return status_mb("VmHWM"), before


def status_mb(name: str) -> float:
    """Read a line such as ``VmHWM: 1234 kB``."""
    # Not getrusage, whose peak a process inherits from the one that started it.
    lines = PROCESS_STATUS.read_text(encoding="ascii").splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    return kibibytes * 1024 / 1e6
