from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.voxceleb1 import (
    DEV,
    META,
    TEST,
    TRIALS,
    VIDEOS,
    VOXCELEB2,
    A,
    B,
    build,
    build_both,
    recordings,
)

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


@pytest.fixture
def both(tmp_path):
    return build_both(tmp_path)


def prepare(copy, protocol=None, **options):
    lists = copy.parent / "lists"
    return prepare_corpus(known_corpus("voxceleb1"), copy, lists, protocol=protocol, **options)


def test_o_tries_the_official_list_and_holds_out_speakers_for_development(copy):
    prepared = prepare(copy)
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 6, 36), ("development", 6, 36), ("evaluation", 3, 18),
    ]  # fmt: skip
    development, evaluation = prepared.splits[1:]
    assert (evaluation.models, evaluation.target, evaluation.nontarget) == (3, 2, 3)
    # Six utterances of six speakers; two strangers of the same sex.
    assert (development.models, development.target, development.nontarget) == (36, 144, 72)
    protocols = check_lists(copy.parent / "lists", copy, prepared)
    trials = protocols["evaluation"].trials
    pairs = {trials.pair(row) for row in range(len(trials))}
    assert (f"{A}-{VIDEOS[0]}-00001", f"{A}-{VIDEOS[1]}-00002") in pairs
    text = (copy.parent / "lists/utterances.csv").read_text()
    name = f"{B}-{VIDEOS[0]}-00001"
    assert f"\n{name},{B},wav/{B}/{VIDEOS[0]}/00001.wav,{VIDEOS[0]},f,evaluation\n" in text


def test_development_trials_cross_videos_and_keep_to_one_sex(copy):
    prepared = prepare(copy)
    protocol = check_lists(copy.parent / "lists", copy, prepared)["development"]
    sexes = {line.split("\t")[0]: line.split("\t")[2] for line in META.splitlines()[1:]}
    trials = protocol.trials
    for row in range(len(trials)):
        model, test = trials.pair(row)
        if trials.is_target[row]:
            assert model.split("-")[0] == test.split("-")[0]
            assert model[:-6] != test[:-6]
        else:
            assert sexes[model[:7]] == sexes[test[:7]]


def test_another_seed_holds_out_others_and_the_same_seed_the_same(copy):
    texts = []
    for seed in (0, 0, 1):
        prepare(copy, seed=seed)
        texts.append((copy.parent / "lists/development/trials.csv").read_text())
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("dev", "test"),
    [
        ("vox1_dev_wav/wav", "vox1_test_wav/wav"),
        ("dev/wav", "test/wav"),
        ("VoxCeleb1/dev/wav", "VoxCeleb1/test/wav"),
        ("", ""),
    ],
)
def test_the_parts_may_lie_in_one_folder_or_in_two(tmp_path, dev, test):
    touch(tmp_path, [f"{dev}/{name}".lstrip("/") for name in recordings(DEV)])
    touch(tmp_path, [f"{test}/{name}".lstrip("/") for name in recordings(TEST, ".flac")])
    write(tmp_path, "meta/veri_test2.txt", TRIALS)
    prepared = prepare_corpus(known_corpus("voxceleb1"), tmp_path, tmp_path / "lists")
    assert [c.speakers for c in prepared.splits] == [6, 6, 3]
    assert any(note.startswith("vox1_meta.csv is not there: sexes") for note in prepared.notes)


def test_the_lists_may_lie_beside_the_folder(copy):
    prepared = prepare(copy / "wav")
    assert [c.speakers for c in prepared.splits] == [6, 6, 3]
    assert "f,evaluation" in (copy / "lists/utterances.csv").read_text()
    assert not [note for note in prepared.notes if "sex" in note]


def test_a_link_that_leads_nowhere_is_passed_over(copy):
    (copy / "round").symlink_to("round")
    assert [c.speakers for c in prepare(copy).splits] == [6, 6, 3]


def test_a_link_that_leads_back_is_not_followed(copy):
    (copy / "wav/loop").symlink_to("../..")
    (copy / "wav/again").symlink_to(copy / "wav" / A)
    found = known_corpus("voxceleb1").scan(copy)
    assert len(found.utterances) == 90
    assert not found.notes


def test_recordings_that_are_there_twice_are_one_note(copy):
    touch(copy, [f"again/wav/{name}" for name in recordings(TEST)])
    (note,) = known_corpus("voxceleb1").scan(copy).notes
    assert note.startswith("18 left out: there twice, such as ")


