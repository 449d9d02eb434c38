"""The one route table: method, path, handler, who may call it, and what it takes.

Nothing else declares a route. `tests/admin_api/test_routes.py` has a row for each.
"""

from __future__ import annotations

from admin_api.access.policy import (
    ADMIN,
    CHANGE_ALERTS,
    CHANGE_CONTACTS,
    CHANGE_INBOX,
    CHANGE_LISTS,
    CHANGE_MAIL,
    CHANGE_NOTES,
    CHANGE_SHARES,
    CHANGE_TASKS,
    CHANGE_TEMPLATES,
    COMPLETE_TASKS,
    PUBLIC,
    READ_AGENDA,
    READ_ALERTS,
    READ_CONTACTS,
    READ_CONTEXT,
    READ_EVENTS,
    READ_LISTS,
    READ_MAIL,
    READ_NOTES,
    READ_SHARES,
    READ_TASKS,
    READ_TEMPLATES,
    RENDER_TEMPLATES,
    SESSION,
    SIGNED_IN,
)
from admin_api.accounts import audit_log, sign_in, tokens, users
from admin_api.alerts import alerts, event_permissions, payloads
from admin_api.alerts import deliveries as alert_deliveries
from admin_api.call.paging import Page
from admin_api.call.router import Route
from admin_api.contacts import activity, contacts, relationships, shares, vcards
from admin_api.directory import delivery_reports, distribution_lists, domains, inboxes
from admin_api.events import events, resume
from admin_api.mailbox import attachments, filters, messages, wait
from admin_api.operations import docs_page, health, metrics
from admin_api.teamwork import assignment, handoff, notes, tasks, templates, threads

