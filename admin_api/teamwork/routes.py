"""Routes of threads, notes, assignment, tasks and templates: who may call them, and with what."""

from __future__ import annotations

from admin_api.access.policy import (
    CHANGE_MAIL,
    CHANGE_NOTES,
    CHANGE_TASKS,
    CHANGE_TEMPLATES,
    COMPLETE_TASKS,
    READ_AGENDA,
    READ_MAIL,
    READ_NOTES,
    READ_TASKS,
    READ_TEMPLATES,
    RENDER_TEMPLATES,
)
from admin_api.call.paging import Page
from admin_api.call.router import Route, Shown
from admin_api.teamwork import assignment, handoff, notes, tasks, templates, threads

_THREADS = "/v1/messages/threads/"
_THREAD = _THREADS + "{thread_id}/"
_NOTES = _THREAD + "notes/"
_ASSIGN = _THREAD + "assign/"
_TASK = "/v1/tasks/{task_id}/"
_TEMPLATES = "/v1/templates/"
_TEMPLATE = _TEMPLATES + "{template_id}/"

ROUTES: tuple[Route, ...] = (
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
        shown=Shown("note_id", "note_id", notes.show_note),
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
    Route(
        "POST",
        "/v1/tasks/",
        tasks.create_task,
        CHANGE_TASKS,
        payload=tasks.TaskIn,
        shown=Shown("task_id", "task_id", tasks.show_task),
    ),
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
        shown=Shown("template_id", "template_id", templates.show_template),
    ),
    Route("GET", _TEMPLATE, templates.show_template, READ_TEMPLATES, locate=templates.locate),
    Route(
        "POST",
        _TEMPLATE,
        templates.render_template,
        RENDER_TEMPLATES,
        payload=templates.Rendering,
        locate=templates.locate,
        changes=False,
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
)
