"""RSR2015, part 1 (Larcher et al. 2014): thirty pass-phrases, nine sessions, on mobile devices.

A model is of a speaker and a sentence: sessions 1, 4 and 7 enroll, the six others are tests of that
sentence, and strangers of the same sex say it too. Trials of a wrong sentence are not among these.
For the men of the evaluation this gives 57 x 30 x 6 = 10,260 target trials; 10,244 with the
recordings that exist, the number of the official list (SIDEKIT's tutorial). The 81,000 utterances
are 300 x 9 x 30; of the hours no public source could be checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.known.corpus import KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.layout import Passed, home_of, names_in, recordings, slip_of
from speakergmm.corpora.lists import (
    BACKGROUND,
    DEVELOPMENT,
    EVALUATION,
    Lists,
    in_splits,
    protocol_of,
)
from speakergmm.corpora.manifests import Utterance
from speakergmm.corpora.trials import Trials
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterances
    from speakergmm.corpora.protocols import Protocol

LAYOUT = """\
  sph/male/m001/m001_01_001.sph ...    (speaker, session 01 to 09, sentence 001 to 030)
    ... m157/
  sph/female/f001/...
    ... f143/"""

NAME = re.compile(r"(?P<speaker>[fm]\d{3})_(?P<session>\d\d)_(?P<sentence>\d{3})")
NAMES = ("RSR2015_V1", "RSR2015_v1", "RSR2015", "rsr2015", "RSR2015/RSR2015_V1", "sph", "wav")
SEX_FOLDERS = {"m": "male", "f": "female"}
N_SENTENCES = 30
ENROLLED = ("01", "04", "07")

# The last speaker of each split.
SPLITS: Mapping[str, Mapping[str, int]] = {
    BACKGROUND: {"m": 50, "f": 47},
    DEVELOPMENT: {"m": 100, "f": 94},
    EVALUATION: {"m": 157, "f": 143},
}


def scan(folder: Path) -> Scanned:
    """Find the utterances of part 1; the sex is in the name."""
    home = home_of(folder, NAMES, ("sph", "wav", "male", "female"), LAYOUT)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    for path in recordings(folder, home):
        name = path.stem.lower()
        match = NAME.fullmatch(name)
        if match is None or _split(match["speaker"]) is None:
            passed.add("not named SPEAKER_SESSION_SENTENCE", path)
        elif not 1 <= int(match["sentence"]) <= N_SENTENCES:
            passed.add("of the parts 2 and 3 (sentences above 030)", path)
        elif name in utterances:
            passed.add("there twice", path)
        else:
            speaker = match["speaker"]
            utterances[name] = Utterance(
                name, speaker, path, session_id=match["session"], sex=speaker[0]
            )
    return Scanned(utterances, (*_missing_sexes(utterances, home), *passed.notes()))


def _missing_sexes(utterances: Utterances, home: Path) -> tuple[str, ...]:
    """Say when there are only men, or only women."""
    there = {utterance.sex for utterance in utterances.values()}
    below = next((home / name for name in ("sph", "wav") if (home / name).is_dir()), home)
    others = [name for name in names_in(below) if name not in SEX_FOLDERS.values()]
    inside = "" if below == home else f"{below.name}/"
    return tuple(
        f"no recordings of {'men' if sex == 'm' else 'women'}: none below {inside}{folder}/"
        f"{slip_of([folder], others)}"
        for sex, folder in SEX_FOLDERS.items()
        if there and sex not in there
    )


def _split(speaker: str) -> str | None:
    """Tell in which part of the corpus a speaker is."""
    sex, number = speaker[0], int(speaker[1:])
    return next((split for split, last in SPLITS.items() if number <= last[sex]), None)


@dataclass(frozen=True, slots=True)
class OneSentence:
    """Makes the lists of part 1, of one sex or of both."""

    sexes: str = "fm"

    def __call__(self, utterances: Utterances, folder: Path, seed: int) -> Lists:  # noqa: ARG002
        """Make them; nothing is drawn."""
        chosen = {name: u for name, u in utterances.items() if u.sex in self.sexes}
        splits = {u.speaker_id: _split(u.speaker_id) or "" for u in chosen.values()}
        if BACKGROUND not in splits.values():
            last = SPLITS[BACKGROUND]
            expected = " and ".join(f"{sex}001 to {sex}{last[sex]:03d}" for sex in self.sexes)
            raise ManifestError(
                f"{folder}: no speakers for the background model; expected {expected}:\n{LAYOUT}"
            )
        protocols = {
            split: _protocol(
                {name: u for name, u in chosen.items() if splits[u.speaker_id] == split}, split
            )
            for split in (DEVELOPMENT, EVALUATION)
        }
        return Lists(in_splits(chosen, splits), protocols)


def _protocol(utterances: Utterances, split: str) -> Protocol:
    """Let models meet the tests of their sentence and sex."""
    enrollment: dict[str, tuple[str, ...]] = {}
    tests: dict[str, tuple[str, ...]] = {}
    for name, utterance in utterances.items():
        if utterance.session_id in ENROLLED:
            model = f"{utterance.speaker_id}_{_sentence(name)}"
            enrollment[model] = (*enrollment.get(model, ()), name)
        else:
            tests[name] = (name,)
    groups = sorted({(name[0], _sentence(name)) for name in (*enrollment, *tests)})
    models, tried = _numbered(enrollment), _numbered(tests)
    pairs = [
        np.array([*product(models.get(group, ()), tried.get(group, ()))], dtype=np.int32)
        for group in groups
    ]
    index = np.concatenate([np.empty((0, 2), dtype=np.int32), *(p for p in pairs if len(p))])
    model_index, test_index = index.T
    model_of = np.array([int(name[1:4]) for name in enrollment])
    test_of = np.array([int(name[1:4]) for name in tests])
    # Within a group all are of one sex, so that the number is the speaker.
    is_target = model_of[model_index] == test_of[test_index] if len(index) else np.empty(0, bool)
    if not 0 < is_target.sum() < len(is_target):
        raise ManifestError(
            f"{len(is_target):,} trials for {split}, {int(is_target.sum()):,} of them target; "
            "expected two speakers of a sex and more, with session 01, 04 or 07 and another of "
            "the same sentences: is the copy whole?"
        )
    trials = Trials(tuple(enrollment), tuple(tests), model_index, test_index, is_target)
    return protocol_of(enrollment, tests, utterances, trials)


def _sentence(name: str) -> str:
    return name.rpartition("_")[2]


def _numbered(pools: Mapping[str, object]) -> dict[tuple[str, str], list[int]]:
    """Give the numbers of models or tests by sex and sentence."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, name in enumerate(pools):
        groups.setdefault((name[0], _sentence(name)), []).append(number)
    return groups


