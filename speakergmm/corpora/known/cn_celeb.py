"""CN-Celeb1 (Fan et al. 2020, SLR82): Chinese celebrities in eleven genres, and its evaluation.

The evaluation lets each of 196 models meet each of 17,777 tests. The copy of 2021 (CN-Celeb_flac,
997 speakers) and the one before (CN-Celeb, .wav, 1,000 speakers) have the same folders; the lists
name .wav in both. CN-Celeb2 (CN-Celeb2_flac) has speakers for training alone; it is not used here.

Those who counted the copy of 2021 found 126,532 recordings of 997 speakers below data/, 107,953 of
them of the 797 for training, 196 that enroll and 17,777 tests of 200 speakers, 17,755 target and
3,466,537 nontarget trials. Of the hours no public source could be checked.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.held_out import hold_out
from speakergmm.corpora.known.layout import (
    Passed,
    home_of,
    lines_of,
    names_in,
    need,
    recordings,
    shortlist,
)
from speakergmm.corpora.known.pair_lists import (
    length_note,
    protocol_of_pairs,
    read_pair_list,
    single_pools,
)
from speakergmm.corpora.lists import BACKGROUND, DEVELOPMENT, EVALUATION, Lists, in_splits
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  data/id00000/singing-01-001.flac ...          (speaker, genre, session, utterance)
  dev/dev.lst                                  (speakers for training)
  eval/enroll/id00800-enroll.flac ...
  eval/test/id00800-singing-01-005.flac ...
  eval/lists/trials.lst, enroll.lst, enroll.map, test.lst"""

NAMES = ("CN-Celeb_flac", "CN-Celeb", "CN-Celeb_wav", "CN-Celeb1", "CN-Celeb1_flac", "cn-celeb")
EXAMPLE = "id00800-enroll test/id00800-singing-01-005.wav 1"
ENROLL_EXAMPLE = "id00800-enroll enroll/id00800-enroll.wav"
SPEAKER = re.compile(r"id\d{5}")
OTHER_CORPUS = "cn-celeb2"
N_TRIALS = 196 * 17_777
ENROLL_SESSION = "enroll"
WHAT = "recordings of the evaluation, which CN-Celeb1 has and CN-Celeb2 has not"

# A model of some 30 s from one session, as in the evaluation.
DEVELOPMENT_SCHEME = Scheme(enroll=4, test=1, n_tests=20)
N_DEVELOPMENT = 100


def scan(folder: Path) -> Scanned:
    """Find the utterances: those of the evaluation, and of speakers for training."""
    home = _home(folder)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    for part in ("enroll", "test"):
        for path in recordings(folder, need(home, f"eval/{part}", WHAT)):
            speaker, _, rest = path.stem.partition("-")
            _add(utterances, path.stem, speaker, rest, path, passed)
    tried = {utterance.speaker_id for utterance in utterances.values()}
    data = need(home, "data", "a folder for each speaker")
    speakers, notes = _training_speakers(home, data, tried)
    for speaker in _folders_in(data):
        for path in recordings(folder, data / speaker):
            if speaker in speakers:
                _add(utterances, f"{speaker}-{path.stem}", speaker, path.stem, path, passed)
            elif speaker in tried:
                passed.add("below data/, of speakers of the evaluation", path)
            else:
                passed.add("below data/, of speakers who are not in dev.lst", path)
    return Scanned(utterances, (*passed.notes(), *notes, *_not_used(folder)))


def _not_used(folder: Path) -> tuple[str, ...]:
    """Name the folders of CN-Celeb2, which many have beside."""
    others = [name for name in names_in(folder) if name.lower().startswith(OTHER_CORPUS)]
    return tuple(f"{name} is not used: the lists are of CN-Celeb1" for name in others)


def _home(folder: Path) -> Path:
    return home_of(folder, NAMES, ("eval", "data"), LAYOUT)


def _add(
    utterances: dict[str, Utterance],
    name: str,
    speaker: str,
    rest: str,
    path: Path,
    passed: Passed,
) -> None:
    """Add an utterance; what follows the speaker is ``enroll`` or ``genre-session-number``."""
    session, dash, _ = rest.rpartition("-")
    if not dash and rest != ENROLL_SESSION:
        passed.add("not named GENRE-SESSION-NUMBER", path)
    elif name in utterances:
        passed.add("there twice", path)
    else:
        utterances[name] = Utterance(name, speaker, path, session_id=session or rest)


