"""The speaker store: the statistics of enrolled speakers, in one SQLite file; never audio.

Statistics add, so an enrollment grows by adding recordings; the speaker's model is made from them
when it is needed. A store belongs to one background model and refuses every other.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.errors import MissingError, SpeakerStoreError, problem_report
from speakergmm.verification.speaker_store.checks import (
    check_id,
    check_new,
    check_shape,
    check_statistics,
    checked_arrays,
)
from speakergmm.verification.speaker_store.database import SpeakerDatabase
from speakergmm.verification.speaker_store.enrolled import (
    EnrolledRecording,
    Enrollment,
    SpeakerSummary,
    quoted,
)
from speakergmm.verification.speaker_store.files import read_speakers, write_speakers
from speakergmm.verification.speaker_store.rows import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from speakergmm.gmm import Statistics
    from speakergmm.verification.speaker_store.rows import Head
    from speakergmm.verification.speaker_store.transaction import Transaction

NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SpeakerStore:
    """Enrolled speakers of one background model.

    Several processes may read and write one store at once, and a change is there as a whole or
    not at all, whatever happens meanwhile. What is read is checked against checksums. Ids are
    compared character by character: two ways of writing "é" in Unicode are two speakers.

    Every method raises `SpeakerStoreError` when the store is damaged, belongs to another
    background model, or was written by a newer version; all but `enroll` and `import_from`, when
    there is none.

    Parameters
    ----------
    path : path
        The SQLite file. Made at the first enrollment, readable by its owner only.
    ubm_digest : str
        Of the background model's file.
    """

    path: Path
    ubm_digest: str

    def enroll(
        self,
        speaker_id: str,
        statistics: Statistics,
        recordings: Sequence[EnrolledRecording],
        *,
        adaptation: Mapping[str, Any] | None = None,
        derive: Callable[[Statistics], Mapping[str, NDArray[np.float64]]] | None = None,
    ) -> Enrollment:
        """Add recordings to a speaker's enrollment, all of them or none.

        Parameters
        ----------
        speaker_id : str
            Any text; it is data, never part of a path or a command.
        statistics : Statistics
            Of the recordings' frames under the store's background model, added up.
        recordings : sequence of EnrolledRecording
        adaptation : mapping, optional
            How the speaker's model is made; kept as JSON in place of what was kept before.
        derive : callable, optional
            Gets the statistics of all of the speaker's recordings and gives named arrays (N,),
            which `derived` gives back, in place of all that was derived before. Others cannot
            write meanwhile.

        Raises
        ------
        SpeakerStoreError
            When the id is empty, a recording is already part of the enrollment, the statistics
            are not finite or of another shape than the store's, or the store cannot be written.
        """
        check_id(speaker_id)
        check_statistics(speaker_id, statistics)
        with self._database.writing(create=True) as change:
            head = change.head(speaker_id)
            check_shape(change, speaker_id, statistics)
            known = None if head is None else change.enrollment(head)
            earlier = known.recordings if known else ()
            check_new(speaker_id, earlier, recordings)
            now = _now()
            enrollment = Enrollment(
                speaker_id,
                known.statistics + statistics if known else statistics,
                (*earlier, *recordings),
                dict(adaptation or {}),
                known.enrolled_at if known else now,
                now,
                change.revision,
            )
            derived = derive(enrollment.statistics) if derive else {}
            change.delete(speaker_id)
            change.insert(enrollment, checked_arrays(speaker_id, derived))
        return enrollment

    def is_begun(self) -> bool:
        """Tell whether anybody was ever enrolled; no error where there is no store yet."""
        return self._database.is_begun()

    def find(self, speaker_id: str) -> Enrollment:
        """Give a speaker's enrollment.

        Raises
        ------
        MissingError
            When there is no such speaker, with those that there are.
        """
        with self._database.reading() as state:
            head = state.head(speaker_id)
            if head is None:
                raise self._missing(state, [speaker_id])
            return state.enrollment(head)

    def derived(
        self, speaker_id: str, key: str, *, revision: int | None = None
    ) -> NDArray[np.float64] | None:
        """Give an array that was derived when the speaker was enrolled; None where there is none.

        Parameters
        ----------
        revision : int, optional
            Of the enrollment that it is to belong to. Default: the newest.
        """
        with self._database.reading() as state:
            head = state.head(speaker_id)
            if head is None or revision not in {None, head.revision}:
                return None
            return state.derived(speaker_id, key)

    def derived_of(self, revisions: Mapping[str, int], key: str) -> dict[str, NDArray[np.float64]]:
        """Give the arrays of one key of many speakers at once, as far as there are any.

        Parameters
        ----------
        revisions : mapping of str to int
            Speaker id → revision of the enrollment that the array is to belong to.
        """
        found = {}
        with self._database.reading() as state:
            for speaker_id, revision in revisions.items():
                head = state.head(speaker_id)
                if head is not None and head.revision == revision:
                    value = state.derived(speaker_id, key)
                    if value is not None:
                        found[speaker_id] = value
        return found

    def revision(self) -> int:
        """Give the number of the newest change: equal numbers mean that nothing has changed."""
        with self._database.reading() as state:
            return state.revision

    def revisions(self) -> dict[str, int]:
        """Give the revision of each speaker, in the order of their ids."""
        with self._database.reading() as state:
            return {head.speaker_id: head.revision for head in state.heads()}

    def models(
        self, speaker_ids: Iterable[str] | None = None, *, with_s: bool = False
    ) -> Iterator[tuple[str, int, Statistics]]:
        """Stream what models are made of: ids, revisions and statistics, in the order of the ids.

        One state of the store is read, whatever is written meanwhile, and one speaker at a time
        is in memory. Close the iterator when not all is wanted: while it is open, removed
        speakers cannot be wiped out of the file.

        Parameters
        ----------
        speaker_ids : iterable of str, optional
            Default: all.
        with_s : bool
            Whether to read the second order too, which only adapting variances needs; else it is
            zero.

        Raises
        ------
        MissingError
            When a speaker is not enrolled, with the first that is asked for.
        """
        with self._database.reading() as state:
            for head in self._heads(state, speaker_ids):
                yield head.speaker_id, head.revision, state.statistics(head, with_s=with_s)

    def speakers(self) -> list[SpeakerSummary]:
        """Give what is known of all speakers but their statistics, in the order of their ids."""
        with self._database.reading() as state:
            return [state.summary(head) for head in state.heads()]

    def owners(
        self, audio_digests: Iterable[str], file_digests: Iterable[str], except_for: str
    ) -> dict[str, str]:
        """Tell which of these recordings are enrolled for another speaker.

        Parameters
        ----------
        audio_digests, file_digests : iterable of str
            Empty ones are nobody's.
        except_for : str
            The speaker whose own they may be.

        Returns
        -------
        dict of str to str
            From digest to speaker; the first by id, where there are several.
        """
        wanted = [("audio_digest", digest) for digest in audio_digests]
        wanted += [("file_digest", digest) for digest in file_digests]
        found: dict[str, str] = {}
        with self._database.reading() as state:
            for kind, digest in wanted:
                if digest and is_text(digest):
                    others = [i for i in state.owners(kind, digest) if i != except_for]
                    found |= dict.fromkeys([digest], others[0]) if others else {}
        return found

    def remove(self, speaker_ids: Iterable[str]) -> None:
        """Remove speakers, all of them or none, so that no trace of them is left in the file.

        The file is rewritten: this takes time, and free space of the file's size, in a large
        store. Copies of the store, and what a disk keeps of files that were overwritten, are
        beyond its reach.

        Raises
        ------
        MissingError
            When one of them is not enrolled.
        SpeakerStoreError
            When they are removed, but others read the store for so long that traces may remain:
            `compact` it then.
        """
        wanted = sorted(set(speaker_ids))
        with self._database.writing(create=False) as change:
            if unknown := [name for name in wanted if change.number(name) is None]:
                raise self._missing(change, unknown)
            for speaker_id in wanted:
                change.delete(speaker_id)
        self.compact()

    def compact(self) -> None:
        """Rewrite the file, so that nothing is left in it of removed speakers.

        Raises
        ------
        SpeakerStoreError
            When traces may remain, since another program reads or the disk is full.
        """
        self._database.wipe()

    def export(self, path: Path | str, speaker_ids: Iterable[str] | None = None) -> None:
        """Write speakers to one file, which only its owner may read, for `import_from`.

        Parameters
        ----------
        path : path
            A safetensors file. Equal speakers give equal bytes; all of them are in memory at once.
        speaker_ids : iterable of str, optional
            Default: all. What was derived of them is not exported.

        Raises
        ------
        MissingError
            When one of them is not enrolled.
        OutputError
            When the file cannot be written.
        """
        with self._database.reading() as state:
            enrollments = [state.enrollment(head) for head in self._heads(state, speaker_ids)]
        if not enrollments:
            raise SpeakerStoreError(f"{self.path}: nobody to export; enroll or name a speaker")
        write_speakers(path, self.ubm_digest, enrollments)

    def import_from(self, path: Path | str, *, replace: bool = False) -> list[str]:
        """Enroll the speakers of a file that `export` wrote, all of them or none; gives their ids.

        Parameters
        ----------
        replace : bool
            Whether speakers who are already enrolled are replaced, instead of refused.

        Raises
        ------
        SpeakerStoreError
            When the file is missing, damaged, or of another background model, or speakers are
            already enrolled.
        """
        imported = read_speakers(path, self.ubm_digest)
        for enrollment in imported:
            check_id(enrollment.speaker_id)
        with self._database.writing(create=True) as change:
            known = [e.speaker_id for e in imported if change.number(e.speaker_id) is not None]
            if known and not replace:
                raise SpeakerStoreError(
                    problem_report(
                        f"{path}: already enrolled; replace them, or export the others only",
                        map(quoted, known),
                    )
                )
            for speaker_id in known:
                change.delete(speaker_id)
            for enrollment in imported:
                check_statistics(enrollment.speaker_id, enrollment.statistics)
                check_shape(change, enrollment.speaker_id, enrollment.statistics)
                change.insert(dataclasses.replace(enrollment, revision=change.revision))
        return [enrollment.speaker_id for enrollment in imported]

    @property
    def _database(self) -> SpeakerDatabase:
        return SpeakerDatabase(self.path, self.ubm_digest)

    def _heads(self, state: Transaction, speaker_ids: Iterable[str] | None) -> Iterator[Head]:
        """Give the heads of some speakers, or of all, in the order of their ids."""
        for speaker_id in state.ids() if speaker_ids is None else sorted(set(speaker_ids)):
            head = state.head(speaker_id)
            if head is None:
                raise self._missing(state, [speaker_id])
            yield head

    def _missing(self, state: Transaction, unknown: Sequence[str]) -> MissingError:
        names = state.some_ids(NAMES_SHOWN + 1)
        known = ", ".join(map(quoted, names[:NAMES_SHOWN])) or "nobody"
        more = ", ..." if len(names) > NAMES_SHOWN else ""
        asked = ", ".join(map(quoted, unknown[:NAMES_SHOWN]))
        others = ", ..." if len(unknown) > NAMES_SHOWN else ""
        return MissingError(f"{self.path}: no speaker {asked}{others}; enrolled: {known}{more}")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
