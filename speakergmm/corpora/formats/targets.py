"""What can be written: formats of lists, trials and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from speakergmm.corpora.formats import table_targets as tables
from speakergmm.corpora.formats import trial_writers as writers
from speakergmm.corpora.formats.found import LISTS, OWN, SCORES, TRIALS, Found, Options
from speakergmm.corpora.formats.kaldi import READ
from speakergmm.corpora.formats.kaldi_writing import POOLS, check_kaldi_names, write_kaldi_folder
from speakergmm.corpora.formats.lhotse_writing import (
    RECORDINGS_FILE,
    SUPERVISIONS_FILE,
    write_lhotse,
)
from speakergmm.corpora.formats.marks import replacing
from speakergmm.corpora.formats.names import Remarks
from speakergmm.corpora.lists import SPLIT_FILES, UTTERANCES_FILE, Lists, write_lists
from speakergmm.errors import AudioError, ConfigError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from speakergmm.corpora.formats.names import Lengths
    from speakergmm.corpora.manifests import Utterance, Utterances
    from speakergmm.corpora.protocols import Protocol

ENROLL, TRIALS_FILE = "enroll", "trials"
KALDI_FILES = (*READ, POOLS)
ALIZE_FILES = ("UBM.lst", "trainModel.ndx", "computetest_gmm_target-seg.ndx")
MSR_FILES = ("ubm.lst", "speaker_model_maps.lst", "trials.lst")
CALLED_BY_UTTERANCES = (
    "speakers, and where the recordings are: files are called by the ids of utterances"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A format that can be written.

    Parameters
    ----------
    name : str
        What the command line calls it.
    kind : str
        What it holds; see `Source`.
    write : callable
        Writes what was found to a place; gives what the format cannot say.
    files : callable, optional
        The files that it makes in a folder; default: the place is a file.
    """

    name: str
    kind: str
    write: Callable[[Path, Found, Options], Remarks]
    files: Callable[[Any], tuple[str, ...]] | None = None


def find_target(name: str, kinds: tuple[str, ...]) -> Target:
    """Find the format of a name that holds one of some kinds, the first that there is.

    Raises
    ------
    ConfigError
        When there is none.
    """
    for kind in kinds:
        for target in TARGETS:
            if target.name == name and target.kind == kind:
                return target
    known = [target.name for target in TARGETS if target.kind in kinds]
    if name not in {target.name for target in TARGETS}:
        problem = f"unknown format {name!r}"
    else:
        problem = f"{kinds[0]} cannot be written as {name!r}"
    raise ConfigError(f"{problem}; expected {', '.join(dict.fromkeys(known))}")


def _own_files(lists: Lists) -> tuple[str, ...]:
    by_split = [f"{split}/{name}" for split in lists.protocols for name in SPLIT_FILES]
    return (UTTERANCES_FILE, *by_split)


def _write_own_lists(place: Path, found: Found, options: Options) -> Remarks:
    lists: Lists = found.content
    if options.split not in lists.protocols:
        # Refuses a split of which there is nothing: all trials would be left out.
        _of_split(lists, None, options.split)
    begin = None if options.audio is None else options.audio.absolute()
    utterances = lists.utterances
    if begin is not None:
        utterances = {n: replace(u, path=_below(u.path, begin)) for n, u in utterances.items()}
    write_lists(place, replace(lists, utterances=utterances), {"converted": True})
    if begin is not None:
        note = f"paths begin at {options.audio}: give --audio to what reads these lists"
        return Remarks(notes=(note,))
    return Remarks()


def _below(path: Path, begin: Path | None) -> Path:
    """Give a path as it is below a folder, where it is."""
    return path.relative_to(begin) if begin is not None and path.is_relative_to(begin) else path


def _write_kaldi(place: Path, found: Found, options: Options) -> Remarks:
    lists: Lists = found.content
    lengths = options.lengths

    def duration_s(path: Path) -> float | None:
        try:
            rate, n_samples, _ = lengths(path) if lengths else (1, 0, 1)
        except AudioError:
            return None
        return n_samples / rate if n_samples else None

    protocol, lost = _kaldi_protocol(lists, options.split)
    lists = replace(lists, utterances=_without_only_channels(lists.utterances, lengths))
    utterances = _of_split(lists, protocol, options.split)
    # Before anything is taken away.
    check_kaldi_names(utterances)
    if protocol is None:
        with replacing(place, _kaldi_files(lists)):
            written = write_kaldi_folder(place, utterances, duration_s)
        return Remarks((*lost, *written.lost), written.notes)
    where = "a Kaldi trial list"
    trials, more = writers.tests_by_utterance(protocol, where)
    enrolled = _as_speakers(protocol, lists.utterances)
    writers.check_protocol(trials, protocol.enrollment, utterances, where)
    notes: tuple[str, ...] = ()
    with replacing(place, _kaldi_files(lists)):
        if enrolled:
            write_kaldi_folder(place / ENROLL, enrolled, duration_s)
            notes = (f"models are the speakers of the data folder {ENROLL}/",)
        writers.write_trial_lines(place / TRIALS_FILE, trials, writers.MODEL_TEST)
        written = write_kaldi_folder(place, utterances, duration_s)
    return Remarks((*lost, *more, *written.lost), (*written.notes, *notes))


