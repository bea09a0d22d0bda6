"""Corpora that many have, and what is known of each."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from speakergmm.corpora.known.aishell1 import AISHELL1
from speakergmm.corpora.known.asvspoof2019_la import ASVSPOOF2019_LA
from speakergmm.corpora.known.audiomnist import AUDIOMNIST
from speakergmm.corpora.known.cn_celeb import CN_CELEB
from speakergmm.corpora.known.fsdd import FSDD
from speakergmm.corpora.known.librispeech import LIBRISPEECH
from speakergmm.corpora.known.nist import NIST
from speakergmm.corpora.known.own_folders import OWN_FOLDERS
from speakergmm.corpora.known.ravdess import RAVDESS
from speakergmm.corpora.known.rsr2015 import RSR2015
from speakergmm.corpora.known.speech_commands import SPEECH_COMMANDS, SPEECH_COMMANDS_TEST
from speakergmm.corpora.known.st_aeds import ST_AEDS
from speakergmm.corpora.known.timit import TIMIT
from speakergmm.corpora.known.vctk import VCTK
from speakergmm.corpora.known.voxceleb1 import VOXCELEB1
from speakergmm.corpora.known.voxforge import VOXFORGE
from speakergmm.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.corpora.known.corpus import KnownCorpus

CORPORA: Mapping[str, KnownCorpus] = {
    corpus.name: corpus
    for corpus in (
        AUDIOMNIST,
        FSDD,
        SPEECH_COMMANDS_TEST,
        SPEECH_COMMANDS,
        LIBRISPEECH,
        VCTK,
        VOXFORGE,
        ST_AEDS,
        AISHELL1,
        CN_CELEB,
        VOXCELEB1,
        RAVDESS,
        TIMIT,
        RSR2015,
        ASVSPOOF2019_LA,
        NIST,
        OWN_FOLDERS,
    )
}


def known_corpus(name: str) -> KnownCorpus:
    """Give what is known of a corpus.

    Raises
    ------
    MissingError
        When it is not known; names those that are.
    """
    if name in CORPORA:
        return CORPORA[name]
    near = difflib.get_close_matches(name.lower(), CORPORA, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(CORPORA)}."
    raise MissingError(
        f"no corpus {name!r}; {hint} A folder of your own, with a folder for each speaker, is "
        "'folders'"
    )