def test_speakers_that_the_tables_lack_are_counted(both):
    for name, speakers in (("vox1_meta.csv", DEV[:2]), ("vox2_meta.csv", ["id00012"])):
        lines = (both / name).read_text().splitlines()
        write(both, name, "\n".join(line for line in lines if not line.startswith(tuple(speakers))))
    notes = prepare(both, "e").notes
    assert "vox1_meta.csv does not tell the sex of 2 speakers, such as id10001" in notes
    assert "vox2_meta.csv does not tell the sex of 1 speaker, such as id00012" in notes


def test_e_takes_background_and_development_from_voxceleb2(both):
    prepared = prepare(both, "e")
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 7, 42), ("development", 7, 42), ("evaluation", 15, 90),
    ]  # fmt: skip
    assert (prepared.splits[2].target, prepared.splits[2].nontarget) == (3, 3)
    assert (prepared.n_speakers, prepared.n_utterances) == (29, 174)
    check_lists(both.parent / "lists", both, prepared)
    # For O they are not listed.
    assert prepare(both).n_speakers == 15


@pytest.mark.parametrize("name", ["latest", "attested", "contest-2020"])
def test_a_folder_with_test_inside_a_word_is_no_test_part(both, name):
    (both / name).mkdir()
    (both / "vox2_dev_wav").rename(both / name / "vox2_dev_wav")
    assert [c.speakers for c in prepare(both, "e").splits] == [7, 7, 15]


@pytest.mark.parametrize("name", ["test", "VoxCeleb2-test", "vox2_TEST_aac", "VoxCeleb2 test"])
def test_the_test_part_of_voxceleb2_is_left_out_by_any_of_its_names(both, name):
    (both / "vox2_test_wav").rename(both / name)
    assert prepare(both, "e").n_speakers == 29


def test_e_without_voxceleb2_says_why_it_cannot_be_prepared(copy):
    write(copy, "list_test_all2.txt", TRIALS)
    message = r"no VoxCeleb2 dev in it; .* tries all speakers .* take protocol 'o'"
    with pytest.raises(ManifestError, match=message):
        prepare(copy, "e")


def test_voxceleb2_that_is_not_converted_is_named(copy):
    write(copy, "list_test_hard2.txt", TRIALS)
    touch(copy, [f"dev/aac/{name}" for name in recordings(VOXCELEB2, ".m4a")])
    with pytest.raises(ManifestError, match=r"VoxCeleb2 is there as .m4a .*convert it first"):
        prepare(copy, "h")


@pytest.mark.parametrize(
    ("converted", "expected"),
    [
        ((), "no recordings of VoxCeleb1; "),
        (DEV, r"no recordings of VoxCeleb1-test \(id10270 to id10309\); "),
    ],
)
def test_voxceleb1_that_is_not_converted_is_named(tmp_path, converted, expected):
    others = [name for name in (*DEV, *TEST) if name not in converted]
    touch(tmp_path, [*recordings(converted), *recordings(others, ".m4a")])
    write(tmp_path, "veri_test2.txt", TRIALS)
    unread = rf"{expected}\d+ left out: not read as they are .*, such as \S+\.m4a; expected"
    with pytest.raises(ManifestError, match=unread):
        prepare_corpus(known_corpus("voxceleb1"), tmp_path, tmp_path / "lists")


def test_folders_that_are_one_too_deep_are_said(tmp_path):
    touch(tmp_path, [f"{A}/wav/{VIDEOS[0]}/00001.wav"])
    with pytest.raises(ManifestError, match="VoxCeleb1; 1 left out: not SPEAKER/VIDEO/UTTERANCE"):
        prepare_corpus(known_corpus("voxceleb1"), tmp_path, tmp_path / "lists")


def test_the_list_of_openslr_is_the_original_one(copy):
    (copy / "veri_test2.txt").rename(copy / "voxceleb1_test_v2.txt")
    prepared = prepare(copy, "o_original")
    assert prepared.splits[2].target + prepared.splits[2].nontarget == 5
    note = "voxceleb1_test_v2.txt has 5 trials, where the published list has 37,720"
    assert note in prepared.notes
    with pytest.raises(ManifestError, match=r"veri_test2.txt: missing"):
        prepare(copy, "o")