def _without_only_channels(utterances: Utterances, lengths: Lengths | None) -> dict[str, Utterance]:
    """Name no channel of a recording that has but one, as NIST's lists do: so Kaldi's is valid."""
    first = {u.path for u in utterances.values() if u.channel == 0}

    def is_only(path: Path) -> bool:
        try:
            return lengths is not None and lengths(path)[2] == 1
        except AudioError:
            return False

    only = {path for path in first if is_only(path)}
    return {n: replace(u, channel=None) if u.channel == 0 and u.path in only else u
            for n, u in utterances.items()}  # fmt: skip


def _kaldi_protocol(lists: Lists, split: str | None) -> tuple[Protocol | None, tuple[str, ...]]:
    """Choose the trials of a data folder, which holds one list."""
    if split is None and len(lists.protocols) > 1:
        names = ", ".join(lists.protocols)
        return None, (f"trials of {names}: a Kaldi folder has one list; --split names it",)
    return lists.protocols.get(split or next(iter(lists.protocols), "")), ()


def _of_split(lists: Lists, protocol: Protocol | None, split: str | None) -> Utterances:
    """Give the utterances of a split, by their column and by its lists; all where none is named."""
    if split is None:
        return lists.utterances
    pools = () if protocol is None else (protocol.enrollment, protocol.tests)
    named = {member for pool in pools for members in pool.values() for member in members}
    chosen = {n: u for n, u in lists.utterances.items() if u.split == split or n in named}
    if not chosen:
        raise ManifestError(f"no utterance is of the split {split!r}; leave --split away for all")
    return chosen


def _as_speakers(protocol: Protocol, utterances: Utterances) -> dict[str, Any]:
    """Give utterances of enrollment with their models for speakers; none that are models."""
    enrolled: dict[str, Any] = {}
    for model, pool in protocol.enrollment.items():
        if pool == (model,):
            continue
        for member in pool:
            if member in enrolled:
                raise ManifestError(
                    f"utterance {member!r} is part of the models "
                    f"{enrolled[member].speaker_id!r} and {model!r}; in Kaldi it has one speaker, "
                    "which stands for the model"
                )
            enrolled[member] = replace(utterances[member], speaker_id=model)
    return enrolled


def _kaldi_files(_: Lists) -> tuple[str, ...]:
    return (*KALDI_FILES, *(f"{ENROLL}/{name}" for name in KALDI_FILES), TRIALS_FILE)


def _write_lhotse(place: Path, found: Found, options: Options) -> Remarks:
    lists: Lists = found.content
    if options.lengths is None:
        raise ConfigError("Lhotse wants the length of each recording; give lengths")
    protocol = lists.protocols.get(options.split or "")
    write_lhotse(place, _of_split(lists, protocol, options.split), options.lengths)
    if not lists.protocols:
        return Remarks()
    names = ", ".join(lists.protocols)
    what = f"trials of {names}, and what makes their models and tests"
    return Remarks((f"{what}: Lhotse has none; --to nist writes trials, --to msr models too",))


def _protocol(lists: Lists, options: Options, what: str) -> Protocol:
    """Give the split whose trials are written."""
    if options.split is not None and options.split not in lists.protocols:
        known = ", ".join(lists.protocols) or "none"
        raise ManifestError(f"there are no trials of {options.split!r}; expected one of: {known}")
    if not lists.protocols:
        raise ManifestError(f"there are no trials, and {what} is nothing else; give --trials")
    if options.split is None and len(lists.protocols) > 1:
        names = ", ".join(lists.protocols)
        raise ManifestError(f"there are trials of {names}; name one with --split")
    return lists.protocols[options.split or next(iter(lists.protocols))]


def _write_voxceleb(place: Path, found: Found, options: Options) -> Remarks:
    lists: Lists = found.content
    protocol = _protocol(lists, options, "a VoxCeleb list")
    where = "a VoxCeleb list"
    of_model = writers.single_utterances(protocol.enrollment, "model", where)
    of_test = writers.single_utterances(protocol.tests, "test", where)
    members = dict.fromkeys((*of_model.values(), *of_test.values()))
    utterances = {member: lists.utterances[member] for member in members}
    _refuse_parts(utterances, where)
    file = {name: _below(u.path, found.begin).as_posix() for name, u in utterances.items()}
    trials = replace(
        protocol.trials,
        model_ids=tuple(file[of_model[model]] for model in protocol.trials.model_ids),
        test_ids=tuple(file[of_test[test]] for test in protocol.trials.test_ids),
    )
    writers.write_trial_lines(place, trials, writers.FILES)
    ids = "ids of models, tests, utterances and speakers: all are called by their files"
    return Remarks((*writers.unsaid_in_trials(utterances, where), ids))


