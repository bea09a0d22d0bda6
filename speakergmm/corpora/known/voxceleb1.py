"""VoxCeleb1 (Nagrani, Chung & Zisserman 2017): celebrities in videos, and its three trial lists.

Numbers of trials, utterances and hours are those of the authors' lists as counted by others
(PaddleSpeech, examples/voxceleb/README.md); MD5 of the lists are those of PaddleSpeech
(dataset/voxceleb/voxceleb1.py), of the cleaned ones those of Kiwano too. OpenSLR's page 49 has the
original list O as voxceleb1_test_v2.txt, which Kaldi and s3prl use: by its MD5 in Kiwano it is
veri_test.txt, and s3prl counts 37,720 trials in it. The test speakers of the list O are the 40
whose names begin with E, id10270 to id10309. Speakers of VoxCeleb1 are id1..., those of VoxCeleb2
id0....
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from speakergmm.corpora.folders import is_folder
from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.held_out import (
    PairScheme,
    choose_speakers,
    draw_pairs,
    some_of_each,
)
from speakergmm.corpora.known.layout import (
    Passed,
    instead_of_recordings,
    lines_of,
    need,
    recordings,
    shortlist,
    without_sex,
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
    from collections.abc import Iterable, Iterator, Mapping

    from speakergmm.corpora.known.pair_lists import Made
    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  wav/id10001/1zcIwhmdeo4/00001.wav    (speaker, video, utterance; or below vox1_dev_wav/ and
    ... id11251/                        vox1_test_wav/, or dev/ and test/)
  vox1_meta.csv                        (sex)
  veri_test2.txt                       (trials of o; list_test_all2.txt of e, list_test_hard2.txt
                                        of h; of the originals without the 2)
  vox2_dev_wav/id00012/21Uxsk56VDQ/00001.wav    (VoxCeleb2 dev, for e and h; converted from .m4a)
  vox2_meta.csv"""

SPEAKER = re.compile(r"id\d{5}")
# As a word of its own: "vox2_test_aac", not "latest".
TEST_PART = re.compile(r"(^|[\W_])test([\W_]|$)", re.IGNORECASE)
VERSION_1, VERSION_2 = "id1", "id0"
TEST_SPEAKERS = frozenset(f"id{number}" for number in range(10270, 10310))

# Folders that are looked through for those of speakers, below the one given.
MAX_DEPTH = 5

EXAMPLE = "1 id10270/x6uYqmx31kE/00001.wav id10270/8jEAjG6SegY/00008.wav"
META = {VERSION_1: "vox1_meta.csv", VERSION_2: "vox2_meta.csv"}

DEVELOPMENT_SCHEME = PairScheme()
BACKGROUND_UTTERANCES = 10

META_PAGE = "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/meta/"


class TrialList(NamedTuple):
    """An official list: what files of it are called, how many trials it has, its MD5."""

    names: tuple[str, ...]
    n_trials: int
    md5: str


LISTS = {
    "o": TrialList(("veri_test2.txt",), 37_611, "b73110731c9223c1461fe49cb48dddfc"),
    "o_original": TrialList(
        ("veri_test.txt", "voxceleb1_test_v2.txt"), 37_720, "29fc7cc1c5d59f0816dc15d6e8be60f7"
    ),
    "e": TrialList(("list_test_all2.txt",), 579_818, "a53e059deb562ffcfc092bf5d90d9f3a"),
    "e_original": TrialList(("list_test_all.txt",), 581_480, "b9ecf7aa49d4b656aa927a8092844e4a"),
    "h": TrialList(("list_test_hard2.txt",), 550_894, "857790e09d579a68eb2e339a090343c8"),
    "h_original": TrialList(("list_test_hard.txt",), 552_536, "21c341b6b2168eea2634df0fb4b8fff1"),
}

# Lines of the tables, and the characters of one, there and in the lists: for a rough size of what
# is fetched.
N_SPEAKERS = (1_251, 6_112)
LINE_LENGTH = 62


