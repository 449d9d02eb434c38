"""Routes of uploads, drafts and approvals: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    CHANGE_MAIL,
    READ_APPROVALS,
    RESOLVE_APPROVAL,
    SHOW_APPROVAL,
    UPLOAD_FILES,
)
from admin_api.call.router import Route, Shown
from admin_api.drafts import approvals, drafts, uploads
from admin_api.http.body import ANY_TYPE
from admin_api.teamwork import threads

_DRAFTS = "/v1/messages/threads/{thread_id}/drafts/"
_DRAFT = "/v1/drafts/{draft_id}/"
_APPROVAL = "/v1/approvals/{approval_id}/"

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/uploads/",
        uploads.create_upload,
        UPLOAD_FILES,
        parameters=uploads.FileIn,
        waits=True,
        takes_file=ANY_TYPE,
        most_octets=uploads.MOST_OCTETS,
        keeps_file=True,
        admit=uploads.admit_upload,
    ),
    Route("GET", _DRAFTS, drafts.list_drafts, CHANGE_MAIL, locate=threads.locate),
    Route(
        "POST",
        _DRAFTS,
        drafts.create_draft,
        CHANGE_MAIL,
        payload=drafts.DraftIn,
        locate=threads.locate,
        shown=Shown("draft_id", "draft_id", drafts.show_draft, drafts.version),
        tag_of_new=drafts.tag_of_new,
    ),
    Route(
        "GET",
        _DRAFT,
        drafts.show_draft,
        CHANGE_MAIL,
        locate=drafts.locate,
        version=drafts.version,
        changed=drafts.changed,
    ),
    Route(
        "PATCH",
        _DRAFT,
        drafts.change_draft,
        CHANGE_MAIL,
        payload=drafts.DraftChange,
        locate=drafts.locate,
        needs_condition=True,
    ),
    Route("DELETE", _DRAFT, drafts.delete_draft, CHANGE_MAIL, locate=drafts.locate),
    Route(
        "GET",
        "/v1/approvals/",
        approvals.list_approvals,
        READ_APPROVALS,
        parameters=approvals.Listing,
    ),
    Route(
        "GET",
        _APPROVAL,
        approvals.show_approval,
        SHOW_APPROVAL,
        locate=approvals.locate,
        version=approvals.version,
    ),
    Route(
        "POST",
        _APPROVAL + "approve/",
        approvals.approve_letter,
        RESOLVE_APPROVAL,
        payload=approvals.ApproveIn,
        locate=approvals.locate,
    ),
    Route(
        "POST",
        _APPROVAL + "reject/",
        approvals.reject_letter,
        RESOLVE_APPROVAL,
        payload=approvals.RejectIn,
        locate=approvals.locate,
    ),
)
