"""`speakergmm speakers`: who is enrolled, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from speakergmm.cli.app import EXIT_FAILED
from speakergmm.cli.console import json_option, print_table, print_warnings
from speakergmm.cli.output_file import OutputFile
from speakergmm.cli.system_options import load_verifier, named_files, system_options

if TYPE_CHECKING:
    from speakergmm.verification import Verifier
    from speakergmm.verification.speaker_store.enrolled import Enrollment, SpeakerSummary


@click.group()
def speakers() -> None:
    """List, show, remove, export and import enrolled speakers.

    \b
    Examples:
      speakergmm speakers list
      speakergmm speakers show alice
      speakergmm speakers remove alice
      speakergmm speakers export team.safetensors
      speakergmm speakers import team.safetensors --store other.db
    """


@speakers.command("list")
@system_options
@json_option
def list_speakers(as_json: bool, **named: Any) -> None:
    """List who is enrolled, with how much speech, from how many recordings, and since when.

    \b
    Example:
      speakergmm speakers list --store team.db
    """
    from speakergmm.names import counted
    from speakergmm.verification.speaker_store.enrolled import as_named

    verifier = load_verifier(**named)
    rows = [_summary(verifier, known, known.n_frames) for known in verifier.store.speakers()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [
        (
            as_named(row["speaker_id"]),
            f"{row['speech_s']:.1f} s",
            str(row["n_recordings"]),
            row["changed_at"],
        )
        for row in rows
    ]
    if cells:
        print_table(("speaker", "speech", "recordings", "changed"), cells)
    click.echo(f"{counted(len(rows), 'speaker')} in {verifier.store.path}")


@speakers.command()
@click.argument("speaker_id", metavar="ID")
@system_options
@json_option
def show(speaker_id: str, as_json: bool, **named: Any) -> None:
    """Show what is known of speaker ID: its recordings, their quality, and how they fit.

    \b
    Example:
      speakergmm speakers show alice
    """
    from speakergmm.names import counted
    from speakergmm.verification.speaker_store.enrolled import as_named

    verifier = load_verifier(**named)
    known = verifier.store.find(speaker_id)
    about = _summary(verifier, known, known.statistics.n_frames) | {
        "adaptation": known.adaptation,
        "recordings": [recording.to_json() for recording in known.recordings],
    }
    if as_json:
        click.echo(json.dumps(about, indent=2))
        return
    recordings = counted(about["n_recordings"], "recording")
    click.echo(
        f"{as_named(speaker_id)}: {about['speech_s']:.1f} s of speech from {recordings}, enrolled "
        f"{known.enrolled_at}, changed {known.changed_at}"
    )
    for recording in known.recordings:
        snr = "" if recording.snr_db is None else f", {recording.snr_db:.0f} dB above the noise"
        fit = "" if recording.fit is None else f", fits the others by {recording.fit:.2f}"
        label = recording.label if recording.label.isprintable() else repr(recording.label)
        click.echo(f"  {label}: {recording.speech_s:.1f} s of speech{snr}{fit}")
        print_warnings(recording.warnings)


@speakers.command()
@click.argument("speaker_ids", metavar="ID...", nargs=-1, required=True)
@system_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(speaker_ids: tuple[str, ...], yes: bool, **named: Any) -> None:
    """Remove speakers, so that nothing of them is left in the store.

    The file is rewritten without them. Copies of it, and what a disk keeps of overwritten files,
    are beyond its reach.

    \b
    Example:
      speakergmm speakers remove alice bob --yes
    """
    from speakergmm.names import counted

    verifier = load_verifier(**named)
    if not yes:
        from speakergmm.verification.speaker_store.enrolled import quoted

        # Before anybody is asked about somebody who is not there.
        for speaker_id in speaker_ids:
            verifier.store.find(speaker_id)
        named_here = ", ".join(map(quoted, dict.fromkeys(speaker_ids)))
        if not _is_sure(f"Remove {named_here} for good?"):
            click.echo("nobody is removed; answer y, or give --yes", err=True)
            click.get_current_context().exit(EXIT_FAILED)
    verifier.store.remove(speaker_ids)
    removed = counted(len(set(speaker_ids)), "speaker")
    click.echo(f"removed {removed} from {verifier.store.path}")


@speakers.command()
@system_options
def compact(**named: Any) -> None:
    """Rewrite the store, so that nothing is left in it of removed speakers.

    `remove` does so itself; this is for when it said that others were reading.

    \b
    Example:
      speakergmm speakers compact --store team.db
    """
    verifier = load_verifier(**named)
    verifier.store.compact()
    click.echo(f"{verifier.store.path}: rewritten")


@speakers.command()
@click.argument("file", type=OutputFile())
@click.argument("speaker_ids", metavar="[ID]...", nargs=-1)
@system_options
def export(file: Path, speaker_ids: tuple[str, ...], **named: Any) -> None:
    """Write speakers, all or those named, to FILE, for a store of the same background model.

    FILE holds statistics of voices, so only its owner may read it.

    \b
    Examples:
      speakergmm speakers export team.safetensors
      speakergmm speakers export alice.safetensors alice
    """
    from speakergmm.files import check_apart
    from speakergmm.names import counted

    check_apart(file, named_files(**{k: v for k, v in named.items() if k != "relevance_factor"}))
    verifier = load_verifier(**named)
    verifier.store.export(file, speaker_ids or None)
    n_exported = len(set(speaker_ids)) or len(verifier.store.speakers())
    click.echo(f"{file}: {counted(n_exported, 'speaker')}")


@speakers.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@system_options
@click.option("--replace", is_flag=True, help="Replace speakers who are enrolled already.")
def import_speakers(file: Path, replace: bool, **named: Any) -> None:
    """Enroll the speakers of FILE, from `speakers export`, all or none.

    \b
    Example:
      speakergmm speakers import team.safetensors --store other.db
    """
    from speakergmm.names import counted

    verifier = load_verifier(**named)
    imported = verifier.store.import_from(file, replace=replace)
    click.echo(f"{verifier.store.path}: {counted(len(imported), 'speaker')} from {file}")


def _is_sure(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        # There is nobody to be asked, or they have left.
        click.echo(err=True)
        return False


def _summary(
    verifier: Verifier, known: SpeakerSummary | Enrollment, n_frames: int
) -> dict[str, Any]:
    return {
        "speaker_id": known.speaker_id,
        "speech_s": round(n_frames / verifier.frames_per_s, 3),
        "n_recordings": len(known.recordings),
        "enrolled_at": known.enrolled_at,
        "changed_at": known.changed_at,
    }
