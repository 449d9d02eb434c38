"""The end of each command's help: its exit status, and an example."""

from __future__ import annotations

import click

EXIT_STATUS = "Exit status: 0 done; 1 a fault, named on stderr; 2 wrong usage."
_INBOX = "--inbox sales@acme.test"
EXAMPLES = {
    "content move": "content move --dry-run",
    "serve": "serve --config /etc/postroom/postroom.toml",
    "demo": "demo --data /tmp/demo",
    "ready": "ready --wait 30",
    "config check": "config check --config postroom.toml",
    "config show": "config show --json",
    "tenant create": "tenant create Acme",
    "tenant list": "tenant list",
    "tenant set": "tenant set Acme --plan business --governance full",
    "tenant rename": "tenant rename Acme 'Acme Ltd'",
    "tenant delete": "tenant delete Acme --with-everything",
    "user create": "user create eve@acme.test --tenant Acme --role owner",
    "user list": "user list --tenant Acme",
    "user set-password": "user set-password eve@acme.test --password-stdin < file",
    "user set-role": "user set-role eve@acme.test admin",
    "user link": "user link eve@acme.test",
    "user delete": "user delete eve@acme.test",
    "domain add": "domain add acme.test --tenant Acme",
    "domain check": "domain check acme.test --tenant Acme",
    "domain verify": "domain verify acme.test --tenant Acme",
    "domain trust": "domain trust acme.test --tenant Acme",
    "domain revoke": "domain revoke acme.test --tenant Acme",
    "domain delete": "domain delete acme.test --tenant Acme",
    "domain list": "domain list --tenant Acme",
    "domain smarthost": "domain smarthost acme.test smtp.example.net:587 --tenant Acme",
    "inbox create": "inbox create sales@acme.test --tenant Acme",
    "inbox list": "inbox list --deleted",
    "inbox set": "inbox set sales@acme.test --owner eve@acme.test",
    "inbox delete": "inbox delete sales@acme.test",
    "inbox restore": "inbox restore sales@acme.test",
    "list create": "list create team@acme.test --tenant Acme --name Team",
    "list list": "list list --tenant Acme",
    "list show": "list show team@acme.test",
    "list rename": "list rename team@acme.test Crew",
    "list set": "list set team@acme.test --reply-as member",
    "list delete": "list delete team@acme.test",
    "list add": "list add team@acme.test sales@acme.test",
    "list remove": "list remove team@acme.test sales@acme.test",
    "token create": "token create sales@acme.test --label bot --scopes email:read",
    "token list": "token list --inbox sales@acme.test",
    "token pause": "token pause tok_…",
    "token resume": "token resume tok_…",
    "token rotate": "token rotate tok_…",
    "token revoke": "token revoke tok_…",
    "messages list": f"messages list {_INBOX} --unread",
    "messages check": "messages check msg_…",
    "messages show": f"messages show msg_… {_INBOX} --raw",
    "sending list": "sending list --tenant Acme",
    "sending retry": "sending retry msg_…",
    "sending cancel": "sending cancel msg_…",
    "send-check": "send-check --config /etc/postroom/postroom.toml",
    "threads list": f"threads list {_INBOX} --status open",
    "threads show": f"threads show thr_… {_INBOX}",
    "note add": f"note add thr_… 'Please look.' {_INBOX}",
    "note list": f"note list thr_… {_INBOX}",
    "note delete": f"note delete thr_… note_… {_INBOX}",
    "assign": f"assign thr_… bob@acme.test {_INBOX}",
    "contacts list": f"contacts list {_INBOX} --search ada",
    "contacts show": f"contacts show ctc_… {_INBOX}",
    "contacts delete": f"contacts delete ctc_… {_INBOX}",
    "contacts import": f"contacts import - {_INBOX} < cards.vcf",
    "contacts export": f"contacts export {_INBOX} > cards.vcf",
    "who": "who ada@client.example --tenant Acme",
    "agenda": f"agenda {_INBOX}",
    "events": f"events {_INBOX} --follow",
    "resolve": "resolve team@acme.test",
    "explain": "explain msg_…",
    "audit": "audit --deep",
    "verify": "verify",
    "backup": "backup /var/backups/postroom --keep 14",
    "restore": "restore /var/backups/postroom --data /var/lib/postroom",
    "copy": "copy --from /var/lib/postroom --to postgresql://pr@db/pr",
    "audit-log": "audit-log --tenant Acme --action user",
    "retention": "retention --dry-run",
    "reparse": "reparse",
    "send": "send --to team@acme.test --from ada@client.example",
    "completion": "completion bash > ~/.postroom-complete.bash",
}


def with_examples(command: click.Command, name: str) -> click.Command:
    """Return the command with its exit status and example below its help; its sub-commands too."""
    if isinstance(command, click.Group):
        for word, each in command.commands.items():
            with_examples(each, f"{name} {word}")
    elif name in EXAMPLES:
        command.epilog = f"{EXIT_STATUS}\n\n\b\nExample:\n  postroom {EXAMPLES[name]}"
    return command
