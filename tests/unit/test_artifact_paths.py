"""Names of files in an artifact: a hundred kinds that could escape, hide or break something, none of which is packed."""

from __future__ import annotations

import posixpath
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.artifacts import ArtifactFile
from registry.errors import ArtifactError
from registry.layout import plan_archive
from registry.paths import (
    DEEPEST,
    LONGEST_NAME,
    LONGEST_PATH,
    MOST_BYTES,
    MOST_FILES,
    path_problem,
    refuse_odd_files,
)

PYFUNC = {"flavors": {"python_function": {}}}

TRAVERSALS = [
    "..", "../x", "../../etc/passwd", "a/../b", "a/../../b", "a/..", "./x", "a/./b", ".", "a/.", "a//b", "//a", "a/", "",
    "/", "/etc/passwd", "///etc/passwd", "/../x", "..//x", "a/b/../../../c", ".//x", "code/../inference.py",
    "sagemaker/../../x", "sagemaker/..", "model/1/../../x", "data/model/../../../x",
]  # fmt: skip
WINDOWS = [
    "C:/x", "c:x", "C:\\x", "\\x", "\\\\host\\share", "a\\b", "..\\x", "a/..\\..\\x", "a\\", "z:/../x",
]  # fmt: skip
CONTROLS = [
    "a\0b", "\0", "a\nb", "a\rb", "a\tb", "a\x1b[2Jb", "a\x07", "\x7f", "a\x80b", "a\x9fb", "a\x0bb", "a\x0cb", "x\x01",
    "\x1f", "a\b", "evil\0.txt", "a/\0/b", "..\0/x", "a\r\nb",
]  # fmt: skip
INVISIBLE = [
    "a\u200bb", "a\u200cb", "a\u200db", "a\u200eb", "a\u200fb", "a\u202ab", "a\u202bb", "a\u202cb", "a\u202db",
    "exe\u202etxt.py", "a\u2060b", "a\u2066b", "a\u2067b", "a\u2068b", "a\u2069b", "\ufeffa", "a\u00adb", "a\u2028b",
    "a\u2029b", "a\ud800b", "a\udcffb", "a\ue000b", "a\U000e0041b", "a\ufffe", "a\U0010ffff", "a\u061cb",
]  # fmt: skip
SPACES = [
    " a",
    "a ",
    "a/ b",
    "a /b",
    " ",
    "a/ /b",
    "\u00a0a",
    "a\u2003",
    "\u3000",
    "a/\u00a0/b",
    " ../x",
    ".. /x",
]
LONG = [
    "a" * (LONGEST_NAME + 1),
    "é" * 128,
    "/".join(["a"] * (DEEPEST + 1)),
    "/".join(["a" * 200] * 6),
    "a/" * 20_000 + "a",
    "x/" + "b" * 5000,
    "\U0001f600" * 64,
]
PAIRS = [
    ("a", "a"),
    ("README", "readme"),
    ("a/B", "A/b"),
    ("MLmodel", "mlmodel"),
    ("é", "e\u0301"),
    ("Å", "\u212b"),
    ("ﬁ", "fi"),
    ("straße", "STRASSE"),
    ("\u017f", "s"),
    ("K", "\u212a"),
    ("①", "1"),
    ("\uff21\uff22", "ab"),
    ("İ", "i\u0307"),
    ("Σ", "ς"),
    ("a", "a/b"),
    ("a/b", "a/b/c"),
    ("A", "a/b"),
    ("x/é", "x/e\u0301/y"),
    ("model/1", "model/1/saved_model.pb"),
    ("ǆ", "Ǆ"),
]
SIZES: list[object] = [
    -1,
    -(2**63),
    2**63,
    MOST_BYTES + 1,
    1.5,
    float("inf"),
    float("nan"),
    "1",
    None,
    True,
    b"1",
    [1],
]
NAMES = TRAVERSALS + WINDOWS + CONTROLS + INVISIBLE + SPACES + LONG


def test_at_least_a_hundred_kinds_are_tried() -> None:
    assert len(set(NAMES)) + len(PAIRS) + len(SIZES) >= 100


@pytest.mark.parametrize("path", NAMES, ids=lambda path: ascii(path)[:40])
def test_an_odd_name_is_refused_with_one_clear_line(path: str) -> None:
    files = [ArtifactFile("MLmodel", 1), ArtifactFile(path, 1)]
    with pytest.raises(
        ArtifactError, match=r"^the artifact is not packed: .*Allowed are .*log the model again"
    ) as caught:
        plan_archive(PYFUNC, files)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1200


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_files_that_are_one_on_some_file_system_are_refused(one: str, other: str) -> None:
    for paths in ((one, other), (other, one)):
        with pytest.raises(ArtifactError, match=r"are one name|is a file and the folder of"):
            refuse_odd_files([ArtifactFile(path, 1) for path in paths])


@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_an_absurd_size_is_refused(size: object) -> None:
    with pytest.raises(ArtifactError, match=r"bytes"):
        refuse_odd_files([ArtifactFile("a", size)])  # type: ignore[arg-type]


def test_sizes_that_are_absurd_together_and_a_million_files_are_refused() -> None:
    with pytest.raises(ArtifactError, match=r"fit on an instance's volume"):
        refuse_odd_files([ArtifactFile("a", MOST_BYTES), ArtifactFile("b", 1)])
    with pytest.raises(ArtifactError, match=rf"has 1000000 files, at most {MOST_FILES}"):
        refuse_odd_files([ArtifactFile("a", 0)] * 1_000_000)


@pytest.mark.parametrize("path", [7, None, b"a", ("a",)])
def test_a_path_that_is_no_text_is_refused(path: object) -> None:
    with pytest.raises(ArtifactError, match="not text"):
        refuse_odd_files([ArtifactFile(path, 1)])  # type: ignore[arg-type]


def test_many_problems_are_counted_and_the_first_five_are_shown() -> None:
    with pytest.raises(ArtifactError) as caught:
        refuse_odd_files([ArtifactFile(f"../{number}", 1) for number in range(9)])
    assert "'../4'" in str(caught.value)
    assert "and 4 more" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["MLmodel", "data/model/a b.bin", ".gitattributes", "a..b", "...", "é/ü.txt", "日本語/モデル.pkl", "-rf", "~x", "ab:c",
     "a'b\"c", "$(x)", "%2e%2e/x", "x" * LONGEST_NAME, "🤗.bin", "a=b,c;d&e"],
)  # fmt: skip
def test_names_that_people_give_are_kept(path: str) -> None:
    assert path_problem(path) is None


@given(st.text())
def test_no_accepted_path_leaves_the_folder_that_it_is_unpacked_to(path: str) -> None:
    if path_problem(path) is None:
        assert posixpath.normpath(posixpath.join("/folder", path)) == f"/folder/{path}"
        assert 0 < len(path.encode()) <= LONGEST_PATH


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_accepted_names_survive_pythons_own_filter_of_archives(paths: list[str]) -> None:
    files = [ArtifactFile(path, 0) for path in paths]
    try:
        plan = plan_archive(PYFUNC, files)
    except ArtifactError:
        return
    for entry in plan.entries:
        kept = tarfile.data_filter(tarfile.TarInfo(entry.path), "/folder")
        assert kept is not None
        assert kept.name == entry.path
