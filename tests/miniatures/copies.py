"""All miniature copies, as small as their protocols allow, by the names of their corpora."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from miniatures import (
    aishell1,
    asvspoof2019_la,
    audiomnist,
    cn_celeb,
    folders,
    fsdd,
    librispeech,
    nist,
    ravdess,
    rsr2015,
    speech_commands,
    st_aeds,
    timit,
    vctk,
    voxceleb1,
    voxforge,
)
from miniatures.voices import give_voices
from speakergmm.corpora import read_utterances
from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from speakergmm.corpora.known.preparing import Prepared


@dataclass(frozen=True)
class Miniature:
    """A form of a corpus: how to build it, and the sample rate of its recordings."""

    corpus: str
    build: Callable[[Path], Path]
    rate: int = 16_000


MINIATURES: Mapping[str, Miniature] = {
    "aishell1": Miniature("aishell1", partial(aishell1.build, n_takes=5)),
    "asvspoof2019_la": Miniature("asvspoof2019_la", asvspoof2019_la.build),
    "audiomnist": Miniature(
        "audiomnist", partial(audiomnist.build, n_speakers=10, n_takes=2), 48_000
    ),
    "cn_celeb": Miniature("cn_celeb", cn_celeb.build),
    "cn_celeb_wav": Miniature("cn_celeb", partial(cn_celeb.build, name="CN-Celeb", suffix=".wav")),
    "folders": Miniature("folders", folders.build),
    "fsdd": Miniature("fsdd", partial(fsdd.build, n_takes=3), 8_000),
    "librispeech": Miniature("librispeech", partial(librispeech.build, n_sentences=4)),
    "nist_sre08": Miniature("nist", nist.build_sre08, 8_000),
    "nist_sre10": Miniature("nist", nist.build_sre10, 8_000),
    "nist_sre16": Miniature("nist", nist.build_sre16, 8_000),
    "ravdess": Miniature("ravdess", partial(ravdess.build, n_actors=12, n_emotions=2), 48_000),
    "rsr2015": Miniature("rsr2015", partial(rsr2015.build, sentences=(1,))),
    "speech_commands": Miniature(
        "speech_commands", partial(speech_commands.build, n_words=9, n_takes=1)
    ),
    "speech_commands_test": Miniature("speech_commands_test", speech_commands.build_test_set),
    "st_aeds": Miniature("st_aeds", partial(st_aeds.build, n_sentences=8)),
    "timit": Miniature("timit", partial(timit.build, every=6)),
    "vctk": Miniature("vctk", partial(vctk.build, n_speakers=10, n_sentences=10), 48_000),
    "vctk_0.80": Miniature("vctk", partial(vctk.build_old, n_sentences=7), 48_000),
    "voxceleb1": Miniature("voxceleb1", voxceleb1.build),
    "voxceleb1_and_2": Miniature("voxceleb1", voxceleb1.build_both),
    "voxforge": Miniature("voxforge", voxforge.build),
}


def spoken_copy(
    name: str, folder: Path, *, protocol: str | None = None, seconds: float = 0.8
) -> tuple[Path, Prepared]:
    """Build a copy whose recordings can be heard, as far as a protocol names them.

    Returns
    -------
    copy : path
        The folder to be given as the corpus; beside it is ``lists``.
    prepared : Prepared
        What the lists hold.
    """
    miniature = MINIATURES[name]
    corpus = known_corpus(miniature.corpus)
    copy = miniature.build(folder / "copy")
    prepared = prepare_corpus(corpus, copy, folder / "lists", protocol=protocol)
    utterances = read_utterances(folder / "lists" / "utterances.csv", copy)
    give_voices(utterances, copy, miniature.rate, seconds)
    return copy, prepared