@dataclass(frozen=True)
class _Found:
    """Folders of speakers, and other files by name, nearest first."""

    speakers: dict[str, list[Path]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def of(self, version: str) -> dict[str, list[Path]]:
        """Give the speakers of VoxCeleb1 or 2."""
        return {name: places for name, places in self.speakers.items() if name.startswith(version)}


def scan(folder: Path) -> Scanned:
    """Find the utterances of VoxCeleb1: a session is a video."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder; expected the corpus:\n{LAYOUT}")
    found = _look_through(folder)
    speakers = found.of(VERSION_1)
    if not speakers:
        there = shortlist(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise ManifestError(
            f"{folder}: no folders of speakers such as id10001 in it, nor up to {MAX_DEPTH} "
            f"folders further in ({there} there); expected the corpus:\n{LAYOUT}"
        )
    passed = Passed()
    utterances = _utterances(folder, speakers, found, VERSION_1, passed)
    return Scanned(utterances, (*passed.notes(), *_no_sex(utterances, found, VERSION_1)))


def _look_through(folder: Path) -> _Found:
    """Look for folders of speakers, without looking into them; lists may lie beside the folder."""
    found = _Found()
    level = [folder]
    # A link may lead back to a folder that one has been in.
    entered = {os.path.realpath(folder)}
    for _ in range(MAX_DEPTH + 1):
        further: list[Path] = []
        for place in level:
            for entry in _entries(place):
                if not is_folder(entry):
                    found.files.setdefault(entry.name, Path(entry.path))
                elif SPEAKER.fullmatch(entry.name):
                    found.speakers.setdefault(entry.name, []).append(Path(entry.path))
                elif (real := os.path.realpath(entry.path)) not in entered:
                    entered.add(real)
                    further.append(Path(entry.path))
        level = further
    beside = folder.absolute().parent
    for name in (*META.values(), *chain.from_iterable(known.names for known in LISTS.values())):
        if (beside / name).is_file():
            found.files.setdefault(name, beside / name)
    return found


def _entries(place: Path) -> list[os.DirEntry[str]]:
    """Give what is in a folder and not hidden, sorted; nothing of one that cannot be read."""
    try:
        with os.scandir(place) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError:
        return []
    return sorted(entries, key=attrgetter("name"))


def _utterances(
    folder: Path,
    speakers: Mapping[str, Iterable[Path]],
    found: _Found,
    version: str,
    passed: Passed,
) -> dict[str, Utterance]:
    sexes = _sexes(found.files[META[version]]) if META[version] in found.files else {}
    utterances: dict[str, Utterance] = {}
    for speaker, path in _recordings(folder, speakers):
        video = path.parent.name
        name = f"{speaker}-{video}-{path.stem}"
        if path.parent.parent.name != speaker:
            passed.add("not SPEAKER/VIDEO/UTTERANCE", path)
        elif name in utterances:
            passed.add("there twice", path)
        else:
            sex = sexes.get(speaker, "")
            utterances[name] = Utterance(name, speaker, path, session_id=video, sex=sex)
    return utterances


def _recordings(folder: Path, speakers: Mapping[str, Iterable[Path]]) -> Iterator[tuple[str, Path]]:
    for speaker, places in sorted(speakers.items()):
        for place in places:
            for path in recordings(folder, place):
                yield speaker, path


def _sexes(table: Path) -> dict[str, str]:
    """Read the speakers' sexes; cells are parted by tabs, in VoxCeleb2 by commas and blanks."""
    lines = lines_of(table)
    _, header = next(lines, (1, ""))
    names = [name.strip().lower() for name in re.split(r"[\t,]", header)]
    if "gender" not in names:
        raise ManifestError(
            f"{table}:1: {header!r}; expected the header 'VoxCeleb1 ID, VGGFace1 ID, Gender, "
            "Nationality, Set', parted by tabs or commas"
        )
    place = names.index("gender")
    sexes = {}
    for number, line in lines:
        cells = [cell.strip() for cell in re.split(r"[\t,]", line)]
        if len(cells) != len(names) or cells[place].lower() not in ("f", "m"):
            raise ManifestError(
                f"{table}:{number}: {line!r}; expected {len(names)} cells as in the header, with "
                "the sex f or m"
            )
        sexes[cells[0]] = cells[place].lower()
    return sexes


def _no_sex(utterances: Utterances, found: _Found, version: str) -> tuple[str, ...]:
    """Say whose sexes are not known."""
    table = found.files.get(META[version])
    if table is not None:
        return without_sex(utterances, table)
    note = (
        f"{META[version]} is not there: sexes are not known, and nontarget trials for development "
        "are of both (get it with: speakergmm corpus download voxceleb1 FOLDER --part trials)"
    )
    return (note,)


def _original(utterances: Utterances, folder: Path, seed: int, *, protocol: str) -> Lists:
    """Make the lists of O: VoxCeleb1-dev is background, but for the speakers held out of it."""
    test = {name: u for name, u in utterances.items() if u.speaker_id in TEST_SPEAKERS}
    others = {name: u for name, u in utterances.items() if name not in test}
    for part, members in (("test (id10270 to id10309)", test), ("dev (all others)", others)):
        if not members:
            there = instead_of_recordings(folder, Passed())
            raise ManifestError(
                f"{folder}: no recordings of VoxCeleb1-{part}{there}; expected both parts:\n"
                f"{LAYOUT}"
            )
    return _with_trials(test, others, folder, seed, protocol)


def _extended(utterances: Utterances, folder: Path, seed: int, *, protocol: str) -> Lists:
    """Make the lists of E or H: all of VoxCeleb1 is tried, the others are from VoxCeleb2."""
    found = _look_through(folder)
    speakers = {
        name: kept
        for name, places in found.of(VERSION_2).items()
        if (kept := [place for place in places if not _is_test(place.relative_to(folder))])
    }
    others = _utterances(folder, speakers, found, VERSION_2, Passed())
    if not others:
        raise ManifestError(f"{folder}: {_why_no_others(speakers, protocol)}")
    lists = _with_trials(utterances, others, folder, seed, protocol)
    return replace(lists, notes=(*lists.notes, *_no_sex(others, found, VERSION_2)))


def _is_test(place: Path) -> bool:
    return any(TEST_PART.search(part) for part in place.parts)


def _why_no_others(speakers: Mapping[str, Iterable[Path]], protocol: str) -> str:
    for places in speakers.values():
        for place in places:
            if next(place.rglob("*.m4a"), None) is not None:
                return (
                    f"VoxCeleb2 is there as .m4a (in {place}), which is not read; expected .wav or "
                    ".flac: convert it first, with ffmpeg for instance"
                )
    return (
        f"no VoxCeleb2 dev in it; expected vox2_dev_wav/id00012/VIDEO/00001.wav. Protocol "
        f"{protocol!r} tries all speakers of VoxCeleb1, and no split may share them, so background "
        "and development are from VoxCeleb2: put it there too, or take protocol 'o'"
    )


def _with_trials(
    tried: Utterances, others: Utterances, folder: Path, seed: int, protocol: str
) -> Lists:
    made = _official(tried, folder, protocol)
    held_out = {*choose_speakers(others, DEVELOPMENT_SCHEME.n_speakers, seed)}
    ours = {name: u for name, u in others.items() if u.speaker_id in held_out}
    rest = {name: u for name, u in others.items() if u.speaker_id not in held_out}
    if protocol[0] != "o":
        rest = some_of_each(rest, BACKGROUND_UTTERANCES, seed)
    splits = {
        **dict.fromkeys((u.speaker_id for u in rest.values()), BACKGROUND),
        **dict.fromkeys(held_out, DEVELOPMENT),
        **dict.fromkeys((u.speaker_id for u in tried.values()), EVALUATION),
    }
    development = draw_pairs(ours, DEVELOPMENT_SCHEME, seed)
    return Lists(
        in_splits({**rest, **ours, **tried}, splits),
        {DEVELOPMENT: development, EVALUATION: made.protocol},
        made.notes,
    )


def _official(utterances: Utterances, folder: Path, protocol: str) -> Made:
    files = _look_through(folder).files
    known = LISTS[protocol]
    others = [name for other in LISTS.values() for name in other.names]
    place = next((files[name] for name in known.names if name in files), None)
    if place is None:
        what = (
            f"the official trials of protocol {protocol!r}: get them with `speakergmm corpus "
            "download voxceleb1 FOLDER --part trials`, or from the corpus's page"
        )
        place = need(folder, known.names[0], what, others)
    pairs = read_pair_list(
        place, EXAMPLE, label_at=0, model_id_of=_utterance_id, test_id_of=_utterance_id
    )
    pools = single_pools(utterances)
    made = protocol_of_pairs(pairs, pools, pools, utterances)
    return made._replace(notes=(*length_note(pairs, known.n_trials), *made.notes))


def _utterance_id(listed: str) -> str:
    return listed.rpartition(".")[0].replace("/", "-")


HELD_OUT = (
    "development: 100 speakers by lot, up to 40 single utterances each as models, each with 4 "
    "tests from other videos and 4 of strangers of the same sex: 16,000 target + 16,000 nontarget "
    "trials"
)


def _known(protocol: str, evaluation: str) -> KnownProtocol:
    if protocol[0] == "o":
        others = "background: the other 1,111 speakers of VoxCeleb1-dev"
        make = partial(_original, protocol=protocol)
    else:
        others = (
            "background: 10 utterances each of the other 5,894 speakers of VoxCeleb2 dev, which "
            "must be in the same folder"
        )
        make = partial(_extended, protocol=protocol)
    return KnownProtocol(f"evaluation: {evaluation}; {others}; {HELD_OUT}", make)


VOXCELEB1 = KnownCorpus(
    name="voxceleb1",
    title="VoxCeleb1",
    language="English for the most part; interviews on video",
    licence="CC BY 4.0 (of the annotations; the videos are their owners')",
    home="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html",
    n_speakers=1251,
    n_utterances=153_516,
    hours=351.6,
    cite="A. Nagrani, J. S. Chung, A. Zisserman 2017, VoxCeleb: a large-scale speaker "
    "identification dataset, Interspeech; J. S. Chung, A. Nagrani, A. Zisserman 2018, VoxCeleb2: "
    "Deep Speaker Recognition, Interspeech (lists e and h)",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "o": _known("o", "list O, cleaned: 40 speakers, 18,802 target + 18,809 nontarget trials"),
        "o_original": _known(
            "o_original", "list O of 2017: 40 speakers, 18,860 target + 18,860 nontarget trials"
        ),
        "e": _known(
            "e", "list E, cleaned: 1,251 speakers, 289,921 target + 289,897 nontarget trials"
        ),
        "h": _known(
            "h",
            "list H, cleaned: strangers of the same sex and nationality, 1,190 speakers, 275,488 "
            "target + 275,406 nontarget trials",
        ),
        "e_original": _known(
            "e_original", "list E of 2018: 290,743 target + 290,737 nontarget trials"
        ),
        "h_original": _known(
            "h_original", "list H of 2018: 276,270 target + 276,266 nontarget trials"
        ),
    },
    archives=(
        *(
            Archive(
                f"{META_PAGE}{known.names[0]}",
                "trials",
                digest=f"md5:{known.md5}",
                about_bytes=known.n_trials * LINE_LENGTH,
            )
            for known in LISTS.values()
        ),
        *(
            Archive(f"{META_PAGE}{name}", "trials", about_bytes=n_lines * LINE_LENGTH)
            for name, n_lines in zip(META.values(), N_SPEAKERS, strict=True)
        ),
    ),
    how_to_get="the lists: speakergmm corpus download voxceleb1 FOLDER --part trials. The "
    "recordings by request on the page above or on https://mm.kaist.ac.kr/datasets/voxceleb: "
    "vox1_dev_wav.zip (in four parts, vox1_dev_wav_partaa to ad, to be joined with cat; md5 "
    "ae63e55b951748cc486645f532ba230b) and vox1_test_wav.zip (md5 "
    "185fdc63c3c739954633d50379a3d102), unpacked into FOLDER; for e and h also VoxCeleb2 dev "
    "(vox2_dev_aac.zip, in eight parts; md5 bbc063c46078a602ca71605645c2a402), its .m4a files "
    "converted to .wav",
)