def _refuse_parts(utterances: Utterances, where: str) -> None:
    """Refuse segments, and channels of recordings that would become one."""
    of_path: dict[Path, Any] = {}
    for name, utterance in utterances.items():
        if utterance.start_s is not None or utterance.end_s is not None:
            raise ManifestError(
                f"utterance {name!r} is a part of {utterance.path}; {where} names whole files"
            )
        other = of_path.setdefault(utterance.path, utterance)
        if other.channel != utterance.channel:
            raise ManifestError(
                f"utterances {other.utterance_id!r} and {name!r} are channels of {utterance.path}; "
                f"{where} names whole files"
            )


def _write_alize(place: Path, found: Found, options: Options) -> Remarks:
    lists: Lists = found.content
    protocol = _protocol(lists, options, "an ALIZE index")
    where = "ALIZE's lists"
    trials, lost = writers.tests_by_utterance(protocol, where)
    background, models, index = (place / name for name in ALIZE_FILES)
    names = writers.background_of(lists.utterances)
    writers.check_protocol(trials, protocol.enrollment, names, where)
    with replacing(place, ALIZE_FILES):
        writers.write_lines(background, ((name,) for name in names), where)
        writers.write_lines(models, writers.pooled_lines(protocol.enrollment), where)
        # The last to be made, so that lists which were cut short do not look whole.
        writers.write_lines(index, writers.index_lines(trials), where)
    labels = "labels: ALIZE's index has none; write them beside it with --to nist"
    further = writers.unsaid_in_trials(lists.utterances, where)
    return Remarks((*lost, labels, CALLED_BY_UTTERANCES, *further))


def _write_msr(place: Path, found: Found, options: Options) -> Remarks:
    lists: Lists = found.content
    protocol = _protocol(lists, options, "a list of the Identity Toolbox")
    where = "the Identity Toolbox's lists"
    trials, lost = writers.tests_by_utterance(protocol, where)
    background, models, tests = (place / name for name in MSR_FILES)
    names = writers.background_of(lists.utterances)
    writers.check_protocol(trials, protocol.enrollment, names, where)
    with replacing(place, MSR_FILES):
        writers.write_lines(background, ((name,) for name in names), where)
        writers.write_lines(models, writers.single_lines(protocol.enrollment), where)
        writers.write_trial_lines(tests, trials, writers.IMPOSTORS)
    further = writers.unsaid_in_trials(lists.utterances, where)
    return Remarks((*lost, CALLED_BY_UTTERANCES, *further))


def _write_nist_lists(place: Path, found: Found, options: Options) -> Remarks:
    trials = _protocol(found.content, options, "a list of trials").trials
    writers.write_trial_lines(place, trials, writers.MODEL_TEST)
    return _ids_alone()


def _ids_alone() -> Remarks:
    lost = "utterances, and what makes a model or a test: a list of trials has their ids alone"
    return Remarks((lost,))


def _write_key_lists(place: Path, found: Found, options: Options) -> Remarks:
    tables.write_key_file(place, _protocol(found.content, options, "a list of trials").trials)
    return _ids_alone()


TARGETS = (
    Target(OWN, LISTS, _write_own_lists, _own_files),
    Target("kaldi", LISTS, _write_kaldi, _kaldi_files),
    Target("lhotse", LISTS, _write_lhotse,
           lambda _: (RECORDINGS_FILE, SUPERVISIONS_FILE)),
    Target("voxceleb", LISTS, _write_voxceleb),
    Target("alize", LISTS, _write_alize, lambda _: ALIZE_FILES),
    Target("msr", LISTS, _write_msr, lambda _: MSR_FILES),
    Target("nist", LISTS, _write_nist_lists),
    Target("bosaris", LISTS, _write_key_lists, lambda _: (tables.KEY_FILE,)),
    Target(OWN, TRIALS, tables.write_own_trials),
    Target("nist", TRIALS, tables.write_nist_trials),
    Target("bosaris", TRIALS, tables.write_key, lambda _: (tables.KEY_FILE,)),
    Target(OWN, SCORES, tables.write_own_scores),
    Target("nist", SCORES, tables.write_nist_scores),
    Target("sre", SCORES, tables.write_sre),
    Target("bosaris", SCORES, tables.write_bosaris, lambda _: tables.BOSARIS_FILES),
)  # fmt: skip