def test_a_missing_list_is_named_with_how_to_get_it(copy):
    with pytest.raises(ManifestError, match=r"veri_test.txt: missing.*--part trials"):
        prepare(copy, "o_original")
    # The list of another protocol is no slip.
    (copy / "veri_test2.txt").rename(copy / "veri_test.txt")
    with pytest.raises(ManifestError, match=r"veri_test2.txt: missing \(veri_test.txt, "):
        prepare(copy)
    (copy / "veri_test.txt").rename(copy / "veri_tests2.txt")
    with pytest.raises(ManifestError, match=r"veri_test2.txt: missing, but 'veri_tests2.txt'"):
        prepare(copy)


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ("1 a/b/1.wav\n" + TRIALS, r"veri_test2.txt:1: '1 a/b/1.wav'; expected a line such as"),
        (TRIALS + "\n\n2 a/b/1.wav a/b/2.wav", r"veri_test2.txt:8: '2 a/b/1.wav a/b/2.wav'; exp"),
        ("\n", "no trials in it; expected lines such as"),
        (TRIALS.replace("1 ", "0 ", 1), r"veri_test2.txt:1: .* told to be different speakers, but"),
        ("1 a/b/1.wav a/c/2.wav", "0 target and 0 nontarget trials have their recordings here"),
    ],
)
def test_a_wrong_list_is_named(copy, trials, message):
    write(copy, "veri_test2.txt", trials)
    with pytest.raises(ManifestError, match=message):
        prepare(copy)


def test_trials_that_cannot_be_used_are_left_out_and_said(copy):
    (copy / f"wav/{B}/{VIDEOS[2]}/00001.wav").unlink()
    again = TRIALS.splitlines()[1]
    itself = f"1 {A}/{VIDEOS[0]}/00001.wav {A}/{VIDEOS[0]}/00001.wav"
    write(copy, "veri_test2.txt", f"{TRIALS}\n{again}\n{itself}\n")
    prepared = prepare(copy)
    assert (prepared.splits[2].target, prepared.splits[2].nontarget) == (1, 3)
    assert [note.split(", such")[0] for note in prepared.notes[2:]] == [
        "veri_test2.txt has 7 trials, where the published list has 37,611",
        "1 of the 7 trials of veri_test2.txt left out: a recording is not there",
        "1 of the 7 trials of veri_test2.txt left out: they stand there before",
        "1 of the 7 trials of veri_test2.txt left out: both sides are the same recording",
    ]


@pytest.mark.parametrize(("part", "missing"), [(DEV, "test"), (TEST, "dev")])
def test_a_missing_part_is_named(tmp_path, part, missing):
    touch(tmp_path, recordings(part))
    write(tmp_path, "veri_test2.txt", TRIALS)
    with pytest.raises(ManifestError, match=f"no recordings of VoxCeleb1-{missing}"):
        prepare_corpus(known_corpus("voxceleb1"), tmp_path, tmp_path / "lists")


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["wav/A.J._Buckley/1zcIwhmdeo4_0000001.wav"])
    with pytest.raises(ManifestError, match=r"no folders of speakers such as id10001.*wav there"):
        known_corpus("voxceleb1").scan(tmp_path)
    with pytest.raises(ManifestError, match="no such folder; expected the corpus"):
        known_corpus("voxceleb1").scan(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id;sex\n", r"vox1_meta.csv:1: 'id;sex'; expected the header"),
        (META + "id10400\tx\tfemale\tUSA\tdev\n", r"vox1_meta.csv:17: .*with the sex f or m"),
    ],
)
def test_a_wrong_table_is_named(copy, table, message):
    write(copy, "vox1_meta.csv", table)
    with pytest.raises(ManifestError, match=message):
        known_corpus("voxceleb1").scan(copy)


def test_other_files_are_passed_over_and_said(copy):
    touch(copy, [f"wav/{A}/00001.wav", f"wav/{A}/{VIDEOS[0]}/._00001.wav"])
    touch(copy, [f"again/{A}/{VIDEOS[0]}/00001.flac"])
    found = known_corpus("voxceleb1").scan(copy)
    assert len(found.utterances) == 90
    assert {note.split(", such")[0] for note in found.notes} == {
        "1 left out: there twice",
        "1 left out: not SPEAKER/VIDEO/UTTERANCE",
    }
