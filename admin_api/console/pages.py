"""The page table: path, method and view of every page, and nothing else.

A page has no access rule of its own: it is that of the calls it is made of. `public` pages are
those in front of the sign-in.
"""

from __future__ import annotations

from admin_api.console.live import live_stream
from admin_api.console.views import home_view, settings_view, sign_in_view
from admin_api.console.visit import Page

_SETTINGS = "/console/settings/"

PAGES: tuple[Page, ...] = (
    Page("GET", "/console/", home_view.show_home),
    Page("GET", "/console/sign-in/", sign_in_view.show_sign_in, public=True),
    Page("POST", "/console/sign-in/", sign_in_view.sign_in, public=True),
    Page("GET", "/console/enter/", sign_in_view.show_link, public=True),
    Page("POST", "/console/enter/", sign_in_view.use_link, public=True),
    Page("POST", "/console/sign-out/", sign_in_view.sign_out),
    Page("GET", "/console/live/", live_stream.show_stream),
    Page("GET", _SETTINGS, settings_view.show_settings),
    Page("POST", _SETTINGS + "name/", settings_view.change_name),
    Page("POST", _SETTINGS + "password/", settings_view.change_password),
    Page("POST", _SETTINGS + "look/", settings_view.change_look),
    Page("POST", _SETTINGS + "sessions/end/", settings_view.end_session),
    Page("POST", _SETTINGS + "sessions/end-others/", settings_view.end_other_sessions),
)
