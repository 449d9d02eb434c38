"""Every `*.smtp` file beside this one is a test; its name is the file's.

What is said over SMTP is said once more over TLS, and over LMTP where the file says so: on the
same server, by a client of another name, so that no message is the retry of another.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dialogue import Dialogue, read_dialogue
from tests.support.fixtures import MakeServer, Servers
from tests.support.player import Player

DIALOGUES = [read_dialogue(path) for path in sorted(Path(__file__).parent.glob("*.smtp"))]


def cases(dialogue: Dialogue) -> Iterator[object]:
    """Keep dialogues with the same settings in one process, where they share a server."""
    group = " ".join(f"{key}={value}" for key, value in sorted(dialogue.settings.items()))
    marks = [pytest.mark.xdist_group(group)] if group and not dialogue.own else []
    yield pytest.param(dialogue, dialogue.kind, id=dialogue.name, marks=marks)
    for kind in dialogue.also:
        yield pytest.param(dialogue, kind, id=f"{dialogue.name}-{kind}", marks=marks)


def leaves_something(dialogue: Dialogue) -> bool:
    """Tell whether a server on which this was played would answer otherwise the next time."""
    return dialogue.uses("LIST", "RUN", "API") or not dialogue.settings.keys().isdisjoint(
        {"inbox_quota", "list_rate"}
    )


@pytest.mark.parametrize(
    ("dialogue", "kind"), [case for dialogue in DIALOGUES for case in cases(dialogue)]
)
def test_dialogue(dialogue: Dialogue, kind: str, servers: Servers, own_server: MakeServer) -> None:
    settings = dialogue.settings
    apart = kind if kind != dialogue.kind and leaves_something(dialogue) else ""
    if dialogue.own:
        server = own_server(settings, dialogue.constants)
    else:
        server = servers.shared(settings, apart=apart)
    with Player(dialogue, server, kind) as player:
        player.play()
