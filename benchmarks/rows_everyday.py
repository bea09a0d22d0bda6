"""The row of everyday work: a cold and a warm verification, and identification among thousands."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar, alternate
from rows_machine import command
from rows_memory import PROCESS_STATUS, in_new_process, status_mb

from speakergmm import Verifier
from speakergmm.audio.synthetic import SyntheticConfig, write_corpus
from speakergmm.gmm import Statistics
from speakergmm.recipes import load_settings, train_on_list
from speakergmm.verification.identifying import identify_recording
from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import load_system, save_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from work import Work

    from speakergmm import DiagonalGMM

N_COMPONENTS, RECORDING_S = 512, 3.0
COLD_BAR_S, WARM_BAR_S, IDENTIFY_BAR_S = 0.8, 0.015, 0.5

# Frames that a made-up speaker was enrolled with, and components that have heard them.
ENROLLED_FRAMES, HEARD_COMPONENTS = 3000, 200


def everyday(work: Work) -> list[Line]:
    """Verify one recording of three seconds, cold and warm, and identify it among many."""
    system = make_system(work.folder)
    store = work.folder / "speakers.db"
    # Two sessions of a speaker whom the background model has not heard.
    first, other = sorted((work.folder / "voices" / "audio" / "s39").glob("s39-[23]-1.flac"))
    Verifier.load(system, store).enroll("anna", [first])
    run = [command(), "verify", "anna", str(other), "--system", str(system), "--store", str(store)]
    run += ["--threshold", "0"]
    cold = alternate(
        {
            "verify": partial(subprocess.run, run, capture_output=True, check=False),
            "numba": lambda: subprocess.run([sys.executable, "-c", "import numba"], check=True),
        },
        work.size.rounds,
        time.perf_counter,
    )
    verifier = Verifier.load(system, store)
    warm = alternate(
        {"verify": partial(verifier.verify, "anna", other, threshold=0.0)},
        5 * work.size.rounds,
        time.perf_counter,
    )
    what = f"{RECORDING_S:g} s recording, {N_COMPONENTS} components"
    numba_s = float(np.median(cold["numba"]))
    lines = [
        against_bar(
            f"cold `verify`: {what}",
            float(np.median(cold["verify"])),
            COLD_BAR_S,
            "s",
            f"of which {numba_s:.2f} s `import numba`",
        ),
        against_bar(
            f"warm `Verifier.verify`: {what}",
            float(np.median(warm["verify"])),
            WARM_BAR_S,
            "s",
            "from the file to the answer, with its quality",
        ),
    ]
    seconds, first_s, before, after = in_new_process(
        identify_among, system, other, work.size.enrolled
    )
    memory = ""
    if PROCESS_STATUS.exists():
        memory = f"; {after - before:,.0f} MB for the speakers, {after:,.0f} MB in all"
    lines.append(
        against_bar(
            f"`identify` among {work.size.enrolled:,}: {what}",
            seconds,
            IDENTIFY_BAR_S,
            "s",
            f"after features; the first time {first_s:.1f} s{memory}",
        )
    )
    return lines


def make_system(folder: Path) -> Path:
    """Train a background model on synthetic voices, and put it into a system file."""
    voices, ubm, system = (
        folder / name for name in ("voices", "everyday.safetensors", "system.safetensors")
    )
    write_corpus(voices, SyntheticConfig(test_s=RECORDING_S))
    settings = load_settings(
        None,
        {
            "ubm.n_components": str(N_COMPONENTS),
            "training.max_iterations": "3",
            "training.kmeans_iterations": "3",
        },
    )
    train_on_list(voices / "utterances.csv", ubm, settings, split="background")
    save_system(system, assemble_system(ubm, name="everyday"))
    return system


@dataclass(frozen=True)
class DrawnSpeakers:
    """Stands for a store of many speakers, whose statistics are drawn and not read from a disk."""

    ubm: DiagonalGMM
    n_speakers: int
    path: Path = Path("drawn.db")

    def revision(self) -> int:
        """As `SpeakerStore.revision`."""
        return 1

    def revisions(self) -> dict[str, int]:
        """As `SpeakerStore.revisions`."""
        return {f"s{i:06d}": 1 for i in range(self.n_speakers)}

    def owners(self, *_: object, **__: object) -> dict[str, str]:
        """As `SpeakerStore.owners`."""
        return {}

    def models(self, speaker_ids: Iterable[str]) -> Iterator[tuple[str, int, Statistics]]:
        """As `SpeakerStore.models`."""
        deviations = np.sqrt(self.ubm.variances)
        for speaker_id in speaker_ids:
            rng = np.random.default_rng(int(speaker_id[1:]))
            heard = rng.permutation(self.ubm.n_components) < HEARD_COMPONENTS
            n = np.where(heard, ENROLLED_FRAMES / HEARD_COMPONENTS, 0.0)
            means = self.ubm.means + 0.5 * rng.normal(size=deviations.shape) * deviations
            f = n[:, None] * means
            yield speaker_id, 1, Statistics(n, f, np.zeros_like(f), 0.0, ENROLLED_FRAMES)


def identify_among(
    system: Path, recording: Path, n_speakers: int
) -> tuple[float, float, float, float]:
    """Seconds of a warm and of the first identification; resident MB before and after."""
    loaded = load_system(system)
    verifier = Verifier(loaded, DrawnSpeakers(loaded.ubm, n_speakers))  # type: ignore[arg-type]
    heard = verifier.hear([recording])

    def identify() -> float:
        began = time.perf_counter()
        answer = identify_recording(verifier, heard, top=5, limit=0.0)
        if answer.n_enrolled != n_speakers:
            raise RuntimeError(f"{answer.n_enrolled:,} of {n_speakers:,} speakers were compared")
        return time.perf_counter() - began

    known = PROCESS_STATUS.exists()
    before = status_mb("VmRSS") if known else np.nan
    first_s = identify()
    after = status_mb("VmHWM") if known else np.nan
    return float(np.median([identify() for _ in range(9)])), first_s, before, after