def _training_speakers(home: Path, data: Path, tried: set[str]) -> tuple[set[str], tuple[str, ...]]:
    """Give those of ``dev.lst``; without it those who are not in the evaluation."""
    there = _folders_in(data)
    table = home / "dev" / "dev.lst"
    if not table.is_file():
        note = "dev/dev.lst is not there: who is not in the evaluation is taken for training"
        return {*there} - tried, (note,)
    listed = []
    for number, line in lines_of(table):
        if SPEAKER.fullmatch(line) is None:
            raise ManifestError(f"{table}:{number}: {line!r}; expected a speaker, such as id00000")
        listed.append(line)
    missing = [speaker for speaker in listed if speaker not in there]
    note = (
        f"{len(missing):,} of the {len(listed):,} speakers of dev.lst without recordings: "
        f"{shortlist(missing)}"
    )
    return {*listed} - tried, (note,) if missing else ()


def _folders_in(folder: Path) -> list[str]:
    return [name for name in names_in(folder) if (folder / name).is_dir()]


def make(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Make the lists: the official trials, and development drawn from speakers for training."""
    home = _home(folder)
    table = need(home, "eval/lists/trials.lst", f"the official trials, such as {EXAMPLE!r}")
    recording_of = _enrollment(home)
    pairs = read_pair_list(
        table,
        EXAMPLE,
        label_at=2,
        model_id_of=str,
        test_id_of=_stem,
    )
    enrollment = {
        name: (recording,)
        for name in pairs.model_ids
        if (recording := recording_of.get(name, name)) in utterances
    }
    made = protocol_of_pairs(pairs, enrollment, single_pools(utterances), utterances)
    tried = {u.speaker_id for u in utterances.values() if "eval" in u.path.parts}
    others = {name: u for name, u in utterances.items() if u.speaker_id not in tried}
    development = hold_out(others, DEVELOPMENT_SCHEME, N_DEVELOPMENT, seed)
    splits = {
        **dict.fromkeys((u.speaker_id for u in others.values()), BACKGROUND),
        **dict.fromkeys(development.model_speakers.values(), DEVELOPMENT),
        **dict.fromkeys(tried, EVALUATION),
    }
    protocols = {DEVELOPMENT: development, EVALUATION: made.protocol}
    notes = (*length_note(pairs, N_TRIALS), *made.notes)
    return Lists(in_splits(utterances, splits), protocols, notes)


def _stem(listed: str) -> str:
    return PurePosixPath(listed).stem


def _enrollment(home: Path) -> dict[str, str]:
    """Read which recording enrolls which model; without the list, the one of its name."""
    table = home / "eval" / "lists" / "enroll.lst"
    recordings_of = {}
    for number, line in lines_of(table) if table.is_file() else ():
        cells = line.split()
        if len(cells) != len(ENROLL_EXAMPLE.split()):
            raise ManifestError(
                f"{table}:{number}: {line!r}; expected a line such as {ENROLL_EXAMPLE!r}"
            )
        recordings_of[cells[0]] = _stem(cells[1])
    return recordings_of


CN_CELEB = KnownCorpus(
    name="cn_celeb",
    title="CN-Celeb1",
    language="Chinese; eleven genres, such as interviews, singing, drama",
    licence="CC BY-SA 4.0",
    home="https://www.openslr.org/82",
    n_speakers=997,
    n_utterances=None,
    hours=271.7,
    cite="Y. Fan, J. W. Kang, L. T. Li, K. C. Li, H. L. Chen and others 2020, CN-Celeb: a "
    "challenging Chinese speaker recognition dataset, ICASSP",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "official": KnownProtocol(
            "evaluation: the official trials, 196 models of one recording each, 17,777 tests of "
            "200 speakers, 17,755 target + 3,466,537 nontarget trials; development: 100 of the "
            "797 speakers for training by lot, enrolled with 4 utterances of a session, up to 20 "
            "of other sessions are tests, up to 2,000 target + 198,000 nontarget trials; "
            "background: the other 697",
            make,
        )
    },
    archives=(
        # The digest is that of WeSpeaker (examples/cnceleb/v2/local/download_data.sh) and Kiwano.
        # The size is what others got, and what the server's ETag, 52f10646b-..., says too.
        Archive(
            "https://www.openslr.org/resources/82/cn-celeb_v2.tar.gz",
            "cn-celeb1",
            22_264_439_915,
            "md5:7ab1b214028a7439e26608b2d5a0336c",
        ),
    ),
)
