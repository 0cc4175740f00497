"""What the documents name is there: files, tests, and each other's sections."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [*(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md", REPOSITORY / "SECURITY.md"]
FILES = [
    path
    for room in ("charts", "crds", "operator", "policies", "tests")
    for path in (REPOSITORY / room).rglob("*.*")
    if path.suffix in (".py", ".yaml")
]
FILE = re.compile(r"`([\w./-]+\.(?:py|yaml))(?:::(\w+))?`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)")


def found(path: str) -> Iterator[Path]:
    """The files that a document may mean by `path`: of long ones it names the end."""
    return (file for file in FILES if f"/{file.relative_to(REPOSITORY)}".endswith(f"/{path}"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_files_and_tests_that_are_there(document: Path) -> None:
    missing = [
        f"{path}::{test}" if test else path
        for path, test in FILE.findall(document.read_text(encoding="utf-8"))
        if not any(not test or f"def {test}(" in each.read_text(encoding="utf-8") for each in found(path))
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_to_a_section_that_is_there(document: Path) -> None:
    missing = []
    for path, section in LINK.findall(document.read_text(encoding="utf-8")):
        target = document if not path else document.parent / path
        if path.startswith("http"):
            continue
        if not target.exists() or (section and section not in anchors(target)):
            missing.append(f"{path}#{section}")
    assert missing == []


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_row_of_the_threat_model_has_a_number_of_its_own_and_a_test() -> None:
    text = (REPOSITORY / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = [int(number) for number in re.findall(r"^\| \*\*(\d+)\.\*\*", text, re.MULTILINE)]
    assert sorted(rows) == list(range(1, len(rows) + 1))
    shown = {number for line in re.findall(r"^- (\d[\dtoand, ]*): ", text, re.MULTILINE) for number in numbers(line)}
    assert set(rows) - shown == set()


def numbers(line: str) -> Iterator[int]:
    """Those of `1, 3 to 5 and 9`."""
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", line):
        yield from range(int(first), int(last or first) + 1)
