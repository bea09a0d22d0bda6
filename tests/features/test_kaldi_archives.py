"""Kaldi's archives: ours read by kaldiio, kaldiio's read by us, and what is refused unread."""

from __future__ import annotations

import pickle
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speakergmm.errors import FrameError, MissingError, OutputError
from speakergmm.features.kaldi_archives import read_ark, read_scp, write_kaldi
from speakergmm.features.kaldi_scripts import scp_entries

kaldiio = pytest.importorskip("kaldiio")

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

LAW = settings(derandomize=True, deadline=None, max_examples=40)

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
IDS = st.text(st.characters(categories=("L", "N"), include_characters="-_./"), min_size=1)


@st.composite
def corpora(draw):
    """Some utterances of one number of features."""
    n_features = draw(st.integers(1, 4))
    matrices = st.integers(1, 5).flatmap(
        lambda n: arrays(np.float32, (n, n_features), elements=FLOATS)
    )
    return draw(st.dictionaries(IDS, matrices, min_size=1, max_size=4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for archives that are written over and over."""
    return tmp_path_factory.mktemp("kaldi")


@pytest.fixture
def matrices():
    rng = np.random.default_rng(0)
    return {f"utt{i}": rng.normal(size=(20 + i, 5)).astype(np.float32) for i in range(3)}


@pytest.fixture
def script(tmp_path):
    """Write a script file of given lines."""

    def write(*lines):
        path = tmp_path / "feats.scp"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def check_same(found, expected):
    found = dict(found)
    assert list(found) == list(expected)
    for name, frames in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], frames)


# --- there and back ---


@LAW
@given(corpora())
def test_what_we_write_we_read_and_kaldiio_reads(folder, corpus):
    counted = write_kaldi(folder, corpus.items())
    assert counted == (len(corpus), sum(map(len, corpus.values())))
    for read in (read_ark(folder / "feats.ark"), kaldiio.load_ark(str(folder / "feats.ark"))):
        check_same(read, corpus)
    for read in (read_scp(folder / "feats.scp"), kaldiio.load_scp(str(folder / "feats.scp"))):
        check_same(read, corpus)


@LAW
@given(corpora())
def test_the_bytes_of_an_archive(folder, corpus):
    write_kaldi(folder, corpus.items())
    expected = b""
    for name, frames in corpus.items():
        expected += name.encode() + b" \0BFM \4" + len(frames).to_bytes(4, "little")
        expected += b"\4" + frames.shape[1].to_bytes(4, "little")
        expected += b"".join(struct.pack("<f", x) for x in frames.ravel())
    assert (folder / "feats.ark").read_bytes() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("text", [False, True])
def test_what_kaldiio_writes_is_read(tmp_path, matrices, dtype, text):
    given_ = {name: frames.astype(dtype) for name, frames in matrices.items()}
    ark, scp = str(tmp_path / "a.ark"), str(tmp_path / "a.scp")
    kaldiio.save_ark(ark, given_, scp=scp, text=text)
    for found in (dict(read_ark(ark)), dict(read_scp(scp))):
        assert list(found) == list(matrices)
        for name, frames in matrices.items():
            assert found[name].dtype == np.float32
            # The text has twelve digits.
            np.testing.assert_allclose(found[name], frames, rtol=1e-6 if text else 0)


@pytest.mark.parametrize("method", [2, 3, 5])
def test_compressed_matrices_are_read_as_kaldiio_reads_them(tmp_path, matrices, method):
    ark, scp = str(tmp_path / "a.ark"), str(tmp_path / "a.scp")
    kaldiio.save_ark(ark, matrices, scp=scp, compression_method=method)
    expected = dict(kaldiio.load_ark(ark))
    check_same(read_ark(ark), expected)
    check_same(read_scp(scp), expected)
    for name, frames in matrices.items():
        assert not np.array_equal(expected[name], frames)
        # A 255th of the range of some five deviations, at worst.
        np.testing.assert_allclose(expected[name], frames, atol=0.05)


def test_text_that_begins_with_a_whole_number_keeps_its_fractions(tmp_path):
    path = tmp_path / "a.ark"
    path.write_bytes(b"a  [ 1 2.5\n  3.25 -4e-1 ]\nb  [\n  1 2\n  3 4 ]\n")
    found = dict(read_ark(path))
    np.testing.assert_array_equal(found["a"], np.array([[1, 2.5], [3.25, -0.4]], np.float32))
    np.testing.assert_array_equal(found["b"], [[1, 2], [3, 4]])


def test_utterances_are_read_when_their_turn_comes(tmp_path, matrices):
    write_kaldi(tmp_path, matrices.items())
    content = (tmp_path / "feats.ark").read_bytes()
    (tmp_path / "feats.ark").write_bytes(content[:-1])
    for reader in (read_ark(tmp_path / "feats.ark"), read_scp(tmp_path / "feats.scp")):
        assert next(reader)[0] == "utt0"
        assert next(reader)[0] == "utt1"
        with pytest.raises(FrameError, match=r"utterance 'utt2': cut off or damaged: no matrix"):
            next(reader)


# --- script files ---


def test_ranges_have_both_ends(tmp_path, matrices, script):
    write_kaldi(tmp_path / "made", matrices.items())
    frames = matrices["utt1"]
    place = (tmp_path / "made/feats.scp").read_text().splitlines()[1].split()[1]
    path = script(
        f"rows {place}[2:4]", f"both {place}[0:3,:]", f"one {place}[5:5]", f"over {place}[18:23]",
        f"all {place}[:]",
    )  # fmt: skip
    expected = {
        "rows": frames[2:5], "both": frames[:4], "one": frames[5:6], "over": frames[18:],
        "all": frames,
    }  # fmt: skip
    check_same(read_scp(path), expected)
    columns = dict(read_scp(script(f"a {place}[:,1:2]", f"b {place}[3:4,0:1]")))
    np.testing.assert_array_equal(columns["a"], frames[:, 1:3])
    np.testing.assert_array_equal(columns["b"], frames[3:5, :2])


@pytest.mark.parametrize(
    ("range_", "message"),
    [
        ("[3:2]", "has 21 rows; not those from 3 to 2"),
        ("[0:24]", "utterance 'a': has 21 rows; not those from 0 to 24"),
        ("[21:22]", "has 21 rows; not those from 21 to 22"),
        ("[:,0:5]", "has 5 columns; not those from 0 to 5"),
        ("[1]", r"feats\.scp, line 1: range \[1\]; expected \[first:last\] for rows, or"),
        ("[]", r"range \[\]; expected"),
        ("[0:1,0:1,0:1]", r"range \[0:1,0:1,0:1\]; expected"),
        ("[-1:2]", r"range \[-1:2\]; expected"),
    ],
)
def test_ranges_that_are_refused(tmp_path, matrices, script, range_, message):
    write_kaldi(tmp_path / "made", matrices.items())
    place = (tmp_path / "made/feats.scp").read_text().splitlines()[1].split()[1]
    with pytest.raises(FrameError, match=message):
        list(read_scp(script(f"a {place}{range_}")))


def test_relative_paths_begin_where_the_program_runs_or_at_the_script(
    tmp_path, matrices, script, monkeypatch
):
    write_kaldi(tmp_path / "made", matrices.items())
    path = script("utt0 made/feats.ark:5")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    check_same(read_scp(path), {"utt0": matrices["utt0"]})
    write_kaldi(elsewhere / "made", [("utt0", matrices["utt1"])])
    check_same(read_scp(path), {"utt0": matrices["utt1"]})


def test_files_with_one_matrix_and_odd_names(tmp_path, matrices, script):
    place = tmp_path / "with blank.x:y"
    kaldiio.save_mat(str(place), matrices["utt0"])
    path = script("", f"a   {place}  ", f"b\t{place}:0", "  ")
    check_same(read_scp(path), {"a": matrices["utt0"], "b": matrices["utt0"]})


@pytest.mark.parametrize(
    "place",
    ["touch {0} |", "touch {0}|", "| touch {0}", "touch {0} |  ", " |touch {0}", "x.ark |", "-"],
)
def test_commands_are_refused_and_not_run(tmp_path, script, monkeypatch, place):
    for name in ("load_scp", "load_mat", "load_ark"):
        monkeypatch.setattr(kaldiio.matio, name, None)
    for name in ("my_popen", "open_like_kaldi"):
        monkeypatch.setattr(kaldiio.utils, name, None)
    ran = tmp_path / "ran"
    path = script("good some.ark:5", f"bad {place.format(ran)}")
    message = (
        r"feats\.scp, line 2: utterance 'bad' is read from a command or a pipe \(.*\), which is "
        r"not run here; run it, and give the archive that it writes"
    )
    with pytest.raises(FrameError, match=message):
        read_scp(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), r"feats\.scp: empty; expected a line 'utterance file:offset' for each"),
        (("a x.ark:1", "only"), r"line 2: 'only'; expected 'utterance file:offset'"),
        (("a x.ark:1", "a y.ark:1"), "line 2: utterance 'a' again; expected each once"),
    ],
)
def test_script_files_that_are_refused(script, lines, message):
    with pytest.raises(FrameError, match=message):
        scp_entries(script(*lines))


def test_a_byte_order_mark_is_no_part_of_an_utterance(script):
    path = script("a x.ark:1", "b x.ark:2")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [entry.utterance_id for entry in scp_entries(path)] == ["a", "b"]


def test_script_files_that_are_none(tmp_path):
    with pytest.raises(MissingError, match=r"gone\.scp: no such file; expected a Kaldi script"):
        read_scp(tmp_path / "gone.scp")
    (tmp_path / "b.scp").write_bytes(b"a\xff\0")
    with pytest.raises(FrameError, match=r"b\.scp: not UTF-8 text; expected a Kaldi script file"):
        read_scp(tmp_path / "b.scp")
    with pytest.raises(FrameError, match="cannot be read"):
        read_scp(tmp_path)


# --- archives that are refused ---


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickled object was loaded",)


def matrix(kind, rows, columns, values=b""):
    sizes = struct.pack("<bibi", 4, rows, 4, columns)
    if kind.startswith(b"CM"):
        sizes = struct.pack("<ffii", 0.0, 1.0, rows, columns)
    return b"a \0B" + kind + b" " + sizes + values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.ark: empty; expected an archive of matrices"),
        (b"a PKL" + pickle.dumps(Bomb()), r"'a': no matrix of Kaldi's, but something that"),
        (b"a NPY" + b"\1" * 50, "vectors, recordings and Python objects are not read"),
        (b"a RIFF" + b"\1" * 50, r"begins with b'RIFF\\x01\\x01'; expected frames"),
        (b"a ", r"is to begin at byte 2, where the file has ended"),
        (b"a \0BFV \4\1\0\0\0" + b"\0" * 4, r"holds no matrix, .* one of FM, DM, CM, CM2, CM3: v"),
        (b"a \0B\4\1\0\0\0\4\1\0\0\0", "holds no matrix, but something that begins with"),
        (b"\0BFM \4", "not a Kaldi archive, or a damaged one: .* stands where an utterance should"),
        (b"no-archive-at-all", "an archive of a single matrix needs a script file"),
        (b"\xff\xfe a", "stands where an utterance should begin"),
        (b"x" * 5000 + b" ", "stands where an utterance should begin"),
        (matrix(b"FM", 2, 2, b"\0" * 15), r"no matrix of shape \(2, 2\) is in the 30 bytes"),
        (matrix(b"DM", 2, 2, b"\0" * 31), r"no matrix of shape \(2, 2\) is in the 46 bytes"),
        (matrix(b"CM", 2, 2, b"\0" * 19), r"no matrix of shape \(2, 2\) is in the 40 bytes"),
        (matrix(b"CM2", 2, 2, b"\0" * 7), r"no matrix of shape \(2, 2\) is in the 29 bytes"),
        (matrix(b"CM3", 2, 2, b"\0" * 3), r"no matrix of shape \(2, 2\) is in the 25 bytes"),
        (matrix(b"FM", 2**31 - 1, 2**31 - 1), r"no matrix of shape \(2147483647, 2147483647\)"),
        (matrix(b"FM", -2, 2), r"no matrix of shape \(-2, 2\)"),
        (b"a \0BFM \4\2", r"no matrix of shape \(-1, -1\) is in the 7 bytes"),
        (b"a \0BFM \5\1\0\0\0\4\1\0\0\0" + b"\0" * 4, r"'a': damaged \(not as Kaldi .*\); co"),
        (matrix(b"FM", 0, 0), r"has no frames \(shape \(0, 0\)\); expected one or more"),
        (matrix(b"FM", 1, 1, struct.pack("<f", np.nan)), "frame 0, feature 0 is nan; expected fin"),
        (matrix(b"DM", 1, 1, struct.pack("<d", 1e300)), r"is 1e\+300; .* within float32 \(1 are n"),
        (
            b"a \0BCM3 " + struct.pack("<ffii", 0.0, 3e38, 1, 1) + b"\xff",
            "'a': frame 0, feature 0 is inf; expected finite numbers",
        ),
        (b"a [\n 1 2\n 3 4\n", "'a': cut off: no ] at its end"),
        (
            b"a [\n 1 2\n 3 4\n\n 5\n 6 7 ]\n",
            "'a': row 2 is of length 1, row 0 of length 2; expected rows of one length: copy or e",
        ),
        (b"a [\n 1 x ]\n", "'a': damaged"),
        (b"a [ ]\n", r"shape \(0,\); expected real numbers \(n_frames, n_features\)"),
        (b"a [\n 1 2 ]\na [\n 1 2 ]\n", "utterance 'a' again; expected each once"),
        (
            b"a [\n 1 2 ]\nb [\n 1 ]\n",
            r"a\.ark: utterance 'b' has 1 features, 'a' has 2; expected features of one kind",
        ),
    ],
)  # fmt: skip
def test_archives_that_are_refused(tmp_path, content, message):
    path = tmp_path / "a.ark"
    path.write_bytes(content)
    with pytest.raises(FrameError, match=message):
        list(read_ark(path))


def test_pickled_objects_are_not_loaded_by_a_script_file(tmp_path, script):
    (tmp_path / "a.ark").write_bytes(b"a PKL" + pickle.dumps(Bomb()))
    with pytest.raises(FrameError, match="Python objects are not read"):
        list(read_scp(script("a a.ark:2")))


def test_archives_that_are_none(tmp_path, script):
    with pytest.raises(MissingError, match=r"gone\.ark: no such file; expected a Kaldi archive"):
        list(read_scp(script("a gone.ark:5")))
    with pytest.raises(FrameError, match="not a file; expected a Kaldi archive"):
        list(read_ark(tmp_path))
    # Of an archive that was made again, or copied in part.
    (tmp_path / "a.ark").write_bytes(b"a [\n 1 2 ]\n")
    with pytest.raises(FrameError, match=r"'a': is to begin at byte 5,000, where the file has end"):
        list(read_scp(script("a a.ark:5000")))


def test_without_kaldiio_it_is_said_how_to_install_it(tmp_path, matrices, monkeypatch):
    write_kaldi(tmp_path, matrices.items())
    monkeypatch.setitem(sys.modules, "kaldiio", None)
    for read in (read_ark, read_scp):
        with pytest.raises(MissingError, match=r'pip install "speakergmm\[kaldi\]"'):
            read(tmp_path / ("feats.ark" if read is read_ark else "feats.scp"))
    # Writing needs none.
    write_kaldi(tmp_path / "again", matrices.items())
    assert (tmp_path / "again/feats.ark").read_bytes() == (tmp_path / "feats.ark").read_bytes()


# --- what is not written ---


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ([], "there are no utterances to write; expected one or more"),
        ([("a b", np.ones((2, 2)))], "utterance 'a b' cannot be the key of a Kaldi archive; exp"),
        ([("", np.ones((2, 2)))], "utterance '' cannot be the key"),
        ([("a\0", np.ones((2, 2)))], r"utterance 'a\\x00' cannot be the key"),
        ([("a", np.ones((2, 2)))] * 2, "utterance 'a' comes twice; expected each once"),
        ([("a", np.ones(3))], r"utterance 'a': holds float64 of shape \(3,\); expected real numb"),
        ([("a", np.full((2, 2), np.nan))], "utterance 'a': frame 0, feature 0 is nan"),
        (
            [("a", np.ones((2, 2))), ("b", np.ones((2, 3)))],
            "output: utterance 'b' has 3 features, 'a' has 2",
        ),
    ],
)
def test_what_cannot_be_written_leaves_the_old_files(tmp_path, matrices, named, message):
    write_kaldi(tmp_path, matrices.items())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FrameError, match=message):
        write_kaldi(tmp_path, named)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_places_that_cannot_be_written(tmp_path, matrices):
    with pytest.raises(
        FrameError, match="a script file cannot name such a path; choose one without"
    ):
        write_kaldi(tmp_path / "a[1]", matrices.items())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_kaldi(tmp_path / "file", matrices.items())


def test_a_script_file_that_is_a_link_stays_one(tmp_path, matrices):
    write_kaldi(tmp_path / "out", [("old", matrices["utt1"])])
    (tmp_path / "out/feats.scp").rename(tmp_path / "real.scp")
    (tmp_path / "out/feats.scp").symlink_to(tmp_path / "real.scp")
    write_kaldi(tmp_path / "out", matrices.items())
    assert (tmp_path / "out/feats.scp").is_symlink()
    check_same(read_scp(tmp_path / "real.scp"), matrices)