_USERS = "/v1/users/"
_USER = _USERS + "{user_id}/"
_DOMAINS = "/v1/domains/"
_DOMAIN = _DOMAINS + "{name}/"
_INBOXES = "/v1/inboxes/"
_INBOX = _INBOXES + "{inbox_id}/"
_TOKEN = "/v1/tokens/{token_id}/"
_LISTS = "/v1/distribution-lists/"
_LIST = _LISTS + "{list_id}/"
_MEMBERS = _LIST + "members/"
_MESSAGE = "/v1/messages/{message_id}/"
_THREADS = "/v1/messages/threads/"
_THREAD = _THREADS + "{thread_id}/"
_NOTES = _THREAD + "notes/"
_ASSIGN = _THREAD + "assign/"
_TASK = "/v1/tasks/{task_id}/"
_TEMPLATES = "/v1/templates/"
_TEMPLATE = _TEMPLATES + "{template_id}/"
_CONTACTS = "/v1/contacts/"
_CONTACT = _CONTACTS + "{contact_id}/"
_SHARES = _CONTACTS + "shares/"
_SHARE = _SHARES + "{share_id}/"
_RELATIONSHIPS = "/v1/relationships/"
_EVENTS = "/v1/events/"
_ALERTS = "/v1/alerts/"
_ALERT = _ALERTS + "{alert_id}/"
_DELIVERIES = _ALERT + "deliveries/"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", health.healthz, PUBLIC),
    Route("GET", "/readyz", health.readyz, PUBLIC),
    Route("GET", "/metrics", metrics.show_metrics, PUBLIC),
    Route("GET", "/docs", docs_page.show_docs, PUBLIC),
    Route("GET", "/v1/openapi.json", docs_page.show_openapi, PUBLIC),
    Route("POST", "/auth/login/", sign_in.login, PUBLIC, payload=sign_in.LoginIn),
    Route("POST", "/auth/logout/", sign_in.logout, SESSION),
    Route(
        "POST",
        "/auth/change-password/",
        sign_in.change_password,
        SESSION,
        payload=sign_in.PasswordChange,
    ),
    Route("GET", "/v1/me/", sign_in.me, SIGNED_IN),
    Route("GET", "/v1/audit-log/", audit_log.list_entries, ADMIN, parameters=audit_log.Listing),
    Route("GET", _USERS, users.list_users, ADMIN, parameters=Page),
    Route(
        "POST",
        _USERS,
        users.create_user,
        ADMIN,
        payload=users.UserIn,
        permit=users.permit_role,
        waits=True,
    ),
    Route("GET", _USER, users.show_user, ADMIN, locate=users.locate),
    Route(
        "PATCH",
        _USER,
        users.change_user,
        ADMIN,
        payload=users.UserChange,
        permit=users.permit_role,
        locate=users.locate_to_change,
    ),
    Route("DELETE", _USER, users.delete_user, ADMIN, locate=users.locate_to_change),
    Route("GET", _DOMAINS, domains.list_domains, ADMIN, parameters=Page),
    Route("POST", _DOMAINS, domains.add_domain, ADMIN, payload=domains.DomainIn),
    Route("GET", _DOMAIN, domains.show_domain, ADMIN, locate=domains.locate),
    Route("DELETE", _DOMAIN, domains.delete_domain, ADMIN, locate=domains.locate),
    Route("GET", _DOMAIN + "check/", domains.check_domain, ADMIN, locate=domains.locate),
    Route(
        "POST", _DOMAIN + "verify/", domains.verify_domain, ADMIN, locate=domains.locate, waits=True
    ),
    Route("GET", _INBOXES, inboxes.list_inboxes, SIGNED_IN, parameters=Page),
    Route("POST", _INBOXES, inboxes.create_inbox, ADMIN, payload=inboxes.InboxIn),
    Route("GET", _INBOX, inboxes.show_inbox, SIGNED_IN, locate=inboxes.locate),
    Route(
        "PATCH",
        _INBOX,
        inboxes.change_inbox,
        CHANGE_INBOX,
        payload=inboxes.InboxChange,
        permit=inboxes.permit_change,
        locate=inboxes.locate_to_set,
    ),
    Route("DELETE", _INBOX, inboxes.delete_inbox, ADMIN, locate=inboxes.locate),
    Route(
        "POST", _INBOX + "restore/", inboxes.restore_inbox, ADMIN, locate=inboxes.locate_to_restore
    ),
    Route(
        "POST",
        _INBOX + "webhook-secret/",
        inboxes.renew_secret,
        CHANGE_INBOX,
        locate=inboxes.locate_to_change,
    ),
    Route("GET", "/v1/tokens/", tokens.list_tokens, SESSION, parameters=Page),
    Route("POST", "/v1/tokens/", tokens.create_token, SESSION, payload=tokens.TokenIn),
    Route(
        "PATCH",
        _TOKEN,
        tokens.change_token,
        SESSION,
        payload=tokens.TokenChange,
        locate=tokens.locate,
    ),
    Route("DELETE", _TOKEN, tokens.delete_token, SESSION, locate=tokens.locate),
    Route("GET", _LISTS, distribution_lists.list_lists, READ_LISTS, parameters=Page),
    Route(
        "POST",
        _LISTS,
        distribution_lists.create_list,
        CHANGE_LISTS,
        payload=distribution_lists.ListIn,
    ),
    Route("GET", _LIST, distribution_lists.show_list, READ_LISTS, locate=distribution_lists.locate),
    Route(
        "PATCH",
        _LIST,
        distribution_lists.rename_list,
        CHANGE_LISTS,
        payload=distribution_lists.ListChange,
        locate=distribution_lists.locate,
    ),
    Route(
        "DELETE",
        _LIST,
        distribution_lists.delete_list,
        CHANGE_LISTS,
        locate=distribution_lists.locate,
    ),
    Route(
        "GET",
        _MEMBERS,
        distribution_lists.list_members,
        READ_LISTS,
        parameters=Page,
        locate=distribution_lists.locate,
    ),
    Route(
        "POST",
        _MEMBERS,
        distribution_lists.add_member,
        CHANGE_LISTS,
        payload=distribution_lists.MemberIn,
        locate=distribution_lists.locate,
    ),
    Route(
        "DELETE",
        _MEMBERS + "{inbox_id}/",
        distribution_lists.remove_member,
        CHANGE_LISTS,
        locate=distribution_lists.locate,
    ),
    Route(
        "GET",
        "/v1/messages/",
        messages.list_messages,
        READ_MAIL,
        parameters=filters.Listing,
    ),
    Route(
        "PATCH",
        "/v1/messages/",
        messages.change_messages,
        CHANGE_MAIL,
        payload=messages.CopiesChange,
    ),
    Route(
        "GET",
        _MESSAGE,
        messages.show_message,
        READ_MAIL,
        locate=messages.locate,
        version=messages.locate,
    ),
    Route(
        "PATCH",
        _MESSAGE,
        messages.change_message,
        CHANGE_MAIL,
        payload=messages.CopyChange,
        locate=messages.locate,
    ),
    Route("DELETE", _MESSAGE, messages.delete_message, CHANGE_MAIL, locate=messages.locate),
    Route("GET", _MESSAGE + "raw/", messages.show_raw, READ_MAIL, locate=messages.locate),
    Route(
        "GET",
        _MESSAGE + "deliveries/",
        delivery_reports.show_deliveries,
        READ_MAIL,
        locate=delivery_reports.locate,
    ),
    Route(
        "GET", "/v1/resolve/", delivery_reports.show_route, ADMIN, parameters=delivery_reports.Asked
    ),
    Route(
        "GET",
        _MESSAGE + "attachments/{attachment_id}/",
        attachments.show_attachment,
        READ_MAIL,
        locate=attachments.locate,
        version=attachments.locate,
    ),
    Route(
        "GET",
        "/v1/messages/wait/",
        wait.wait_for_message,
        READ_MAIL,
        parameters=wait.Expected,
    ),
    Route("GET", _THREADS, threads.show_threads, READ_MAIL, parameters=threads.Listing),
    Route("GET", _THREAD, threads.show_thread, READ_MAIL, locate=threads.locate),
    Route(
        "PATCH",
        _THREAD,
        threads.change_thread,
        CHANGE_MAIL,
        payload=threads.ThreadChange,
        locate=threads.locate,
    ),
    Route("GET", _THREAD + "history/", threads.show_history, READ_MAIL, locate=threads.locate),
    Route("GET", _NOTES, notes.list_notes, READ_NOTES, parameters=Page, locate=notes.locate_notes),
    Route(
        "POST",
        _NOTES,
        notes.create_note,
        CHANGE_NOTES,
        payload=notes.NoteIn,
        locate=threads.locate,
    ),
    Route(
        "DELETE",
        _NOTES + "{note_id}/",
        notes.delete_note,
        CHANGE_NOTES,
        locate=notes.locate_note,
    ),
    Route(
        "POST",
        _ASSIGN,
        assignment.assign_thread,
        CHANGE_NOTES,
        payload=assignment.AssignmentIn,
        locate=threads.locate,
    ),
    Route("DELETE", _ASSIGN, assignment.unassign_thread, CHANGE_NOTES, locate=threads.locate),
    Route(
        "POST",
        _THREAD + "handoff/",
        handoff.hand_off_thread,
        CHANGE_NOTES,
        payload=handoff.HandoffIn,
        permit=handoff.permit_sharing,
        locate=threads.locate,
    ),
    Route("GET", "/v1/agenda/", tasks.show_agenda, READ_AGENDA, parameters=tasks.Listing),
    Route("POST", "/v1/tasks/", tasks.create_task, CHANGE_TASKS, payload=tasks.TaskIn),
    Route("GET", _TASK, tasks.show_task, READ_TASKS, locate=tasks.locate),
    Route(
        "PATCH",
        _TASK,
        tasks.change_task,
        COMPLETE_TASKS,
        payload=tasks.TaskChange,
        locate=tasks.locate,
    ),
    Route("DELETE", _TASK, tasks.delete_task, CHANGE_TASKS, locate=tasks.locate),
    Route("GET", _TEMPLATES, templates.list_templates, READ_TEMPLATES, parameters=Page),
    Route(
        "POST",
        _TEMPLATES,
        templates.create_template,
        CHANGE_TEMPLATES,
        payload=templates.TemplateIn,
    ),
    Route("GET", _TEMPLATE, templates.show_template, READ_TEMPLATES, locate=templates.locate),
    Route(
        "POST",
        _TEMPLATE,
        templates.render_template,
        RENDER_TEMPLATES,
        payload=templates.Rendering,
        locate=templates.locate,
    ),
    Route(
        "PATCH",
        _TEMPLATE,
        templates.change_template,
        CHANGE_TEMPLATES,
        payload=templates.TemplateChange,
        locate=templates.locate,
    ),
    Route(
        "DELETE",
        _TEMPLATE,
        templates.delete_template,
        CHANGE_TEMPLATES,
        locate=templates.locate,
    ),
    Route("GET", _CONTACTS, contacts.list_contacts, READ_CONTACTS, parameters=contacts.Listing),
    Route(
        "POST",
        _CONTACTS,
        contacts.create_contact,
        CHANGE_CONTACTS,
        payload=contacts.ContactIn,
    ),
    Route("GET", _CONTACT, contacts.show_contact, READ_CONTACTS, locate=contacts.locate),
    Route(
        "PATCH",
        _CONTACT,
        contacts.change_contact,
        CHANGE_CONTACTS,
        payload=contacts.ContactChange,
        locate=contacts.locate,
    ),
    Route("DELETE", _CONTACT, contacts.delete_contact, CHANGE_CONTACTS, locate=contacts.locate),
    Route(
        "POST",
        _CONTACT + "merge/",
        contacts.merge_contacts,
        CHANGE_CONTACTS,
        payload=contacts.MergeIn,
        locate=contacts.locate,
    ),
    Route(
        "POST",
        _CONTACT + "unmerge/",
        contacts.unmerge_contact,
        CHANGE_CONTACTS,
        locate=contacts.locate,
    ),
    Route(
        "POST",
        _CONTACT + "handoff/",
        contacts.hand_contact_over,
        CHANGE_SHARES,
        payload=contacts.ContactHandoffIn,
        locate=contacts.locate,
    ),
    Route(
        "GET",
        _CONTACT + "vcard/",
        vcards.show_vcard,
        READ_CONTACTS,
        parameters=vcards.Export,
        locate=contacts.locate,
    ),
    Route(
        "GET",
        _CONTACTS + "export/",
        vcards.export_contacts,
        READ_CONTACTS,
        parameters=vcards.Export,
    ),
    Route(
        "POST",
        _CONTACTS + "import/",
        vcards.import_contacts,
        CHANGE_CONTACTS,
        waits=True,
        takes_file=True,
    ),
    Route("GET", _SHARES, shares.list_shares, READ_SHARES, parameters=shares.Listing),
    Route("POST", _SHARES, shares.create_share, CHANGE_SHARES, payload=shares.ShareIn),
    Route("DELETE", _SHARE, shares.withdraw_share, CHANGE_SHARES, locate=shares.locate_outgoing),
    Route(
        "POST",
        _SHARE + "accept/",
        shares.accept_share,
        CHANGE_SHARES,
        locate=shares.locate_incoming,
    ),
    Route(
        "POST",
        _SHARE + "decline/",
        shares.decline_share,
        CHANGE_SHARES,
        locate=shares.locate_incoming,
    ),
    Route(
        "GET", "/v1/activity/", activity.list_activity, READ_CONTEXT, parameters=activity.Listing
    ),
    Route(
        "GET",
        _RELATIONSHIPS,
        relationships.list_relationships,
        READ_CONTEXT,
        parameters=relationships.Listing,
    ),
    Route(
        "GET",
        _RELATIONSHIPS + "graph/",
        relationships.show_graph,
        READ_CONTEXT,
        parameters=relationships.Picture,
    ),
    Route(
        "GET",
        _RELATIONSHIPS + "{address}/",
        relationships.show_relationship,
        READ_CONTEXT,
        locate=relationships.locate,
    ),
    Route("GET", _ALERTS, alerts.list_alerts, READ_ALERTS, parameters=alerts.Listing),
    Route(
        "POST",
        _ALERTS,
        alerts.create_alert,
        CHANGE_ALERTS,
        payload=payloads.AlertIn,
        permit=event_permissions.permit_types,
    ),
    Route("GET", _ALERT, alerts.show_alert, READ_ALERTS, locate=alerts.locate),
    Route(
        "PATCH",
        _ALERT,
        alerts.change_alert,
        CHANGE_ALERTS,
        payload=payloads.AlertChange,
        permit=event_permissions.permit_types,
        locate=alerts.locate_to_change,
    ),
    Route("DELETE", _ALERT, alerts.delete_alert, CHANGE_ALERTS, locate=alerts.locate),
    Route(
        "POST", _ALERT + "webhook-secret/", alerts.renew_secret, CHANGE_ALERTS, locate=alerts.locate
    ),
    Route(
        "GET",
        _DELIVERIES,
        alert_deliveries.list_deliveries,
        READ_ALERTS,
        parameters=alert_deliveries.Listing,
        locate=alerts.locate,
    ),
    Route(
        "POST",
        _DELIVERIES + "{delivery_id}/redeliver/",
        alert_deliveries.redeliver,
        CHANGE_ALERTS,
        locate=alert_deliveries.locate_delivery,
    ),
    Route(
        "POST",
        _ALERT + "test/",
        alert_deliveries.test_alert,
        CHANGE_ALERTS,
        locate=alerts.locate,
        waits=True,
    ),
    Route("GET", _EVENTS + "types/", events.list_event_types, PUBLIC),
    Route(
        "GET",
        _EVENTS,
        events.list_events,
        READ_EVENTS,
        parameters=events.Listing,
        permit=events.permit_types,
        locate=resume.locate_listing,
    ),
    Route(
        "GET",
        _EVENTS + "stream/",
        events.stream_events,
        READ_EVENTS,
        parameters=events.Live,
        permit=events.permit_types,
        locate=resume.locate_stream,
    ),
)