RSR2015 = KnownCorpus(
    name="rsr2015",
    title="RSR2015, part 1",
    language="English, spoken in Singapore; thirty pass-phrases",
    licence="for a fee, by the Institute for Infocomm Research",
    home="https://www.etpl.sg/innovation-offerings/ready-to-sign-licenses/"
    "rsr2015-overview-n-specifications",
    n_speakers=300,
    n_utterances=81_000,
    hours=72.0,
    cite="A. Larcher, K. A. Lee, B. Ma, H. Li 2014, Text-dependent speaker verification: "
    "Classifiers, databases and RSR2015, Speech Communication 60, 56-77",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "part1": KnownProtocol(
            "background m001-m050 and f001-f047, development m051-m100 and f048-f094, evaluation "
            "m101-m157 and f095-f143, as the corpus has it; a model of sessions 1, 4, 7 of a "
            "sentence, tests of the six others, strangers of the same sex say the same: "
            "evaluation 19,080 target + 997,920 nontarget trials, development 17,460 target + "
            "830,160 nontarget, a few less as some recordings are missing",
            OneSentence(),
        ),
        "part1_male": KnownProtocol(
            "the men of part1: evaluation 10,260 target + 574,560 nontarget trials (10,244 + "
            "573,664 with the recordings that exist), development 9,000 target + 441,000 nontarget",
            OneSentence("m"),
        ),
        "part1_female": KnownProtocol(
            "the women of part1: evaluation 8,820 target + 423,360 nontarget trials, development "
            "8,460 target + 389,160 nontarget, a few less as some recordings are missing",
            OneSentence("f"),
        ),
    },
    how_to_get="order RSR2015 from the Institute for Infocomm Research (I2R, A*STAR) in "
    "Singapore, and unpack it",
)
