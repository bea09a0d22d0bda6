"""What a trial asks, in words: whether two sides are of one speaker, or of which class a test is.

Screen, report and pictures say what was compared in the words of one value, and are otherwise the
same for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from speakergmm.corpora.fields import NONTARGET, TARGET
from speakergmm.corpora.told_speakers import NOBODY
from speakergmm.names import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from speakergmm.corpora import Trials
    from speakergmm.corpora.classes import ClassSettings

# How sexes are mostly written in lists; other words stay as they are.
SEXES = {"f": "female", "m": "male"}

# Of a class with more values only the first are named, and of a long value its ends.
MAX_NAMED, NAME_LENGTH = 3, 24


@dataclass(frozen=True, slots=True)
class TrialWords:
    """The words that depend on what a trial asks.

    Of each pair the first is for target trials, the second for nontarget trials.

    Parameters
    ----------
    question, apart : str
        What the report asks; who models and choices come from.
    trial, trials : pair
        One trial of a kind, and several.
    counted : pair
        What follows either number, joined by "and".
    among : str
        What follows both of them, with a place for the number of speakers.
    kinds : pair
        At the head of a column of numbers.
    hypotheses : pair
        What is true of a trial.
    one, many : pair
        Who or what is accepted or rejected.
    also : str
        Many nontarget trials, where target ones have just been named.
    either : str
        A trial of each kind.
    both : str
        What is told apart.
    likelier : str
        Whose a score is, that speaks for the target.
    unknown, known : str
        What a ratio tells: of those who spoke, and of who it is.
    probe : str
        At the head of what the frames without speech tell.
    cue : pair
        What a result is in part, where they tell something; what is known of these frames.
    no_cue : str
        What is said where they tell nothing.
    advice : str
        What to expect elsewhere then.
    models, training : str
        What made the scores, and whose likelihood its training raised.
    """

    question: str
    apart: str
    trial: tuple[str, str]
    trials: tuple[str, str]
    counted: tuple[str, str]
    among: str
    kinds: tuple[str, str]
    hypotheses: tuple[str, str]
    one: tuple[str, str]
    many: tuple[str, str]
    also: str
    either: str
    both: str
    likelier: str
    unknown: str
    known: str
    probe: str
    cue: tuple[str, str]
    no_cue: str
    advice: str
    models: str
    training: str

    def counts(self, n_target: int, n_nontarget: int) -> str:
        """Say how many trials of each kind there are."""
        return f"{n_target:,} {self.counted[0]} and {n_nontarget:,} {self.counted[1]}"


SPEAKERS = TrialWords(
    question="Do two pieces of speech come from the same speaker? Each trial compares a model, "
    "made from a speaker's enrollment, with a test.",
    apart="The background model and all choices come from speakers who are not in the evaluation.",
    trial=("same-speaker trial", "different-speaker trial"),
    trials=("same-speaker trials", "different-speaker trials"),
    counted=("same-speaker", "different-speaker trials"),
    among=" of {:,} speakers",
    kinds=("same-speaker", "different-speaker"),
    hypotheses=("same speaker", "different speakers"),
    one=("true speaker", "stranger"),
    many=("true speakers", "strangers"),
    also="strangers",
    either="a same-speaker and a different-speaker trial",
    both="the speakers",
    likelier="from the claimed speaker as from a stranger",
    unknown="who spoke",
    known="who it is",
    probe="The voice or the room",
    cue=("is the recording, not the voice", ", in which nobody speaks,"),
    no_cue="No cue besides the voice was found",
    advice="The room and the microphone of a speaker are the same in enrollment and test here; "
    "where they change, expect more errors.",
    models="Gaussian mixture model with universal background model, speakers by MAP adaptation",
    training="Likelihood of the background speech under the background model",
)


class _Names(NamedTuple):
    """What a class is called: by a word, as one of it, as several, and after the other one."""

    word: str
    one: str
    many: str
    others: str

    @property
    def article(self) -> str:
        """One of it with its article, where it takes one."""
        return f"a {self.one}" if self.one != self.word else self.one


def class_words(column: str, target: Sequence[str], nontarget: Sequence[str]) -> TrialWords:
    """Make the words of trials that ask whether a test is of one class rather than of another.

    Parameters
    ----------
    column : str
        Of the list of utterances, where the classes stand.
    target, nontarget : sequence of str
        Its values for both classes: the two sexes have names, all others are quoted.
    """
    sexes = [{_sex(value) for value in values} for values in (target, nontarget)]
    is_named = column == "sex" and all(len(found) == 1 and "" not in found for found in sexes)
    first, second = (
        [_of_sex(*found) for found in sexes] if is_named else [_quoted(target), _quoted(nontarget)]
    )
    test = f"test of {first.article}", f"test of {second.article}"
    tests = f"tests of {first.many}", f"tests of {second.many}"
    which = "which of the two it is"
    return TrialWords(
        question=f"Is a piece of speech of {first.article} rather than of {second.article}? Each "
        "trial compares a test with two models, one of the speech of each kind; the column "
        f"{column} of the list says of which kind a test is.",
        apart="Both models and all choices come from speakers who are not in the evaluation.",
        trial=test,
        trials=tests,
        counted=(f"tests of {first.word}", f"of {second.many}"),
        among=", {:,} speakers in all",
        kinds=(f"{first.word} tests", f"{second.word} tests"),
        hypotheses=(first.one, second.one),
        one=(first.one, second.one) if is_named else test,
        many=tests,
        also=f"of {second.others}",
        either=f"a test of {first.article} and one of {second.article}",
        both=f"{first.word} and {second.many}",
        likelier=f"in a {test[0]} as in a {test[1]}",
        unknown=which,
        known=which,
        probe="Speech or pauses",
        # Which of these it is, the frames do not say: weak sounds of a voice are of its class too.
        cue=("is in the pauses too", ""),
        no_cue="Nothing of this result was found in the pauses",
        advice="That may be weak speech among them, or recordings of the two that differ in room, "
        "in microphone or in what was done to them; where these are alike, expect more errors.",
        models=f"Two Gaussian mixture models by EM, one of {first.many} and one of {second.many}",
        training="Likelihood of the background speech of either kind under its own model",
    )


def trial_words(classes: ClassSettings) -> TrialWords:
    """Give the words for what the trials of a recipe ask."""
    if not classes.column:
        return SPEAKERS
    return class_words(classes.column, classes.target, classes.nontarget)


def words_of_file(file: Path | str, trials: Trials) -> TrialWords:
    """Give the words for what the trials of a score file ask.

    Where all its models are of nobody, it is of classes; which, its origin says.

    Raises
    ------
    CalibrationError
        When the origin beside it is damaged.
    """
    models = trials.model_speaker
    if models is None or (models != NOBODY).any():
        return SPEAKERS
    from speakergmm.verification.origin import read_classes

    classes = read_classes(file)
    return class_words("label", [TARGET], [NONTARGET]) if classes is None else trial_words(classes)


def _sex(value: str) -> str:
    word = SEXES.get(value.lower(), value.lower())
    return word if word in SEXES.values() else ""


def _of_sex(sex: str) -> _Names:
    return _Names(sex, f"{sex} speaker", f"{sex} speakers", f"{sex} ones")


def _quoted(values: Sequence[str]) -> _Names:
    named = [f"'{shortened(visible(value), NAME_LENGTH)}'" for value in values[:MAX_NAMED]]
    name = "/".join([*named, *(["…"] if len(values) > MAX_NAMED else [])])
    return _Names(name, name, name, name)
