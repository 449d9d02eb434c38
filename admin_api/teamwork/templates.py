"""Templates: changed by admins; listed, read and rendered by everybody of the tenant."""

from __future__ import annotations

from typing import Annotated

import orjson
from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.call.audit_trail import differing, note
from admin_api.call.call import Call, acting_view
from admin_api.call.paging import Page, page_answer, position_of
from admin_api.call.references import VisibleThread, visible_thread
from admin_api.http.payload import Payload
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.teamwork.records import template_record
from admin_api.teamwork.shapes import TemplateRecord
from storage.database import Tx
from storage.teamwork import template_values, templates
from storage.teamwork.templates import NAME, Rendered, Template, render


def _placeholder(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("must be a letter or _, then letters, digits and _, 64 at most")
    return name


def text_or_number(value: object) -> object:
    """A check of a placeholder's value."""
    # For Python a bool is an int.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a string or a number")
    return value


TemplateName = Annotated[str, Field(max_length=200)]
Subject = Annotated[str, Field(max_length=2_000)]
Body = Annotated[str, Field(max_length=200_000)]
Variables = Annotated[list[Annotated[str, AfterValidator(_placeholder)]], Field(max_length=1_000)]


class TemplateIn(Payload):
    """A template to make; without `variables` those found in subject and body are declared."""

    name: TemplateName = ""
    subject: Subject = ""
    body: Body = ""
    variables: Variables = Field(default_factory=list)


class TemplateChange(TemplateIn):
    """The changeable fields of a template; a field left out stays as it is."""

    fixed = fields_of(TemplateRecord)


class Rendering(Payload):
    """The values for a template; with `thread_id` a thread fills in those that are missing here."""

    context: dict[str, Annotated[object, AfterValidator(text_or_number)]] = Field(
        default_factory=dict
    )
    thread_id: VisibleThread | None = None


async def list_templates(call: Call) -> Response:
    """GET /v1/templates/: oldest first."""
    page = call.parameters(Page)
    after = position_of(page.cursor)

    async def work(tx: Tx) -> list[Template]:
        return await templates.list_templates(
            tx, tenant_id=call.tenant_id, after=after, limit=page.length + 1
        )

    found = await call.database.read(work)
    return page_answer(call, page, found, template_record, lambda one: one.template_id)


async def create_template(call: Call) -> Response:
    """POST /v1/templates/."""
    payload = call.payload(TemplateIn)

    async def work(tx: Tx) -> Template:
        made = await templates.create_template(
            tx,
            tenant_id=call.tenant_id,
            name=payload.name,
            subject=payload.subject,
            body=payload.body,
            declared=_declared(payload),
            created_by=call.person.user.user_id,
            now=call.now,
        )
        await note(tx, call, "template.created", made.template_id, name=made.name)
        return made

    return answer(template_record(await call.database.write(work)), 201)


async def show_template(call: Call) -> Response:
    """GET /v1/templates/{template_id}/."""
    return answer(template_record(await call.database.read(lambda tx: locate(tx, call))))


async def change_template(call: Call) -> Response:
    """PATCH /v1/templates/{template_id}/."""
    payload = call.payload(TemplateChange)
    given = payload.model_fields_set

    async def work(tx: Tx) -> Template:
        known = await locate(tx, call)
        changed = await templates.update_template(
            tx,
            tenant_id=call.tenant_id,
            template_id=known.template_id,
            name=payload.name if "name" in given else None,
            subject=payload.subject if "subject" in given else None,
            body=payload.body if "body" in given else None,
            declared=_declared(payload),
            now=call.now,
        )
        fields = differing(given, template_record(known), template_record(changed))
        if fields:
            key, name = changed.template_id, changed.name
            await note(tx, call, "template.changed", key, name=name, fields=fields)
        return changed

    return answer(template_record(await call.database.write(work)))


def _declared(payload: TemplateIn) -> list[str] | None:
    return payload.variables if "variables" in payload.model_fields_set else None


async def delete_template(call: Call) -> Response:
    """DELETE /v1/templates/{template_id}/."""

    async def work(tx: Tx) -> None:
        found = await locate(tx, call)
        key = {"tenant_id": call.tenant_id, "template_id": found.template_id}
        await templates.delete_template(tx, **key)
        await note(tx, call, "template.deleted", found.template_id, name=found.name)

    await call.database.write(work)
    return no_content()


async def render_template(call: Call) -> Response:
    """POST /v1/templates/{template_id}/: subject and body, filled in."""
    payload = call.payload(Rendering)
    said = {key: text_of(value) for key, value in payload.context.items()}

    async def work(tx: Tx) -> Rendered:
        template = await locate(tx, call)
        known = {}
        if payload.thread_id is not None:
            known = await template_values.from_thread(
                tx,
                view=await acting_view(tx, call),
                thread_id=await visible_thread(tx, call, "thread_id", payload.thread_id),
            )
        # What the caller says wins over what the thread has.
        return render(template, {**known, **said})

    rendered = await call.database.read(work)
    return answer({"subject": rendered.subject, "body": rendered.body})


def text_of(value: object) -> str:
    """Return a string as it is, a number as JSON writes it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


async def locate(tx: Tx, call: Call) -> Template:
    """Return the template in the path. Raises NotFound."""
    template_id = call.path_id("tpl", "template_id")
    return await templates.find_template(tx, tenant_id=call.tenant_id, template_id=template_id)
