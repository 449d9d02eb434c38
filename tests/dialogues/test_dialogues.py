"""Every `*.smtp` file beside this one is a test; its name is the file's."""

from pathlib import Path

import pytest

from tests.support.dialogue import Dialogue, read_dialogue
from tests.support.fixtures import MakeServer, Servers
from tests.support.player import Player

DIALOGUES = [read_dialogue(path) for path in sorted(Path(__file__).parent.glob("*.smtp"))]


def case(dialogue: Dialogue) -> object:
    """Keep dialogues with the same settings in one process, where they share a server."""
    group = " ".join(f"{key}={value}" for key, value in sorted(dialogue.settings.items()))
    marks = [pytest.mark.xdist_group(group)] if group and not dialogue.own else []
    return pytest.param(dialogue, id=dialogue.name, marks=marks)


@pytest.mark.parametrize("dialogue", [case(dialogue) for dialogue in DIALOGUES])
def test_dialogue(dialogue: Dialogue, servers: Servers, own_server: MakeServer) -> None:
    settings = dialogue.settings
    server = own_server(settings) if dialogue.own else servers.shared(settings)
    with Player(dialogue, server) as player:
        player.play()
