"""Each file in bad_settings says in its first lines what it must be answered with."""

import re
from pathlib import Path

import pytest

from config.loading import SettingsError, load

FILES = sorted((Path(__file__).parent.parent / "bad_settings").glob("*.toml"))


def expected(file: Path) -> list[str]:
    return re.findall(r"^# expect: (.*)$", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bad_file_is_refused_with_every_fault_it_has(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(file, {}, {})

    assert sorted(str(caught.value).splitlines()) == sorted(
        f"file {file}: {message}" for message in expected(file)
    )


def test_three_faults_are_three_lines() -> None:
    file = next(file for file in FILES if file.stem == "three_faults")

    with pytest.raises(SettingsError) as caught:
        load(file, {}, {})

    assert len(caught.value.faults) == 3
    assert len(str(caught.value).splitlines()) == 3
