"""The page table: path, method and view of every page, and nothing else.

A page has no access rule of its own: it is that of the calls it is made of. `public` pages are
those in front of the sign-in.
"""

from __future__ import annotations

from admin_api.console.letters import approvals_view, compose_view, letter_acts
from admin_api.console.live import live_stream
from admin_api.console.views import (
    first_run_view,
    home_view,
    keys_view,
    list_acts,
    list_view,
    message_view,
    settings_view,
    sign_in_view,
    suggest_view,
    thread_acts,
    thread_view,
)
from admin_api.console.visit import Page

_SETTINGS = "/console/settings/"
_INBOX = "/console/{inbox}/"
_APPROVALS = _INBOX + "approvals/"
_THREAD = "/console/{inbox}/threads/{thread_id}/"
_MESSAGE = "/console/{inbox}/messages/{message_id}/"
FRAME = _MESSAGE + "html/"

PAGES: tuple[Page, ...] = (
    Page("GET", "/console/", home_view.show_home),
    Page("GET", "/console/sign-in/", sign_in_view.show_sign_in, public=True),
    Page("POST", "/console/sign-in/", sign_in_view.sign_in, public=True),
    Page("GET", "/console/enter/", sign_in_view.show_link, public=True),
    Page("POST", "/console/enter/", sign_in_view.use_link, public=True),
    Page("POST", "/console/sign-out/", sign_in_view.sign_out),
    Page("GET", "/console/live/", live_stream.show_stream, part=True),
    Page("GET", "/console/keys/", keys_view.show_keys),
    Page("GET", _SETTINGS, settings_view.show_settings),
    Page("POST", _SETTINGS + "name/", settings_view.change_name),
    Page("POST", _SETTINGS + "password/", settings_view.change_password),
    Page("POST", _SETTINGS + "look/", settings_view.change_look),
    Page("POST", _SETTINGS + "zones/", settings_view.change_zones),
    Page("POST", _SETTINGS + "sessions/end/", settings_view.end_session),
    Page("POST", _SETTINGS + "sessions/end-others/", settings_view.end_other_sessions),
    Page("GET", _INBOX, list_view.show_list),
    Page("POST", _INBOX + "acts/", list_acts.act),
    Page("POST", _INBOX + "test-mail/", first_run_view.send_test_mail),
    Page("GET", _INBOX + "suggest/", suggest_view.show_offers, part=True),
    Page("GET", _INBOX + "compose/", compose_view.compose_page),
    Page("POST", _INBOX + "compose/", letter_acts.send),
    Page("POST", _INBOX + "files/", letter_acts.take_file, file=True),
    Page("POST", _THREAD + "letter/", letter_acts.send),
    Page("POST", _THREAD + "unsend/", letter_acts.take_back),
    Page("POST", _THREAD + "draft/", letter_acts.save_draft),
    Page("GET", _APPROVALS, approvals_view.show_approvals),
    Page("POST", _APPROVALS + "{approval_id}/approve/", approvals_view.approve),
    Page("POST", _APPROVALS + "{approval_id}/reject/", approvals_view.reject),
    Page("GET", _THREAD, thread_view.show_thread),
    Page("GET", _THREAD + "who/", thread_view.show_who),
    Page("POST", _THREAD + "note/", thread_acts.add_note),
    Page("POST", _THREAD + "delete-note/", thread_acts.delete_note),
    Page("POST", _THREAD + "assign/", thread_acts.assign),
    Page("POST", _THREAD + "handoff/", thread_acts.hand_off),
    Page("POST", _THREAD + "status/", thread_acts.set_status),
    Page("POST", _THREAD + "marks/", thread_acts.mark),
    Page("POST", _THREAD + "acts/", thread_acts.undo),
    Page("POST", _THREAD + "tasks/", thread_acts.complete_task),
    Page("POST", _THREAD + "card/", thread_acts.add_card),
    Page("POST", _THREAD + "request/", thread_acts.request_card),
    Page("POST", _THREAD + "shares/", thread_acts.resolve_share),
    Page("GET", _MESSAGE + "body/", message_view.show_body),
    Page("GET", FRAME, message_view.show_frame, part=True),
    Page("GET", _MESSAGE + "raw/", message_view.show_raw, part=True),
    Page("GET", _MESSAGE + "why/", message_view.show_why),
    Page("GET", _MESSAGE + "attachments/{attachment_id}/", message_view.show_file, part=True),
)
