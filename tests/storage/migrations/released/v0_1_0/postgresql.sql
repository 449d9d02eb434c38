CREATE TABLE public.activity (
    activity_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    canonical text COLLATE pg_catalog."C",
    contact_id bytea,
    type text NOT NULL COLLATE pg_catalog."C",
    share_id bytea,
    other_inbox_id bytea,
    source_inbox_id bytea,
    created_at bigint NOT NULL
);
CREATE TABLE public.addresses (
    canonical text NOT NULL COLLATE pg_catalog."C",
    tenant_id bytea NOT NULL,
    domain_id bytea NOT NULL,
    inbox_id bytea,
    list_id bytea,
    CONSTRAINT addresses_check CHECK (((inbox_id IS NULL) <> (list_id IS NULL)))
);
CREATE TABLE public.alerts (
    alert_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    origin text NOT NULL COLLATE pg_catalog."C",
    events text NOT NULL COLLATE pg_catalog."C",
    delivery text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    filter text NOT NULL COLLATE pg_catalog."C",
    enabled integer NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    last_error text COLLATE pg_catalog."C",
    secret bytea,
    former_secret bytea,
    former_secret_until bigint,
    created_by text COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    since bytea NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    lane integer DEFAULT 1 NOT NULL,
    due_at bigint,
    lease_owner bytea,
    lease_until bigint
);
CREATE TABLE public.attachments (
    message_id bytea NOT NULL,
    "position" integer NOT NULL,
    attachment_id bytea NOT NULL,
    filename text COLLATE pg_catalog."C",
    content_type text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    is_inline integer NOT NULL,
    content_id text COLLATE pg_catalog."C",
    part_start bigint NOT NULL,
    part_end bigint NOT NULL,
    encoding text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.audit_log (
    tenant_id bytea NOT NULL,
    entry_id bytea NOT NULL,
    action text NOT NULL COLLATE pg_catalog."C",
    actor_type text NOT NULL COLLATE pg_catalog."C",
    actor_id text COLLATE pg_catalog."C",
    actor_name text NOT NULL COLLATE pg_catalog."C",
    credential_id text COLLATE pg_catalog."C",
    client text COLLATE pg_catalog."C",
    object_type text NOT NULL COLLATE pg_catalog."C",
    object_id text NOT NULL COLLATE pg_catalog."C",
    object_name text NOT NULL COLLATE pg_catalog."C",
    inbox_id bytea,
    details text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
CREATE TABLE public.bodies (
    message_id bytea NOT NULL,
    text bytea,
    html bytea
);
CREATE TABLE public.contact_addresses (
    inbox_id bytea NOT NULL,
    canonical text NOT NULL COLLATE pg_catalog."C",
    contact_id bytea NOT NULL
);
CREATE TABLE public.contact_merges (
    merge_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    contact_id bytea NOT NULL,
    before_card text NOT NULL COLLATE pg_catalog."C",
    before_sources text NOT NULL COLLATE pg_catalog."C",
    other_id bytea NOT NULL,
    other_card text NOT NULL COLLATE pg_catalog."C",
    other_sources text NOT NULL COLLATE pg_catalog."C",
    merged_at bigint NOT NULL
);
CREATE TABLE public.contacts (
    contact_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    sort_key text NOT NULL COLLATE pg_catalog."C",
    search text NOT NULL COLLATE pg_catalog."C",
    uid text NOT NULL COLLATE pg_catalog."C",
    card text NOT NULL COLLATE pg_catalog."C",
    sources text NOT NULL COLLATE pg_catalog."C",
    read_only integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.contents (
    message_id bytea NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    body bytea,
    file text COLLATE pg_catalog."C",
    CONSTRAINT contents_check CHECK (((body IS NULL) <> (file IS NULL)))
);
CREATE TABLE public.copies (
    inbox_id bytea NOT NULL,
    message_id bytea NOT NULL,
    folder integer NOT NULL,
    is_read integer NOT NULL,
    is_flagged integer NOT NULL,
    route integer NOT NULL
);
CREATE TABLE public.copy_routes (
    inbox_id bytea NOT NULL,
    message_id bytea NOT NULL,
    "position" integer NOT NULL
);
CREATE TABLE public.deferred_lists (
    list_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    deferred bigint NOT NULL,
    last_at bigint NOT NULL
);
CREATE TABLE public.deleted_copies (
    message_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    "position" integer NOT NULL
);
CREATE TABLE public.deliveries (
    delivery_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    alert_id bytea NOT NULL,
    event_id bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    queued bytea NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    attempted_at bigint,
    last_status integer,
    last_error text COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    finished_at bigint
);
CREATE TABLE public.domains (
    domain_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    verification text NOT NULL COLLATE pg_catalog."C",
    verified_at bigint,
    created_at bigint NOT NULL
);
CREATE TABLE public.events (
    event_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    inbox_id bytea,
    message_id bytea,
    thread_id bytea,
    list_id bytea,
    created_at bigint NOT NULL,
    note_id bytea,
    task_id bytea,
    contact_id bytea,
    share_id bytea,
    by_inbox_id bytea,
    by_message_id bytea
);
CREATE TABLE public.idempotency_keys (
    key bytea NOT NULL,
    tenant_id bytea NOT NULL,
    body bytea NOT NULL,
    claim_id bytea NOT NULL,
    claimed_at bigint NOT NULL,
    status integer,
    answer bytea
);
CREATE TABLE public.inboxes (
    inbox_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    domain_id bytea NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    canonical text NOT NULL COLLATE pg_catalog."C",
    display_name text NOT NULL COLLATE pg_catalog."C",
    owner_user_id bytea,
    default_timezone text NOT NULL COLLATE pg_catalog."C",
    share_relationships integer NOT NULL,
    created_at bigint NOT NULL,
    deleted_at bigint
);
CREATE TABLE public.list_members (
    list_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    member_id bytea NOT NULL,
    added_at bigint NOT NULL
);
CREATE TABLE public.lists (
    list_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    domain_id bytea NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    canonical text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    created_by bytea,
    created_at bigint NOT NULL
);
CREATE TABLE public.message_openings (
    inbox_id bytea NOT NULL,
    message_id bytea NOT NULL,
    thread_id bytea NOT NULL
);
CREATE TABLE public.messages (
    message_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    thread_id bytea NOT NULL,
    received_at bigint NOT NULL,
    size bigint NOT NULL,
    header_message_id text COLLATE pg_catalog."C",
    from_name text NOT NULL COLLATE pg_catalog."C",
    from_email text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    recipients bytea NOT NULL,
    reverse_path text NOT NULL COLLATE pg_catalog."C",
    client_ip text NOT NULL COLLATE pg_catalog."C",
    helo text NOT NULL COLLATE pg_catalog."C",
    protocol text NOT NULL COLLATE pg_catalog."C",
    tls text COLLATE pg_catalog."C",
    received_field bytea NOT NULL,
    automatic integer NOT NULL,
    parse_status text NOT NULL COLLATE pg_catalog."C",
    copies_owed integer NOT NULL,
    copies_gone integer NOT NULL,
    preview text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    has_attachments integer DEFAULT 0 NOT NULL,
    text_parts text DEFAULT '[]'::text NOT NULL COLLATE pg_catalog."C",
    reply_to text DEFAULT '[]'::text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.messages_by_sender (
    tenant_id bytea NOT NULL,
    canonical text NOT NULL COLLATE pg_catalog."C",
    message_id bytea NOT NULL
);
CREATE TABLE public.migrations (
    number integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    applied_at bigint NOT NULL
);
CREATE TABLE public.note_mentions (
    note_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    thread_id bytea NOT NULL,
    "position" integer NOT NULL
);
CREATE TABLE public.note_messages (
    note_id bytea NOT NULL,
    message_id bytea NOT NULL,
    had_copy integer NOT NULL
);
CREATE TABLE public.notes (
    note_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    thread_id bytea NOT NULL,
    author_inbox_id bytea NOT NULL,
    author_user_id bytea,
    body text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.parse_attempts (
    message_id bytea NOT NULL,
    tries integer NOT NULL,
    held_until bigint NOT NULL,
    reason text COLLATE pg_catalog."C"
);
CREATE TABLE public.receipts (
    digest bytea NOT NULL,
    message_id bytea NOT NULL,
    received_at bigint NOT NULL,
    owner bytea NOT NULL
);
CREATE TABLE public.relationships (
    tenant_id bytea NOT NULL,
    canonical text NOT NULL COLLATE pg_catalog."C",
    inbox_id bytea NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    message_count bigint NOT NULL,
    score double precision NOT NULL,
    seed_count bigint DEFAULT 0 NOT NULL,
    seed_inbox_id bytea,
    seeded_at bigint,
    authenticated integer
);
CREATE TABLE public.relationships_worker (
    worker integer NOT NULL,
    message_id bytea NOT NULL
);
CREATE TABLE public.repeated_routes (
    message_id bytea NOT NULL,
    "position" integer NOT NULL,
    recipient text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    list_id bytea,
    rule text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.retention_worker (
    worker integer NOT NULL,
    owner bytea NOT NULL,
    held_until bigint NOT NULL,
    finished_at bigint
);
CREATE TABLE public.routed (
    name text NOT NULL COLLATE pg_catalog."C",
    event_id bytea NOT NULL
);
CREATE TABLE public.routes (
    message_id bytea NOT NULL,
    "position" integer NOT NULL,
    recipient text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    inbox_id bytea,
    list_id bytea,
    rule text DEFAULT 'address'::text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.search_documents (
    message_id bytea NOT NULL,
    words tsvector NOT NULL
);
CREATE TABLE public.sessions (
    session_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    user_id bytea NOT NULL,
    secret_hash bytea NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.shares (
    share_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    from_inbox_id bytea NOT NULL,
    to_inbox_id bytea NOT NULL,
    contact_id bytea,
    address text COLLATE pg_catalog."C",
    canonical text COLLATE pg_catalog."C",
    include_notes integer NOT NULL,
    note text COLLATE pg_catalog."C",
    labels text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    resolved_at bigint
);
CREATE TABLE public.store_state (
    name text NOT NULL COLLATE pg_catalog."C",
    value bigint NOT NULL
);
CREATE TABLE public.tasks (
    task_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    description text COLLATE pg_catalog."C",
    due_at bigint,
    thread_id bytea,
    note_id bytea,
    contact_id bytea,
    share_id bytea,
    created_by bytea,
    created_at bigint NOT NULL,
    completed_at bigint
);
CREATE TABLE public.templates (
    template_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL COLLATE pg_catalog."C",
    variables text COLLATE pg_catalog."C",
    created_by bytea,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.tenants (
    tenant_id bytea NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    plan text NOT NULL COLLATE pg_catalog."C",
    governance text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
CREATE TABLE public.thread_history (
    entry_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    thread_id bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    inbox_id bytea,
    by_inbox_id bytea,
    by_user_id bytea,
    created_at bigint NOT NULL,
    by_message_id bytea
);
CREATE TABLE public.thread_openings (
    to_inbox_id bytea NOT NULL,
    thread_id bytea NOT NULL,
    by_inbox_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    ended_before bytea
);
CREATE TABLE public.thread_references (
    tenant_id bytea NOT NULL,
    reference bytea NOT NULL,
    thread_id bytea NOT NULL
);
CREATE TABLE public.threads (
    thread_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    assignee_inbox_id bytea
);
CREATE TABLE public.tokens (
    token_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    label text NOT NULL COLLATE pg_catalog."C",
    scopes text NOT NULL COLLATE pg_catalog."C",
    secret_hash bytea NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    created_by bytea,
    created_at bigint NOT NULL,
    last_used_at bigint,
    expires_at bigint
);
CREATE TABLE public.trashed (
    message_id bytea NOT NULL,
    inbox_id bytea NOT NULL,
    trashed_at bigint NOT NULL
);
CREATE TABLE public.users (
    user_id bytea NOT NULL,
    tenant_id bytea NOT NULL,
    email text NOT NULL COLLATE pg_catalog."C",
    canonical text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    password_hash text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL
);
INSERT INTO public.activity VALUES ('\x0006614d0349572c1d17c7cc2e69cfaf', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'ada@client.example', '\x0006614d0348ccc1630607d1b15cabe9', 'contact.share_offered', '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, 1795833255765326);
INSERT INTO public.activity VALUES ('\x0006614d03495a666b535fdbdd58c7a5', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'ada@client.example', NULL, 'contact.share_offered', '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d030185f4410fc4741f396fcc', NULL, 1795833255765326);
INSERT INTO public.activity VALUES ('\x0006614d034991cbd34a2942be7a1bd2', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'ada@client.example', '\x0006614d0348ccc1630607d1b15cabe9', 'contact.share_accepted', '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, 1795833255781914);
INSERT INTO public.activity VALUES ('\x0006614d0349930ab1e846e599ded7d0', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'ada@client.example', '\x0006614d03497c15f33c448c3949d84b', 'contact.share_accepted', '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d030185f4410fc4741f396fcc', '\x0006614d030185f4410fc4741f396fcc', 1795833255781914);
INSERT INTO public.activity VALUES ('\x0006614d0349cf266ce78d8f00594f90', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'bob@client.example', '\x0006614d0349146487740426b31dbd57', 'contact.share_offered', '\x0006614d0349c5f9d2ba15de011159fa', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, 1795833255796081);
INSERT INTO public.activity VALUES ('\x0006614d0349d054350cc19af82359f5', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'bob@client.example', NULL, 'contact.share_offered', '\x0006614d0349c5f9d2ba15de011159fa', '\x0006614d030185f4410fc4741f396fcc', NULL, 1795833255796081);
INSERT INTO public.activity VALUES ('\x0006614d034a02d92ca0165285a4129c', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'eve@client.example', NULL, 'contact.share_requested', '\x0006614d0349fae5dd222e1b8c937acc', '\x0006614d0301c09a74b56bc1f99c02c1', NULL, 1795833255811750);
INSERT INTO public.activity VALUES ('\x0006614d034a0428a446dc4fb90bd2a7', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301c09a74b56bc1f99c02c1', 'eve@client.example', NULL, 'contact.share_requested', '\x0006614d0349fae5dd222e1b8c937acc', '\x0006614d030185f4410fc4741f396fcc', NULL, 1795833255811750);
INSERT INTO public.addresses VALUES ('team@example.test', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', NULL, '\x0006614d03017a10342d9b7b611f8cb1');
INSERT INTO public.addresses VALUES ('sales@example.test', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.addresses VALUES ('support@example.test', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', '\x0006614d0301a4ae32232d96ac7e59d5', NULL);
INSERT INTO public.addresses VALUES ('agent@example.test', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', '\x0006614d0301c09a74b56bc1f99c02c1', NULL);
INSERT INTO public.addresses VALUES ('desk@other.test', '\x0006614d031c5caa73a36812d29046b5', '\x0006614d032975b5486eaf615123a50c', '\x0006614d0337f87e8407ff95f92c4c99', NULL);
INSERT INTO public.addresses VALUES ('gone@example.test', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', '\x0006614d034da8442134810a371b9d1c', NULL);
INSERT INTO public.alerts VALUES ('\x0006614d034a237d278b61d63eb2231d', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301c09a74b56bc1f99c02c1', 'alert', '["message.received"]', 'task', 'New mail from {from}', '{}', 0, 'active', NULL, NULL, NULL, NULL, 'tok_000sgmt0r1t9ask3mxf3wdnny7', 1795833255825214, 1795833255825214, '\x0006614d034a237d278b61d63eb2231d', 0, 1, NULL, NULL, NULL);
INSERT INTO public.attachments VALUES ('\x0006614d033c1e5463c8fcee8bce3c5a', 0, '\x0006614d0342ab6b055b03ae9164bae0', 'pump.png', 'image/png', 1024, 0, NULL, 895, 2299, 'base64');
INSERT INTO public.audit_log VALUES ('\x0006614d031c5caa73a36812d29046b5', '\x0006614d031c7c44b1ed52a5a738755a', 'tenant.created', 'operator', NULL, 'operator', NULL, NULL, 'tenant', 'tnt_000sgmt0rwbjn778v82b990hnn', 'Example', NULL, '{}', 1795833252838459);
INSERT INTO public.audit_log VALUES ('\x0006614d031c5caa73a36812d29046b5', '\x0006614d0329ad1d672882a11900dd0d', 'domain.trusted', 'operator', NULL, 'operator', NULL, NULL, 'domain', 'dom_000sgmt0s9eptmgvnfc58j798c', 'other.test', NULL, '{}', 1795833253702929);
INSERT INTO public.audit_log VALUES ('\x0006614d031c5caa73a36812d29046b5', '\x0006614d033824293e1abd4a1798b204', 'inbox.created', 'operator', NULL, 'operator', NULL, NULL, 'inbox', 'inb_000sgmt0sqz1z881zzjqwjrk4s', 'desk@other.test', NULL, '{}', 1795833254650911);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0347f4185f1b7c98866d2b24', 'thread.assigned', 'token', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', 'demo', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', '127.0.0.1', 'thread', 'thr_000sgmt0svh6qqzs52cjv7byp2', '', '\x0006614d030185f4410fc4741f396fcc', '{"to_inbox_id":"inb_000sgmt0r1mjq348sdjtp7wpen"}', 1795833255669935);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d03495c7d418399afcc48ff51', 'share.offered', 'token', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', 'demo', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', '127.0.0.1', 'share', 'shr_000sgmt0t99cxpvwp6tx0awma9', 'ada@client.example', '\x0006614d030185f4410fc4741f396fcc', '{"from_inbox_id":"inb_000sgmt0r1gqt423y4egfkjvyc","to_inbox_id":"inb_000sgmt0r1mjq348sdjtp7wpen"}', 1795833255765326);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034994cbbcb69c88a878094e', 'share.accepted', 'token', 'tok_000sgmt0r1ppxnaag18h1kbw18', 'demo', 'tok_000sgmt0r1ppxnaag18h1kbw18', '127.0.0.1', 'share', 'shr_000sgmt0t99cxpvwp6tx0awma9', 'ada@client.example', '\x0006614d0301a4ae32232d96ac7e59d5', '{"from_inbox_id":"inb_000sgmt0r1gqt423y4egfkjvyc","to_inbox_id":"inb_000sgmt0r1mjq348sdjtp7wpen"}', 1795833255781914);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0349d203e9f011bc98a50fb3', 'share.offered', 'token', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', 'demo', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', '127.0.0.1', 'share', 'shr_000sgmt0t9rqwx5egnvr0h2pft', 'bob@client.example', '\x0006614d030185f4410fc4741f396fcc', '{"from_inbox_id":"inb_000sgmt0r1gqt423y4egfkjvyc","to_inbox_id":"inb_000sgmt0r1mjq348sdjtp7wpen"}', 1795833255796081);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034a05c0a7be417a32aec3db', 'share.requested', 'token', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', 'demo', 'tok_000sgmt0r1k6tmj9h8cmm2k3gt', '127.0.0.1', 'share', 'shr_000sgmt0t9zbjxt8he3e696ypc', 'eve@client.example', '\x0006614d030185f4410fc4741f396fcc', '{"from_inbox_id":"inb_000sgmt0r1gqt423y4egfkjvyc","to_inbox_id":"inb_000sgmt0r1r2d79dbbr7wsr0p1"}', 1795833255811750);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034a28d3defaaa943274d03b', 'alert.created', 'token', 'tok_000sgmt0r1t9ask3mxf3wdnny7', 'demo', 'tok_000sgmt0r1t9ask3mxf3wdnny7', '127.0.0.1', 'alert', 'alr_000sgmt0ta4dyjf2v1trzb48rx', '', '\x0006614d0301c09a74b56bc1f99c02c1', '{"delivery":"task","events":["message.received"]}', 1795833255825214);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034bc1c5834e155de095d9f2', 'template.created', 'user', 'usr_000sgmt0r1cs67j931xereasy8', 'owner@example.test', 'ses_000sgmt0tbjgnrjynw709q71vy', '127.0.0.1', 'template', 'tpl_000sgmt0tbqsctz06wt4n19325', 'Thanks', NULL, '{}', 1795833255932632);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034d0664b05d4a5fc7476d6a', 'domain.added', 'user', 'usr_000sgmt0r1cs67j931xereasy8', 'owner@example.test', 'ses_000sgmt0tbjgnrjynw709q71vy', '127.0.0.1', 'domain', 'dom_000sgmt0td0a3d81z35eq719fj', 'pending.test', NULL, '{}', 1795833255938136);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034d4164c59b3a9d55ec1d95', 'token.created', 'user', 'usr_000sgmt0r1cs67j931xereasy8', 'owner@example.test', 'ses_000sgmt0tbjgnrjynw709q71vy', '127.0.0.1', 'token', 'tok_000sgmt0td7p7wv04w3fxf94j9', 'paused', NULL, '{"of_inbox_id":"inb_000sgmt0r1gqt423y4egfkjvyc","scopes":["email:read"]}', 1795833256024612);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034d767068234aa5eafdd858', 'token.paused', 'user', 'usr_000sgmt0r1cs67j931xereasy8', 'owner@example.test', 'ses_000sgmt0tbjgnrjynw709q71vy', '127.0.0.1', 'token', 'tok_000sgmt0td7p7wv04w3fxf94j9', 'paused', NULL, '{"of_inbox_id":"inb_000sgmt0r1gqt423y4egfkjvyc"}', 1795833256041144);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034dadd0c1226dd47bb128b9', 'inbox.created', 'user', 'usr_000sgmt0r1cs67j931xereasy8', 'owner@example.test', 'ses_000sgmt0tbjgnrjynw709q71vy', '127.0.0.1', 'inbox', 'inb_000sgmt0tdn1222d4118vhq78w', 'gone@example.test', NULL, '{"owner_user_id":null}', 1795833256050352);
INSERT INTO public.audit_log VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d034df8212c07ff8226cf940f', 'inbox.deleted', 'user', 'usr_000sgmt0r1cs67j931xereasy8', 'owner@example.test', 'ses_000sgmt0tbjgnrjynw709q71vy', '127.0.0.1', 'inbox', 'inb_000sgmt0tdn1222d4118vhq78w', 'gone@example.test', NULL, '{}', 1795833256071641);
INSERT INTO public.bodies VALUES ('\x0006614d033c1e5463c8fcee8bce3c5a', NULL, '\x789cb329b073cdcc53b049b273cacc49b1d14fb25348492d520828cd2d48d5b3d12fb0e30200b9210a5c');
INSERT INTO public.contact_addresses VALUES ('\x0006614d030185f4410fc4741f396fcc', 'ada@client.example', '\x0006614d0348ccc1630607d1b15cabe9');
INSERT INTO public.contact_addresses VALUES ('\x0006614d030185f4410fc4741f396fcc', 'bob@client.example', '\x0006614d0349146487740426b31dbd57');
INSERT INTO public.contact_addresses VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', 'ada@client.example', '\x0006614d03497c15f33c448c3949d84b');
INSERT INTO public.contacts VALUES ('\x0006614d0348ccc1630607d1b15cabe9', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'ada lovelace', 'ada lovelace
client
customer
ada@client.example
ada@client.example
+44 20 7946 0000
+442079460000', '', '{"full_name": "Ada Lovelace", "emails": [{"label": "work", "address": "ada@client.example"}], "phones": [{"label": "", "number": "+44 20 7946 0000"}], "organization": "Client", "notes": "Knows the pump.", "labels": ["customer"], "anniversaries": [{"type": "birth", "date": "1815-12-10"}]}', '{}', 0, 1795833255734260, 1795833255734260);
INSERT INTO public.contacts VALUES ('\x0006614d0349146487740426b31dbd57', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'bob', 'bob
bob@client.example
bob@client.example', '', '{"full_name": "Bob", "emails": [{"label": "", "address": "bob@client.example"}]}', '{}', 0, 1795833255750401, 1795833255750401);
INSERT INTO public.contacts VALUES ('\x0006614d03497c15f33c448c3949d84b', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'ada lovelace', 'ada lovelace
client
customer
ada@client.example
ada@client.example
+44 20 7946 0000
+442079460000', '', '{"full_name": "Ada Lovelace", "emails": [{"label": "work", "address": "ada@client.example"}], "phones": [{"label": "", "number": "+44 20 7946 0000"}], "organization": "Client", "labels": ["customer"], "anniversaries": [{"type": "birth", "date": "1815-12-10"}]}', '{"full_name": ["0006614d030185f4410fc4741f396fcc", 1795833255781914], "emails": ["0006614d030185f4410fc4741f396fcc", 1795833255781914], "phones": ["0006614d030185f4410fc4741f396fcc", 1795833255781914], "organization": ["0006614d030185f4410fc4741f396fcc", 1795833255781914], "labels": ["0006614d030185f4410fc4741f396fcc", 1795833255781914], "anniversaries": ["0006614d030185f4410fc4741f396fcc", 1795833255781914]}', 0, 1795833255781914, 1795833255781914);
INSERT INTO public.contents VALUES ('\x0006614d033aecdb7bc202d4411acaeb', '\xa0ed3a4ab9c4d1d86d80de1b2116f2864b4f773189c48e6ddeeccbfa922fbd72', 169, '\x46726f6d3a20416461204c6f76656c616365203c61646140636c69656e742e6578616d706c653e0d0a546f3a206465736b406f746865722e746573740d0a446174653a204d6f6e2c203036204a616e20323032352031303a30303a3030202b303030300d0a4d6573736167652d49443a203c3140636c69656e742e6578616d706c653e0d0a5375626a6563743a20456c736577686572650d0a0d0a506c65617365206c6f6f6b2e0d0a', NULL);
INSERT INTO public.contents VALUES ('\x0006614d033b89c57e3035f24e85a9c2', '\xd4237df707cb0db8512107df5b94421cb339ad567315c2e0597a278e22357295', 176, '\x46726f6d3a20416461204c6f76656c616365203c61646140636c69656e742e6578616d706c653e0d0a546f3a207465616d406578616d706c652e746573740d0a446174653a204d6f6e2c203036204a616e20323032352031303a30303a3030202b303030300d0a4d6573736167652d49443a203c3140636c69656e742e6578616d706c653e0d0a5375626a6563743a205468652070756d702064726970730d0a0d0a506c65617365206c6f6f6b2e0d0a', NULL);
INSERT INTO public.contents VALUES ('\x0006614d033bb6992d1dc599095db676', '\x2bfcd8650ceac058b06c8b990a34cd3f049b7e517875887ea2347a370ef2e320', 213, '\x46726f6d3a20416461204c6f76656c616365203c61646140636c69656e742e6578616d706c653e0d0a546f3a207465616d406578616d706c652e746573740d0a446174653a204d6f6e2c203036204a616e20323032352031303a30303a3030202b303030300d0a4d6573736167652d49443a203c3240636c69656e742e6578616d706c653e0d0a496e2d5265706c792d546f3a203c3140636c69656e742e6578616d706c653e0d0a5375626a6563743a2052653a205468652070756d702064726970730d0a0d0a506c65617365206c6f6f6b2e0d0a', NULL);
INSERT INTO public.contents VALUES ('\x0006614d033be36250fc364cf2458e2b', '\xfb9ea474d0aea25a46bd807baceba17dbce293b84588e5b8f1e2395d95fd910d', 172, '\x46726f6d3a20416461204c6f76656c616365203c61646140636c69656e742e6578616d706c653e0d0a546f3a20737570706f7274406578616d706c652e746573740d0a446174653a204d6f6e2c203036204a616e20323032352031303a30303a3030202b303030300d0a4d6573736167652d49443a203c3340636c69656e742e6578616d706c653e0d0a5375626a6563743a20496e766f6963650d0a0d0a506c65617365206c6f6f6b2e0d0a', NULL);
INSERT INTO public.contents VALUES ('\x0006614d033c1e5463c8fcee8bce3c5a', '\xa171c261e23f494733b830997fa2963e1ab841b6f7a1faa425e63f7b2bac4de9', 2343, '\x46726f6d3a20426f62203c626f6240636c69656e742e6578616d706c653e0d0a546f3a207465616d406578616d706c652e746573740d0a5375626a6563743a203d3f7574662d383f713f5a3d43333d4134686c65723f3d20756e642050756d70650d0a4d6573736167652d49443a203c3440636c69656e742e6578616d706c653e0d0a4d494d452d56657273696f6e3a20312e300d0a436f6e74656e742d547970653a206d756c7469706172742f6d697865643b20626f756e646172793d223d3d3d3d3d3d3d3d3d3d3d3d3d3d3d353635383134323236353530393739333834353d3d220d0a0d0a2d2d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d353635383134323236353530393739333834353d3d0d0a436f6e74656e742d547970653a206d756c7469706172742f616c7465726e61746976653b0d0a20626f756e646172793d223d3d3d3d3d3d3d3d3d3d3d3d3d3d3d303031323638343933383932383731363732353d3d220d0a0d0a2d2d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d303031323638343933383932383731363732353d3d0d0a436f6e74656e742d547970653a20746578742f706c61696e3b20636861727365743d227574662d38220d0a436f6e74656e742d5472616e736665722d456e636f64696e673a20376269740d0a0d0a45696e2042696c64206465722050756d70652e0d0a0d0a2d2d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d303031323638343933383932383731363732353d3d0d0a436f6e74656e742d547970653a20746578742f68746d6c3b20636861727365743d227574662d38220d0a436f6e74656e742d5472616e736665722d456e636f64696e673a20376269740d0a4d494d452d56657273696f6e3a20312e300d0a0d0a3c703e45696e203c623e42696c643c2f623e206465722050756d70652e3c2f703e0d0a0d0a2d2d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d303031323638343933383932383731363732353d3d2d2d0d0a0d0a2d2d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d353635383134323236353530393739333834353d3d0d0a436f6e74656e742d547970653a20696d6167652f706e670d0a436f6e74656e742d5472616e736665722d456e636f64696e673a206261736536340d0a436f6e74656e742d446973706f736974696f6e3a206174746163686d656e743b2066696c656e616d653d2270756d702e706e67220d0a4d494d452d56657273696f6e3a20312e300d0a0d0a41414543417751464267634943516f4c4441304f4478415245684d554652595847426b6147787764486838674953496a4a43556d4a7967704b6973734c5334764d4445794d7a51314e6a63340d0a4f546f375044302b50304242516b4e4552555a4853456c4b5330784e546b395155564a54564656575631685a576c746358563566594746695932526c5a6d646f6157707262473175623342780d0a636e4e3064585a3365486c3665337839666e2b4167594b44684957476834694a696f754d6a5936506b4a47536b3553566c7065596d5a71626e4a32656e3643686f714f6b7061616e714b6d710d0a7136797472712b7773624b7a744c573274376935757275387662362f774d484377385446787366497963724c7a4d334f7a3944523074505531646258324e6e6132397a6433742f6734654c6a0d0a354f586d352b6a70367576733765377638504879382f5431397666342b6672372f50332b2f77414241674d454251594843416b4b4377774e4467385145524954464255574678675a476873630d0a48523466494345694979516c4a69636f4b536f724c4330754c7a41784d6a4d304e5459334f446b364f7a7739506a394151554a44524556475230684a536b744d5455355055464653553152560d0a566c6459575670625846316558324268596d4e6b5a575a6e61476c7161327874626d397763584a7a6448563264336835656e74386658352f6749474367345346686f65496959714c6a49324f0d0a6a3543526b704f556c5a61586d4a6d616d3579646e702b676f614b6a704b576d703669707171757372613676734c4779733753317472653475627137764c322b7638444277735045786362480d0a794d6e4b79387a4e7a732f5130644c54314e585731396a5a3274766333643766344f4869342b546c3575666f36657272374f3375372f447838765030396662332b506e362b2f7a392f7638410d0a41514944424155474277674a4367734d4451345045424553457851564668635947526f62484230654879416849694d6b4a53596e4b436b714b7977744c6938774d54497a4e4455324e7a67350d0a4f6a73385054342f5145464351305246526b64495355704c5445314f54314252556c4e5556565a5857466c6157317864586c396759574a6a5a47566d5a326870616d747362573576634846790d0a63335231646e6434655870376648312b66344342676f4f456859614869496d4b6934794e6a6f2b516b5a4b546c4a57576c35695a6d7075636e5a36666f4b47696f36536c7071656f716171720d0a724b32757237437873724f3074626133754c6d367537793976722f4177634c44784d584778386a4a7973764d7a633750304e4853303954563174665932647262334e3365332b44683475506b0d0a3565626e364f6e71362b7a7437752f7738664c7a39505832392f6a352b7676382f66372f41414543417751464267634943516f4c4441304f4478415245684d554652595847426b61477877640d0a486838674953496a4a43556d4a7967704b6973734c5334764d4445794d7a51314e6a63344f546f375044302b50304242516b4e4552555a4853456c4b5330784e546b395155564a54564656570d0a5631685a576c746358563566594746695932526c5a6d646f615770726247317562334278636e4e3064585a3365486c3665337839666e2b4167594b44684957476834694a696f754d6a5936500d0a6b4a47536b3553566c7065596d5a71626e4a32656e3643686f714f6b7061616e714b6d717136797472712b7773624b7a744c573274376935757275387662362f774d484377385446787366490d0a7963724c7a4d334f7a3944523074505531646258324e6e6132397a6433742f6734654c6a354f586d352b6a70367576733765377638504879382f5431397666342b6672372f50332b2f773d3d0d0a0d0a2d2d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d353635383134323236353530393739333834353d3d2d2d0d0a', NULL);
INSERT INTO public.contents VALUES ('\x0006614d033c8e4032b88701a1c19154', '\xa09da287b78e4ca25418b9094bfbad61d7c0957a1fe50bc8af01fe4899dca07a', 544163, NULL, '0006614d/0006614d033c4af9c22b1e6178c621f4');
INSERT INTO public.contents VALUES ('\x0006614d033cbad0452f9aad588f3e5f', '\x9edd29610aaa26e138742ea8212430946bac0615523a39e9dadb30e8a5642b94', 179, '\x46726f6d3a20416461204c6f76656c616365203c61646140636c69656e742e6578616d706c653e0d0a546f3a207465616d406578616d706c652e746573740d0a446174653a204d6f6e2c203036204a616e20323032352031303a30303a3030202b303030300d0a4d6573736167652d49443a203c3640636c69656e742e6578616d706c653e0d0a5375626a6563743a20546f206265207468726f776e20617761790d0a0d0a506c65617365206c6f6f6b2e0d0a', NULL);
INSERT INTO public.copies VALUES ('\x0006614d0337f87e8407ff95f92c4c99', '\x0006614d033aecdb7bc202d4411acaeb', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033b89c57e3035f24e85a9c2', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d033b89c57e3035f24e85a9c2', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d030185f4410fc4741f396fcc', '\x0006614d033bb6992d1dc599095db676', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033bb6992d1dc599095db676', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d033bb6992d1dc599095db676', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033be36250fc364cf2458e2b', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d030185f4410fc4741f396fcc', '\x0006614d033c1e5463c8fcee8bce3c5a', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d033c1e5463c8fcee8bce3c5a', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d030185f4410fc4741f396fcc', '\x0006614d033c8e4032b88701a1c19154', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033c8e4032b88701a1c19154', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d033c8e4032b88701a1c19154', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033cbad0452f9aad588f3e5f', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d033cbad0452f9aad588f3e5f', 0, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d030185f4410fc4741f396fcc', '\x0006614d033b89c57e3035f24e85a9c2', 0, 1, 1, 0);
INSERT INTO public.copies VALUES ('\x0006614d030185f4410fc4741f396fcc', '\x0006614d033cbad0452f9aad588f3e5f', 3, 0, 0, 0);
INSERT INTO public.copies VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033c1e5463c8fcee8bce3c5a', 1, 0, 0, 0);
INSERT INTO public.domains VALUES ('\x0006614d0300e2e91079053ab9329539', '\x0006614d0300dc40ea7cf305aad4270b', 'example.test', 'verified', '2pu7xdk6r65iomywbivokfc6mxafoenp', 1795833251027394, 1795833251027394);
INSERT INTO public.domains VALUES ('\x0006614d032975b5486eaf615123a50c', '\x0006614d031c5caa73a36812d29046b5', 'other.test', 'verified', 'wz6fjplqrne4swzexpndm3hyo3nkr523', 1795833253687704, 1795833253687704);
INSERT INTO public.domains VALUES ('\x0006614d034d0286d407e32bae70a5f2', '\x0006614d0300dc40ea7cf305aad4270b', 'pending.test', 'pending', 'xf4byd7hendhvjxbo3s2oimccnbkvwpb', NULL, 1795833255938136);
INSERT INTO public.events VALUES ('\x0006614d0301945ef5e96397b941f314', '\x0006614d0300dc40ea7cf305aad4270b', 'list.member_added', '\x0006614d030185f4410fc4741f396fcc', NULL, NULL, '\x0006614d03017a10342d9b7b611f8cb1', 1795833251027394, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d0301b14c1fe71dedbc71ee5e', '\x0006614d0300dc40ea7cf305aad4270b', 'list.member_added', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, '\x0006614d03017a10342d9b7b611f8cb1', 1795833251027394, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d0301cd3070ff3997b1725676', '\x0006614d0300dc40ea7cf305aad4270b', 'list.member_added', '\x0006614d0301c09a74b56bc1f99c02c1', NULL, NULL, '\x0006614d03017a10342d9b7b611f8cb1', 1795833251027394, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033afb1c4816bb634b6fc28b', '\x0006614d031c5caa73a36812d29046b5', 'message.received', NULL, '\x0006614d033aecdb7bc202d4411acaeb', '\x0006614d033aecbea7de6d8df2b58908', NULL, 1795833254827749, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033b8b621b9befb7d6fb765a', '\x0006614d0300dc40ea7cf305aad4270b', 'message.received', NULL, '\x0006614d033b89c57e3035f24e85a9c2', '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833254871341, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033bb8600f838b86414f9d7a', '\x0006614d0300dc40ea7cf305aad4270b', 'message.received', NULL, '\x0006614d033bb6992d1dc599095db676', '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833254881209, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033be4cbbe49e020c6dcc3a9', '\x0006614d0300dc40ea7cf305aad4270b', 'message.received', NULL, '\x0006614d033be36250fc364cf2458e2b', '\x0006614d033be353a86abc01e550223d', NULL, 1795833254893009, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033c20f5b8535a08176aa692', '\x0006614d0300dc40ea7cf305aad4270b', 'message.received', NULL, '\x0006614d033c1e5463c8fcee8bce3c5a', '\x0006614d033c1e4029e97abdd83032a7', NULL, 1795833254904614, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033c901b02518c722b58fa7f', '\x0006614d0300dc40ea7cf305aad4270b', 'message.received', NULL, '\x0006614d033c8e4032b88701a1c19154', '\x0006614d033c8e31418584720f884578', NULL, 1795833254928278, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d033cbcab4a59ec1d840919c6', '\x0006614d0300dc40ea7cf305aad4270b', 'message.received', NULL, '\x0006614d033cbad0452f9aad588f3e5f', '\x0006614d033cbac31fbda6a265ed4c1a', NULL, 1795833254947761, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.events VALUES ('\x0006614d03473f7b5dc9d4c855f9efc5', '\x0006614d0300dc40ea7cf305aad4270b', 'thread.note_added', NULL, NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833255627120, '\x0006614d03472f83e1758575a726acdc', NULL, NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d0347424443d88dd9955b3e4c', '\x0006614d0300dc40ea7cf305aad4270b', 'thread.mentioned', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833255627120, '\x0006614d03472f83e1758575a726acdc', NULL, NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d03475005d80154f46a92d790', '\x0006614d0300dc40ea7cf305aad4270b', 'task.created', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833255627120, NULL, '\x0006614d034748ad503f31ada0393253', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d0347a0070c10e14656827932', '\x0006614d0300dc40ea7cf305aad4270b', 'thread.note_added', NULL, NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833255648735, '\x0006614d034796d48cc9cb32a6087d80', NULL, NULL, NULL, '\x0006614d0301a4ae32232d96ac7e59d5', NULL);
INSERT INTO public.events VALUES ('\x0006614d0347dd9211297632cb92de60', '\x0006614d0300dc40ea7cf305aad4270b', 'thread.assigned', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833255669935, NULL, NULL, NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d0347f08cd5d8de6f5eff0567', '\x0006614d0300dc40ea7cf305aad4270b', 'task.created', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, 1795833255669935, NULL, '\x0006614d0347e4c73b64ac86203d7f9f', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d0348269c70567f7d35abb662', '\x0006614d0300dc40ea7cf305aad4270b', 'thread.closed', NULL, NULL, '\x0006614d033cbac31fbda6a265ed4c1a', NULL, 1795833255691510, NULL, NULL, NULL, NULL, '\x0006614d0301c09a74b56bc1f99c02c1', NULL);
INSERT INTO public.events VALUES ('\x0006614d03489ae6eb3695eb792d68dd', '\x0006614d0300dc40ea7cf305aad4270b', 'task.created', '\x0006614d030185f4410fc4741f396fcc', NULL, NULL, NULL, 1795833255722627, NULL, '\x0006614d034899149906285c3fcd3c0b', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d0349547928ddcd3dcea0e742', '\x0006614d0300dc40ea7cf305aad4270b', 'task.created', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, NULL, 1795833255765326, NULL, '\x0006614d034952d18a94fb55ef4d69b5', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d034955c2fa2d684103a98e2e', '\x0006614d0300dc40ea7cf305aad4270b', 'contact.share_received', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, NULL, 1795833255765326, NULL, NULL, NULL, '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d03498e522fb8250adad000ab', '\x0006614d0300dc40ea7cf305aad4270b', 'task.completed', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, NULL, 1795833255781914, NULL, '\x0006614d034952d18a94fb55ef4d69b5', NULL, NULL, '\x0006614d0301a4ae32232d96ac7e59d5', NULL);
INSERT INTO public.events VALUES ('\x0006614d03498faffb10f4489d25ca7b', '\x0006614d0300dc40ea7cf305aad4270b', 'contact.share_resolved', '\x0006614d030185f4410fc4741f396fcc', NULL, NULL, NULL, 1795833255781914, NULL, NULL, NULL, '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d0301a4ae32232d96ac7e59d5', NULL);
INSERT INTO public.events VALUES ('\x0006614d034990ac829cf911d336d850', '\x0006614d0300dc40ea7cf305aad4270b', 'contact.share_resolved', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, NULL, 1795833255781914, NULL, NULL, NULL, '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d0301a4ae32232d96ac7e59d5', NULL);
INSERT INTO public.events VALUES ('\x0006614d0349cc598f47786f2406db9f', '\x0006614d0300dc40ea7cf305aad4270b', 'task.created', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, NULL, 1795833255796081, NULL, '\x0006614d0349cabf6abe7e27e0679c28', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d0349cdb6831e52af9f6ffdc8', '\x0006614d0300dc40ea7cf305aad4270b', 'contact.share_received', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, NULL, NULL, 1795833255796081, NULL, NULL, NULL, '\x0006614d0349c5f9d2ba15de011159fa', '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d034a0090dec3ed3f1e6916f4', '\x0006614d0300dc40ea7cf305aad4270b', 'task.created', '\x0006614d0301c09a74b56bc1f99c02c1', NULL, NULL, NULL, 1795833255811750, NULL, '\x0006614d0349ff280cd4cc072fde7891', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.events VALUES ('\x0006614d034a01b2e009ea1f9fb98ae6', '\x0006614d0300dc40ea7cf305aad4270b', 'contact.share_received', '\x0006614d0301c09a74b56bc1f99c02c1', NULL, NULL, NULL, 1795833255811750, NULL, NULL, NULL, '\x0006614d0349fae5dd222e1b8c937acc', '\x0006614d030185f4410fc4741f396fcc', NULL);
INSERT INTO public.inboxes VALUES ('\x0006614d030185f4410fc4741f396fcc', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', 'sales@example.test', 'sales@example.test', 'Sales', '\x0006614d03016b999aa53f2a70b335e6', 'UTC', 1, 1795833251027394, NULL);
INSERT INTO public.inboxes VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', 'support@example.test', 'support@example.test', 'Support', '\x0006614d0301664c792461ebb0e567c8', 'UTC', 1, 1795833251027394, NULL);
INSERT INTO public.inboxes VALUES ('\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', 'agent@example.test', 'agent@example.test', 'Agent', '\x0006614d03016f3e687a3fa71794353f', 'UTC', 1, 1795833251027394, NULL);
INSERT INTO public.inboxes VALUES ('\x0006614d0337f87e8407ff95f92c4c99', '\x0006614d031c5caa73a36812d29046b5', '\x0006614d032975b5486eaf615123a50c', 'desk@other.test', 'desk@other.test', '', NULL, 'UTC', 1, 1795833254638440, NULL);
INSERT INTO public.inboxes VALUES ('\x0006614d034da8442134810a371b9d1c', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', 'gone@example.test', 'gone@example.test', '', NULL, 'UTC', 1, 1795833256050352, 1795833256071641);
INSERT INTO public.list_members VALUES ('\x0006614d03017a10342d9b7b611f8cb1', '\x0006614d030185f4410fc4741f396fcc', '\x0006614d03019116ad97fc11434e61fe', 1795833251027394);
INSERT INTO public.list_members VALUES ('\x0006614d03017a10342d9b7b611f8cb1', '\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d0301ae4642811e2179fc07ba', 1795833251027394);
INSERT INTO public.list_members VALUES ('\x0006614d03017a10342d9b7b611f8cb1', '\x0006614d0301c09a74b56bc1f99c02c1', '\x0006614d0301c91c2e544fb375bb6f72', 1795833251027394);
INSERT INTO public.lists VALUES ('\x0006614d03017a10342d9b7b611f8cb1', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0300e2e91079053ab9329539', 'team@example.test', 'team@example.test', 'Team', NULL, 1795833251027394);
INSERT INTO public.messages VALUES ('\x0006614d033aecdb7bc202d4411acaeb', '\x0006614d031c5caa73a36812d29046b5', '\x0006614d033aecbea7de6d8df2b58908', 1795833254827749, 169, '1@client.example', 'Ada Lovelace', 'ada@client.example', 'Elsewhere', '\x7b22746f223a5b5b22222c226465736b406f746865722e74657374225d5d2c226363223a5b5d7d', 'sender@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623632393131616131303b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 1, 0, 'Please look.', 0, '[[155,169,"identity","utf-8"]]', '[]');
INSERT INTO public.messages VALUES ('\x0006614d033b89c57e3035f24e85a9c2', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033b89af7fe4a264b675fac2', 1795833254871341, 176, '1@client.example', 'Ada Lovelace', 'ada@client.example', 'The pump drips', '\x7b22746f223a5b5b22222c227465616d406578616d706c652e74657374225d5d2c226363223a5b5d7d', 'ada@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623231613633623961373b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 3, 0, 'Please look.', 0, '[[162,176,"identity","utf-8"]]', '[]');
INSERT INTO public.messages VALUES ('\x0006614d033bb6992d1dc599095db676', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033b89af7fe4a264b675fac2', 1795833254881209, 213, '2@client.example', 'Ada Lovelace', 'ada@client.example', 'Re: The pump drips', '\x7b22746f223a5b5b22222c227465616d406578616d706c652e74657374225d5d2c226363223a5b5d7d', 'ada@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623231613633623961373b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 3, 0, 'Please look.', 0, '[[199,213,"identity","utf-8"]]', '[]');
INSERT INTO public.messages VALUES ('\x0006614d033be36250fc364cf2458e2b', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033be353a86abc01e550223d', 1795833254893009, 172, '3@client.example', 'Ada Lovelace', 'ada@client.example', 'Invoice', '\x7b22746f223a5b5b22222c22737570706f7274406578616d706c652e74657374225d5d2c226363223a5b5d7d', 'ada@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623231613633623961373b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 1, 0, 'Please look.', 0, '[[158,172,"identity","utf-8"]]', '[]');
INSERT INTO public.messages VALUES ('\x0006614d033c1e5463c8fcee8bce3c5a', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033c1e4029e97abdd83032a7', 1795833254904614, 2343, '4@client.example', 'Bob', 'bob@client.example', 'Zähler und Pumpe', '\x7b22746f223a5b5b22222c227465616d406578616d706c652e74657374225d5d2c226363223a5b5d7d', 'ada@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623231613633623961373b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 3, 0, 'Ein Bild der Pumpe.', 1, '[[480,501,"identity","utf-8"]]', '[]');
INSERT INTO public.messages VALUES ('\x0006614d033c8e4032b88701a1c19154', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033c8e31418584720f884578', 1795833254928278, 544163, '5@client.example', 'Ada Lovelace', 'ada@client.example', 'Log of the pump', '\x7b22746f223a5b5b22222c227465616d406578616d706c652e74657374225d5d2c226363223a5b5d7d', 'ada@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623231613633623961373b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 3, 0, 'The pump drips again. The pump drips again. The pump drips again. The pump drips again. The pump drips again. The pump drips again. The pump drips again. The pump drips again. The pump drips again. Th', 0, '[[163,544163,"identity","utf-8"]]', '[]');
INSERT INTO public.messages VALUES ('\x0006614d033cbad0452f9aad588f3e5f', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033cbac31fbda6a265ed4c1a', 1795833254947761, 179, '6@client.example', 'Ada Lovelace', 'ada@client.example', 'To be thrown away', '\x7b22746f223a5b5b22222c227465616d406578616d706c652e74657374225d5d2c226363223a5b5d7d', 'ada@client.example', '127.0.0.1', 'client.example', 'ESMTP', NULL, '\x52656365697665643a2066726f6d20636c69656e742e6578616d706c6520285b3132372e302e302e315d290d0a096279206d782e6578616d706c652e7465737420776974682045534d545020696420623231613633623961373b0d0a095361742c203238204e6f7620323032362030323a33343a3134202b303030300d0a', 0, 'parsed', 3, 0, 'Please look.', 0, '[[165,179,"identity","utf-8"]]', '[]');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d031c5caa73a36812d29046b5', 'ada@client.example', '\x0006614d033aecdb7bc202d4411acaeb');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d033b89c57e3035f24e85a9c2');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d033bb6992d1dc599095db676');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d033be36250fc364cf2458e2b');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'bob@client.example', '\x0006614d033c1e5463c8fcee8bce3c5a');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d033c8e4032b88701a1c19154');
INSERT INTO public.messages_by_sender VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d033cbad0452f9aad588f3e5f');
INSERT INTO public.migrations VALUES (1, 'm001_identity', 1795833250429929);
INSERT INTO public.migrations VALUES (2, 'm002_mail', 1795833250429929);
INSERT INTO public.migrations VALUES (3, 'm003_parsing', 1795833250429929);
INSERT INTO public.migrations VALUES (4, 'm004_threads', 1795833250429929);
INSERT INTO public.migrations VALUES (5, 'm005_idempotency', 1795833250429929);
INSERT INTO public.migrations VALUES (6, 'm006_contacts', 1795833250429929);
INSERT INTO public.migrations VALUES (7, 'm007_explain', 1795833250429929);
INSERT INTO public.migrations VALUES (8, 'm008_alerts', 1795833250429929);
INSERT INTO public.migrations VALUES (9, 'm009_audit_log', 1795833250429929);
INSERT INTO public.migrations VALUES (10, 'm010_event_log', 1795833250429929);
INSERT INTO public.migrations VALUES (11, 'm011_retention', 1795833250429929);
INSERT INTO public.migrations VALUES (12, 'm012_reopened', 1795833250429929);
INSERT INTO public.migrations VALUES (13, 'm013_filing', 1795833250429929);
INSERT INTO public.note_mentions VALUES ('\x0006614d03472f83e1758575a726acdc', '\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033b89af7fe4a264b675fac2', 0);
INSERT INTO public.note_messages VALUES ('\x0006614d03472f83e1758575a726acdc', '\x0006614d033b89c57e3035f24e85a9c2', 1);
INSERT INTO public.note_messages VALUES ('\x0006614d03472f83e1758575a726acdc', '\x0006614d033bb6992d1dc599095db676', 1);
INSERT INTO public.note_messages VALUES ('\x0006614d034796d48cc9cb32a6087d80', '\x0006614d033b89c57e3035f24e85a9c2', 1);
INSERT INTO public.note_messages VALUES ('\x0006614d034796d48cc9cb32a6087d80', '\x0006614d033bb6992d1dc599095db676', 1);
INSERT INTO public.notes VALUES ('\x0006614d03472f83e1758575a726acdc', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033b89af7fe4a264b675fac2', '\x0006614d030185f4410fc4741f396fcc', NULL, 'Seen before.', 1795833255627120, 1803609255627120);
INSERT INTO public.notes VALUES ('\x0006614d034796d48cc9cb32a6087d80', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033b89af7fe4a264b675fac2', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, 'A seal is worn. 🔧', 1795833255648735, 1803609255648735);
INSERT INTO public.receipts VALUES ('\x0b9dcdda6d9abb297b650b008533cf77', '\x0006614d033aecdb7bc202d4411acaeb', 1795833254827749, '\x5a40a0d48aaaa939');
INSERT INTO public.receipts VALUES ('\x99e9df0cfd671016f37bdc94c3294e06', '\x0006614d033cbad0452f9aad588f3e5f', 1795833254947761, '\x5a40a0d48aaaa939');
INSERT INTO public.relationships VALUES ('\x0006614d031c5caa73a36812d29046b5', 'ada@client.example', '\x0006614d0337f87e8407ff95f92c4c99', 'ada@client.example', 'Ada Lovelace', 1795833254827749, 1795833254827749, 1, 3.322644224217137e+69, 0, NULL, NULL, NULL);
INSERT INTO public.relationships VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d0301c09a74b56bc1f99c02c1', 'ada@client.example', 'Ada Lovelace', 1795833254871341, 1795833254947761, 4, 1.3290576896868548e+70, 0, NULL, NULL, NULL);
INSERT INTO public.relationships VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d030185f4410fc4741f396fcc', 'ada@client.example', 'Ada Lovelace', 1795833254871341, 1795833254947761, 4, 1.3290576896868548e+70, 0, NULL, NULL, NULL);
INSERT INTO public.relationships VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'bob@client.example', '\x0006614d030185f4410fc4741f396fcc', 'bob@client.example', 'Bob', 1795833254904614, 1795833254904614, 1, 3.322644224217137e+69, 0, NULL, NULL, NULL);
INSERT INTO public.relationships VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'bob@client.example', '\x0006614d0301a4ae32232d96ac7e59d5', 'bob@client.example', 'Bob', 1795833254904614, 1795833254904614, 1, 3.322644224217137e+69, 0, NULL, NULL, NULL);
INSERT INTO public.relationships VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'bob@client.example', '\x0006614d0301c09a74b56bc1f99c02c1', 'bob@client.example', 'Bob', 1795833254904614, 1795833254904614, 1, 3.322644224217137e+69, 0, NULL, NULL, NULL);
INSERT INTO public.relationships VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'ada@client.example', '\x0006614d0301a4ae32232d96ac7e59d5', 'ada@client.example', 'Ada Lovelace', 1795833254871341, 1795833254947761, 5, 1.6613221121085685e+70, 0, '\x0006614d030185f4410fc4741f396fcc', 1795833255781914, NULL);
INSERT INTO public.relationships_worker VALUES (0, '\x0006614d033cbad0452f9aad588f3e5f');
INSERT INTO public.retention_worker VALUES (0, '\x7f97da207e279959ad91d311390a0be1', 0, 1795833252180370);
INSERT INTO public.routes VALUES ('\x0006614d033aecdb7bc202d4411acaeb', 0, 'desk@other.test', 'desk@other.test', '\x0006614d0337f87e8407ff95f92c4c99', NULL, 'address');
INSERT INTO public.routes VALUES ('\x0006614d033b89c57e3035f24e85a9c2', 0, 'team@example.test', 'team@example.test', NULL, '\x0006614d03017a10342d9b7b611f8cb1', 'address');
INSERT INTO public.routes VALUES ('\x0006614d033bb6992d1dc599095db676', 0, 'team@example.test', 'team@example.test', NULL, '\x0006614d03017a10342d9b7b611f8cb1', 'address');
INSERT INTO public.routes VALUES ('\x0006614d033be36250fc364cf2458e2b', 0, 'support@example.test', 'support@example.test', '\x0006614d0301a4ae32232d96ac7e59d5', NULL, 'address');
INSERT INTO public.routes VALUES ('\x0006614d033c1e5463c8fcee8bce3c5a', 0, 'team@example.test', 'team@example.test', NULL, '\x0006614d03017a10342d9b7b611f8cb1', 'address');
INSERT INTO public.routes VALUES ('\x0006614d033c8e4032b88701a1c19154', 0, 'team@example.test', 'team@example.test', NULL, '\x0006614d03017a10342d9b7b611f8cb1', 'address');
INSERT INTO public.routes VALUES ('\x0006614d033cbad0452f9aad588f3e5f', 0, 'team@example.test', 'team@example.test', NULL, '\x0006614d03017a10342d9b7b611f8cb1', 'address');
INSERT INTO public.search_documents VALUES ('\x0006614d033aecdb7bc202d4411acaeb', '''=i0006614d0337f87e8407ff95f92c4c99'' ''ada'':1A,3A ''client'':4A ''desk'':7B ''elsewhere'':11C ''example'':5A ''look'':14 ''lovelace'':2A ''other'':8B ''please'':13 ''test'':9B');
INSERT INTO public.search_documents VALUES ('\x0006614d033b89c57e3035f24e85a9c2', '''=i0006614d030185f4410fc4741f396fcc'' ''=i0006614d0301a4ae32232d96ac7e59d5'' ''=i0006614d0301c09a74b56bc1f99c02c1'' ''=l0006614d03017a10342d9b7b611f8cb1'' ''ada'':1A,3A ''client'':4A ''drips'':13C ''example'':5A,8B ''look'':16 ''lovelace'':2A ''please'':15 ''pump'':12C ''team'':7B ''test'':9B ''the'':11C');
INSERT INTO public.search_documents VALUES ('\x0006614d033bb6992d1dc599095db676', '''=i0006614d030185f4410fc4741f396fcc'' ''=i0006614d0301a4ae32232d96ac7e59d5'' ''=i0006614d0301c09a74b56bc1f99c02c1'' ''=l0006614d03017a10342d9b7b611f8cb1'' ''ada'':1A,3A ''client'':4A ''drips'':14C ''example'':5A,8B ''look'':17 ''lovelace'':2A ''please'':16 ''pump'':13C ''re'':11C ''team'':7B ''test'':9B ''the'':12C');
INSERT INTO public.search_documents VALUES ('\x0006614d033be36250fc364cf2458e2b', '''=i0006614d0301a4ae32232d96ac7e59d5'' ''ada'':1A,3A ''client'':4A ''example'':5A,8B ''invoice'':11C ''look'':14 ''lovelace'':2A ''please'':13 ''support'':7B ''test'':9B');
INSERT INTO public.search_documents VALUES ('\x0006614d033c1e5463c8fcee8bce3c5a', '''=attachment'' ''=i0006614d030185f4410fc4741f396fcc'' ''=i0006614d0301a4ae32232d96ac7e59d5'' ''=i0006614d0301c09a74b56bc1f99c02c1'' ''=l0006614d03017a10342d9b7b611f8cb1'' ''bild'':15 ''bob'':1A,2A ''client'':3A ''der'':16 ''ein'':14 ''example'':4A,7B ''png'':19 ''pump'':18 ''pumpe'':12C,17 ''team'':6B ''test'':8B ''und'':11C ''zähler'':10C');
INSERT INTO public.search_documents VALUES ('\x0006614d033c8e4032b88701a1c19154', '''=i0006614d030185f4410fc4741f396fcc'' ''=i0006614d0301a4ae32232d96ac7e59d5'' ''=i0006614d0301c09a74b56bc1f99c02c1'' ''=l0006614d03017a10342d9b7b611f8cb1'' ''ada'':1A,3A ''again'':19,23,27,31,35,39,43,47,51,55,59,63,67,71,75,79,83,87,91,95,99,103,107,111,115,119,123,127,131,135,139,143,147,151,155,159,163,167,171,175,179,183,187,191,195,199,203,207,211,215,219,223,227,231,235,239,243,247,251,255,259,263,267,271,275,279,283,287,291,295,299,303,307,311,315,319,323,327,331,335,339,343,347,351,355,359,363,367,371,375,379,383,387,391,395,399,403,407,411,415,419,423,427,431,435,439,443,447,451,455,459,463,467,471,475,479,483,487,491,495,499,503,507,511,515,519,523,527,531,535,539,543,547,551,555,559,563,567,571,575,579,583,587,591,595,599,603,607,611,615,619,623,627,631,635,639,643,647,651,655,659,663,667,671,675,679,683,687,691,695,699,703,707,711,715,719,723,727,731,735,739,743,747,751,755,759,763,767,771,775,779,783,787,791,795,799,803,807,811,815,819,823,827,831,835,839,843,847,851,855,859,863,867,871,875,879,883,887,891,895,899,903,907,911,915,919,923,927,931,935,939,943,947,951,955,959,963,967,971,975,979,983,987,991,995,999,1003,1007,1011,1015,1019,1023,1027,1031,1035 ''client'':4A ''drips'':18,22,26,30,34,38,42,46,50,54,58,62,66,70,74,78,82,86,90,94,98,102,106,110,114,118,122,126,130,134,138,142,146,150,154,158,162,166,170,174,178,182,186,190,194,198,202,206,210,214,218,222,226,230,234,238,242,246,250,254,258,262,266,270,274,278,282,286,290,294,298,302,306,310,314,318,322,326,330,334,338,342,346,350,354,358,362,366,370,374,378,382,386,390,394,398,402,406,410,414,418,422,426,430,434,438,442,446,450,454,458,462,466,470,474,478,482,486,490,494,498,502,506,510,514,518,522,526,530,534,538,542,546,550,554,558,562,566,570,574,578,582,586,590,594,598,602,606,610,614,618,622,626,630,634,638,642,646,650,654,658,662,666,670,674,678,682,686,690,694,698,702,706,710,714,718,722,726,730,734,738,742,746,750,754,758,762,766,770,774,778,782,786,790,794,798,802,806,810,814,818,822,826,830,834,838,842,846,850,854,858,862,866,870,874,878,882,886,890,894,898,902,906,910,914,918,922,926,930,934,938,942,946,950,954,958,962,966,970,974,978,982,986,990,994,998,1002,1006,1010,1014,1018,1022,1026,1030,1034 ''example'':5A,8B ''log'':11C ''lovelace'':2A ''of'':12C ''pump'':14C,17,21,25,29,33,37,41,45,49,53,57,61,65,69,73,77,81,85,89,93,97,101,105,109,113,117,121,125,129,133,137,141,145,149,153,157,161,165,169,173,177,181,185,189,193,197,201,205,209,213,217,221,225,229,233,237,241,245,249,253,257,261,265,269,273,277,281,285,289,293,297,301,305,309,313,317,321,325,329,333,337,341,345,349,353,357,361,365,369,373,377,381,385,389,393,397,401,405,409,413,417,421,425,429,433,437,441,445,449,453,457,461,465,469,473,477,481,485,489,493,497,501,505,509,513,517,521,525,529,533,537,541,545,549,553,557,561,565,569,573,577,581,585,589,593,597,601,605,609,613,617,621,625,629,633,637,641,645,649,653,657,661,665,669,673,677,681,685,689,693,697,701,705,709,713,717,721,725,729,733,737,741,745,749,753,757,761,765,769,773,777,781,785,789,793,797,801,805,809,813,817,821,825,829,833,837,841,845,849,853,857,861,865,869,873,877,881,885,889,893,897,901,905,909,913,917,921,925,929,933,937,941,945,949,953,957,961,965,969,973,977,981,985,989,993,997,1001,1005,1009,1013,1017,1021,1025,1029 ''team'':7B ''test'':9B ''the'':13C,16,20,24,28,32,36,40,44,48,52,56,60,64,68,72,76,80,84,88,92,96,100,104,108,112,116,120,124,128,132,136,140,144,148,152,156,160,164,168,172,176,180,184,188,192,196,200,204,208,212,216,220,224,228,232,236,240,244,248,252,256,260,264,268,272,276,280,284,288,292,296,300,304,308,312,316,320,324,328,332,336,340,344,348,352,356,360,364,368,372,376,380,384,388,392,396,400,404,408,412,416,420,424,428,432,436,440,444,448,452,456,460,464,468,472,476,480,484,488,492,496,500,504,508,512,516,520,524,528,532,536,540,544,548,552,556,560,564,568,572,576,580,584,588,592,596,600,604,608,612,616,620,624,628,632,636,640,644,648,652,656,660,664,668,672,676,680,684,688,692,696,700,704,708,712,716,720,724,728,732,736,740,744,748,752,756,760,764,768,772,776,780,784,788,792,796,800,804,808,812,816,820,824,828,832,836,840,844,848,852,856,860,864,868,872,876,880,884,888,892,896,900,904,908,912,916,920,924,928,932,936,940,944,948,952,956,960,964,968,972,976,980,984,988,992,996,1000,1004,1008,1012,1016,1020,1024,1028');
INSERT INTO public.search_documents VALUES ('\x0006614d033cbad0452f9aad588f3e5f', '''=i0006614d030185f4410fc4741f396fcc'' ''=i0006614d0301a4ae32232d96ac7e59d5'' ''=i0006614d0301c09a74b56bc1f99c02c1'' ''=l0006614d03017a10342d9b7b611f8cb1'' ''ada'':1A,3A ''away'':14C ''be'':12C ''client'':4A ''example'':5A,8B ''look'':17 ''lovelace'':2A ''please'':16 ''team'':7B ''test'':9B ''thrown'':13C ''to'':11C');
INSERT INTO public.sessions VALUES ('\x0006614d034b942b897abc381373877e', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301664c792461ebb0e567c8', '\xc8aaf9424bea172a33d4f2453d830931cad40732af855d69b65ed2deb4e13815', 1795833255834247, 1795833255834247, 1797042855834247);
INSERT INTO public.sessions VALUES ('\x0006614d037f45d8bcad04afa61e2a07', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301664c792461ebb0e567c8', '\xe4090728f9a170ccf70e2b17f23228cba647c48afafde6d75a3fbc746156743a', 1795833259087578, 1795833259087578, 1797042859087578);
INSERT INTO public.shares VALUES ('\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d0300dc40ea7cf305aad4270b', 'offer', 'accepted', '\x0006614d030185f4410fc4741f396fcc', '\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d0348ccc1630607d1b15cabe9', 'ada@client.example', 'ada@client.example', 0, NULL, '[]', 1795833255765326, 1795833255781914);
INSERT INTO public.shares VALUES ('\x0006614d0349c5f9d2ba15de011159fa', '\x0006614d0300dc40ea7cf305aad4270b', 'offer', 'pending', '\x0006614d030185f4410fc4741f396fcc', '\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d0349146487740426b31dbd57', 'bob@client.example', 'bob@client.example', 0, NULL, '[]', 1795833255796081, NULL);
INSERT INTO public.shares VALUES ('\x0006614d0349fae5dd222e1b8c937acc', '\x0006614d0300dc40ea7cf305aad4270b', 'request', 'pending', '\x0006614d030185f4410fc4741f396fcc', '\x0006614d0301c09a74b56bc1f99c02c1', NULL, 'eve@client.example', 'eve@client.example', 0, NULL, '[]', 1795833255811750, NULL);
INSERT INTO public.store_state VALUES ('last_id', 1795833259312600);
INSERT INTO public.tasks VALUES ('\x0006614d034748ad503f31ada0393253', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'mention', '[Mentioned] The pump drips', NULL, NULL, '\x0006614d033b89af7fe4a264b675fac2', '\x0006614d03472f83e1758575a726acdc', NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', 1795833255627120, NULL);
INSERT INTO public.tasks VALUES ('\x0006614d0347e4c73b64ac86203d7f9f', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'assignment', '[Assigned] The pump drips', 'yours', NULL, '\x0006614d033b89af7fe4a264b675fac2', NULL, NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', 1795833255669935, NULL);
INSERT INTO public.tasks VALUES ('\x0006614d034899149906285c3fcd3c0b', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'manual', 'Call Ada', NULL, 1893553445000000, NULL, NULL, NULL, NULL, '\x0006614d030185f4410fc4741f396fcc', 1795833255722627, NULL);
INSERT INTO public.tasks VALUES ('\x0006614d034952d18a94fb55ef4d69b5', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'contact_share', '[Contact offered] Ada Lovelace', NULL, NULL, NULL, NULL, NULL, '\x0006614d03494b3b6df2c6d740ae5149', '\x0006614d030185f4410fc4741f396fcc', 1795833255765326, 1795833255781914);
INSERT INTO public.tasks VALUES ('\x0006614d0349cabf6abe7e27e0679c28', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'contact_share', '[Contact offered] Bob', NULL, NULL, NULL, NULL, NULL, '\x0006614d0349c5f9d2ba15de011159fa', '\x0006614d030185f4410fc4741f396fcc', 1795833255796081, NULL);
INSERT INTO public.tasks VALUES ('\x0006614d0349ff280cd4cc072fde7891', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301c09a74b56bc1f99c02c1', 'contact_share', '[Contact requested] eve@client.example', NULL, NULL, NULL, NULL, NULL, '\x0006614d0349fae5dd222e1b8c937acc', '\x0006614d030185f4410fc4741f396fcc', 1795833255811750, NULL);
INSERT INTO public.templates VALUES ('\x0006614d034bbe59af80dcd12a148c45', '\x0006614d0300dc40ea7cf305aad4270b', 'Thanks', 'Re', 'Dear {name}', NULL, '\x0006614d0301664c792461ebb0e567c8', 1795833255932632, 1795833255932632);
INSERT INTO public.tenants VALUES ('\x0006614d0300dc40ea7cf305aad4270b', 'Example', 'enterprise', 'full', 1795833251027394);
INSERT INTO public.tenants VALUES ('\x0006614d031c5caa73a36812d29046b5', 'Example', 'enterprise', 'full', 1795833252830357);
INSERT INTO public.thread_history VALUES ('\x0006614d0347dadcdb48b8305592ed3b', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033b89af7fe4a264b675fac2', 'assigned', '\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d030185f4410fc4741f396fcc', NULL, 1795833255669935, NULL);
INSERT INTO public.thread_history VALUES ('\x0006614d03482575ccf52719c61f246a', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d033cbac31fbda6a265ed4c1a', 'closed', NULL, '\x0006614d0301c09a74b56bc1f99c02c1', NULL, 1795833255691510, NULL);
INSERT INTO public.thread_openings VALUES ('\x0006614d0301a4ae32232d96ac7e59d5', '\x0006614d033b89af7fe4a264b675fac2', '\x0006614d030185f4410fc4741f396fcc', '\x0006614d0300dc40ea7cf305aad4270b', NULL);
INSERT INTO public.thread_references VALUES ('\x0006614d031c5caa73a36812d29046b5', '\x3f245a80028c617e9044cd74ea895cef', '\x0006614d033aecbea7de6d8df2b58908');
INSERT INTO public.thread_references VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x3f245a80028c617e9044cd74ea895cef', '\x0006614d033b89af7fe4a264b675fac2');
INSERT INTO public.thread_references VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\xa081f0cac9ba2ce6b9b8a11b3def78c3', '\x0006614d033b89af7fe4a264b675fac2');
INSERT INTO public.thread_references VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x766915446cae51adf8eb6c0ef54c044e', '\x0006614d033be353a86abc01e550223d');
INSERT INTO public.thread_references VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\xdd9eb60746ae5963875ed46d2de4372f', '\x0006614d033c1e4029e97abdd83032a7');
INSERT INTO public.thread_references VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\x49cb4726f6b8499378a05e3f9dd7d5f7', '\x0006614d033c8e31418584720f884578');
INSERT INTO public.thread_references VALUES ('\x0006614d0300dc40ea7cf305aad4270b', '\xde653b439031a6a656273b065013ffd6', '\x0006614d033cbac31fbda6a265ed4c1a');
INSERT INTO public.threads VALUES ('\x0006614d033aecbea7de6d8df2b58908', '\x0006614d031c5caa73a36812d29046b5', 'open', 1795833254827749, NULL);
INSERT INTO public.threads VALUES ('\x0006614d033be353a86abc01e550223d', '\x0006614d0300dc40ea7cf305aad4270b', 'open', 1795833254893009, NULL);
INSERT INTO public.threads VALUES ('\x0006614d033c1e4029e97abdd83032a7', '\x0006614d0300dc40ea7cf305aad4270b', 'open', 1795833254904614, NULL);
INSERT INTO public.threads VALUES ('\x0006614d033c8e31418584720f884578', '\x0006614d0300dc40ea7cf305aad4270b', 'open', 1795833254928278, NULL);
INSERT INTO public.threads VALUES ('\x0006614d033b89af7fe4a264b675fac2', '\x0006614d0300dc40ea7cf305aad4270b', 'open', 1795833254871341, '\x0006614d0301a4ae32232d96ac7e59d5');
INSERT INTO public.threads VALUES ('\x0006614d033cbac31fbda6a265ed4c1a', '\x0006614d0300dc40ea7cf305aad4270b', 'closed', 1795833254947761, NULL);
INSERT INTO public.tokens VALUES ('\x0006614d030199b54926286528298e1a', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'demo', 'email:read email:write contacts:read contacts:write context:read task:read task:write alerts:read alerts:write', '\x16f54f4e398a36f77c29a76c0b6d56e940c0630ccfb54b1e58472d794846e9a4', 'active', NULL, 1795833251027394, 1795833254959410, NULL);
INSERT INTO public.tokens VALUES ('\x0006614d0301b5bb552a01444335f028', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301a4ae32232d96ac7e59d5', 'demo', 'email:read email:write contacts:read contacts:write context:read task:read task:write alerts:read alerts:write', '\xf02b375eb733874e533866ddf37826967fc101bf5d9b64e6d5900523f828d23f', 'active', NULL, 1795833251027394, 1795833255600641, NULL);
INSERT INTO public.tokens VALUES ('\x0006614d0301d255998e9d78f8dad7c7', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d0301c09a74b56bc1f99c02c1', 'demo', 'email:read email:write contacts:read contacts:write context:read task:read task:write alerts:read alerts:write', '\x597a9c9d0b46579435a7d8cb88070f49d0f0aa79a6fc8cf9c28e6affeca6d6a0', 'active', NULL, 1795833251027394, 1795833255691510, NULL);
INSERT INTO public.tokens VALUES ('\x0006614d034d3d8fcd809c1bfaf49249', '\x0006614d0300dc40ea7cf305aad4270b', '\x0006614d030185f4410fc4741f396fcc', 'paused', 'email:read', '\x6791975a14f689939c7cd558977036c72bf9fc7d6040f7f6d05ece5d55ef265a', 'paused', '\x0006614d0301664c792461ebb0e567c8', 1795833256024612, NULL, NULL);
INSERT INTO public.trashed VALUES ('\x0006614d033cbad0452f9aad588f3e5f', '\x0006614d030185f4410fc4741f396fcc', 1795833255570961);
INSERT INTO public.users VALUES ('\x0006614d0301664c792461ebb0e567c8', '\x0006614d0300dc40ea7cf305aad4270b', 'owner@example.test', 'owner@example.test', 'Owner', 'owner', '$argon2id$v=19$m=47104,t=1,p=1$AJ3dQpfEgLkA6JhjREuJCw$5yhteT7dMPjqUD7WDeqxvKmwFLOyuI7eQ0ZieOjo+Qc', 1795833251027394);
INSERT INTO public.users VALUES ('\x0006614d03016b999aa53f2a70b335e6', '\x0006614d0300dc40ea7cf305aad4270b', 'member1@example.test', 'member1@example.test', 'Member1', 'member', '$argon2id$v=19$m=47104,t=1,p=1$4WezZoX9wPRYkh8+2MOZ5g$DdoT0H7f/InnZHrEkpc02YZVQSHNDRB9rCZkmzY+f0g', 1795833251027394);
INSERT INTO public.users VALUES ('\x0006614d03016f3e687a3fa71794353f', '\x0006614d0300dc40ea7cf305aad4270b', 'member2@example.test', 'member2@example.test', 'Member2', 'member', '$argon2id$v=19$m=47104,t=1,p=1$kF+d/X9Ps1irJQLuE1BFZQ$4G9r1o+3Z0hbU+GgZSOvBDx/o2Fp4qORrObRB0obEtA', 1795833251027394);
INSERT INTO public.users VALUES ('\x0006614d030172fbc69fe43bcfa02d7c', '\x0006614d0300dc40ea7cf305aad4270b', 'member3@example.test', 'member3@example.test', 'Member3', 'member', '$argon2id$v=19$m=47104,t=1,p=1$wEfTpmeU0Md17X4hHg31Iw$GDST6MAY/e5tWL95Bma3kCgdYwh8Lx3zRudihXbCgEU', 1795833251027394);
ALTER TABLE ONLY public.activity
    ADD CONSTRAINT activity_pkey PRIMARY KEY (activity_id);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_pkey PRIMARY KEY (canonical);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (alert_id);
ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT attachments_pkey PRIMARY KEY (message_id, "position");
ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (tenant_id, entry_id);
ALTER TABLE ONLY public.bodies
    ADD CONSTRAINT bodies_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.contact_addresses
    ADD CONSTRAINT contact_addresses_pkey PRIMARY KEY (inbox_id, canonical);
ALTER TABLE ONLY public.contact_merges
    ADD CONSTRAINT contact_merges_pkey PRIMARY KEY (merge_id);
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (contact_id);
ALTER TABLE ONLY public.contents
    ADD CONSTRAINT contents_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.copies
    ADD CONSTRAINT copies_pkey PRIMARY KEY (message_id, inbox_id);
ALTER TABLE ONLY public.copy_routes
    ADD CONSTRAINT copy_routes_pkey PRIMARY KEY (message_id, inbox_id, "position");
ALTER TABLE ONLY public.deferred_lists
    ADD CONSTRAINT deferred_lists_pkey PRIMARY KEY (list_id);
ALTER TABLE ONLY public.deleted_copies
    ADD CONSTRAINT deleted_copies_pkey PRIMARY KEY (message_id, inbox_id, "position");
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_pkey PRIMARY KEY (domain_id);
ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_tenant_id_name_key UNIQUE (tenant_id, name);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (event_id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.inboxes
    ADD CONSTRAINT inboxes_canonical_key UNIQUE (canonical);
ALTER TABLE ONLY public.inboxes
    ADD CONSTRAINT inboxes_pkey PRIMARY KEY (inbox_id);
ALTER TABLE ONLY public.list_members
    ADD CONSTRAINT list_members_member_id_key UNIQUE (member_id);
ALTER TABLE ONLY public.list_members
    ADD CONSTRAINT list_members_pkey PRIMARY KEY (list_id, inbox_id);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT lists_canonical_key UNIQUE (canonical);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT lists_pkey PRIMARY KEY (list_id);
ALTER TABLE ONLY public.message_openings
    ADD CONSTRAINT message_openings_pkey PRIMARY KEY (inbox_id, message_id);
ALTER TABLE ONLY public.messages_by_sender
    ADD CONSTRAINT messages_by_sender_pkey PRIMARY KEY (tenant_id, canonical, message_id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.note_mentions
    ADD CONSTRAINT note_mentions_pkey PRIMARY KEY (note_id, inbox_id);
ALTER TABLE ONLY public.note_messages
    ADD CONSTRAINT note_messages_pkey PRIMARY KEY (note_id, message_id);
ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (note_id);
ALTER TABLE ONLY public.parse_attempts
    ADD CONSTRAINT parse_attempts_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY public.relationships
    ADD CONSTRAINT relationships_pkey PRIMARY KEY (tenant_id, canonical, inbox_id);
ALTER TABLE ONLY public.relationships_worker
    ADD CONSTRAINT relationships_worker_pkey PRIMARY KEY (worker);
ALTER TABLE ONLY public.repeated_routes
    ADD CONSTRAINT repeated_routes_pkey PRIMARY KEY (message_id, "position");
ALTER TABLE ONLY public.retention_worker
    ADD CONSTRAINT retention_worker_pkey PRIMARY KEY (worker);
ALTER TABLE ONLY public.routed
    ADD CONSTRAINT routed_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.routes
    ADD CONSTRAINT routes_pkey PRIMARY KEY (message_id, "position");
ALTER TABLE ONLY public.search_documents
    ADD CONSTRAINT search_documents_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_secret_hash_key UNIQUE (secret_hash);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_pkey PRIMARY KEY (share_id);
ALTER TABLE ONLY public.store_state
    ADD CONSTRAINT store_state_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (task_id);
ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_pkey PRIMARY KEY (template_id);
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id);
ALTER TABLE ONLY public.thread_history
    ADD CONSTRAINT thread_history_pkey PRIMARY KEY (entry_id);
ALTER TABLE ONLY public.thread_openings
    ADD CONSTRAINT thread_openings_pkey PRIMARY KEY (to_inbox_id, thread_id, by_inbox_id);
ALTER TABLE ONLY public.thread_references
    ADD CONSTRAINT thread_references_pkey PRIMARY KEY (tenant_id, reference);
ALTER TABLE ONLY public.threads
    ADD CONSTRAINT threads_pkey PRIMARY KEY (thread_id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_secret_hash_key UNIQUE (secret_hash);
ALTER TABLE ONLY public.trashed
    ADD CONSTRAINT trashed_pkey PRIMARY KEY (message_id, inbox_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_canonical_key UNIQUE (canonical);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);
CREATE INDEX activity_by_address ON public.activity USING btree (inbox_id, canonical, activity_id);
CREATE INDEX activity_by_contact ON public.activity USING btree (inbox_id, contact_id, activity_id);
CREATE INDEX activity_by_time ON public.activity USING btree (created_at);
CREATE INDEX alerts_by_inbox ON public.alerts USING btree (inbox_id, alert_id);
CREATE INDEX alerts_due ON public.alerts USING btree (lane, due_at) WHERE (due_at IS NOT NULL);
CREATE UNIQUE INDEX alerts_of_inboxes ON public.alerts USING btree (inbox_id) WHERE (origin = 'inbox'::text);
CREATE INDEX alerts_of_tenants ON public.alerts USING btree (tenant_id, inbox_id);
CREATE INDEX alerts_told ON public.alerts USING btree (since) WHERE ((enabled = 1) AND (status = 'active'::text));
CREATE INDEX audit_log_by_action ON public.audit_log USING btree (tenant_id, action, entry_id);
CREATE INDEX audit_log_by_actor ON public.audit_log USING btree (tenant_id, actor_id, entry_id);
CREATE INDEX audit_log_by_object ON public.audit_log USING btree (tenant_id, object_id, entry_id);
CREATE INDEX audit_log_by_time ON public.audit_log USING btree (created_at);
CREATE INDEX contact_addresses_by_contact ON public.contact_addresses USING btree (contact_id);
CREATE INDEX contact_merges_by_contact ON public.contact_merges USING btree (contact_id, merge_id);
CREATE INDEX contact_merges_by_time ON public.contact_merges USING btree (merged_at);
CREATE INDEX contacts_by_age ON public.contacts USING btree (inbox_id, contact_id);
CREATE INDEX contacts_by_name ON public.contacts USING btree (inbox_id, sort_key, contact_id);
CREATE INDEX contacts_by_uid ON public.contacts USING btree (inbox_id, uid) WHERE (uid <> ''::text);
CREATE INDEX contents_by_file ON public.contents USING btree (file) WHERE (file IS NOT NULL);
CREATE INDEX copies_by_folder ON public.copies USING btree (inbox_id, folder, message_id, is_read);
CREATE INDEX deliveries_by_alert ON public.deliveries USING btree (alert_id, delivery_id);
CREATE INDEX deliveries_by_end ON public.deliveries USING btree (finished_at) WHERE (finished_at IS NOT NULL);
CREATE UNIQUE INDEX deliveries_once ON public.deliveries USING btree (alert_id, event_id);
CREATE INDEX deliveries_owed ON public.deliveries USING btree (alert_id, queued) WHERE (status = 'pending'::text);
CREATE UNIQUE INDEX domains_verified_once ON public.domains USING btree (name) WHERE (status = 'verified'::text);
CREATE INDEX events_by_inbox ON public.events USING btree (inbox_id, event_id) WHERE (inbox_id IS NOT NULL);
CREATE INDEX events_by_message ON public.events USING btree (message_id) WHERE (message_id IS NOT NULL);
CREATE INDEX events_of_threads ON public.events USING btree (tenant_id, event_id) WHERE ((inbox_id IS NULL) AND (message_id IS NULL));
CREATE INDEX idempotency_by_age ON public.idempotency_keys USING btree (claimed_at);
CREATE INDEX inboxes_by_owner ON public.inboxes USING btree (owner_user_id) WHERE (owner_user_id IS NOT NULL);
CREATE INDEX inboxes_by_tenant ON public.inboxes USING btree (tenant_id, inbox_id);
CREATE INDEX list_members_by_inbox ON public.list_members USING btree (inbox_id);
CREATE INDEX lists_by_tenant ON public.lists USING btree (tenant_id, list_id);
CREATE INDEX message_openings_by_message ON public.message_openings USING btree (message_id);
CREATE INDEX messages_by_thread ON public.messages USING btree (thread_id, message_id);
CREATE INDEX messages_pending ON public.messages USING btree (message_id) WHERE (parse_status = 'pending'::text);
CREATE INDEX note_mentions_by_inbox ON public.note_mentions USING btree (inbox_id, thread_id);
CREATE INDEX notes_by_expiry ON public.notes USING btree (expires_at);
CREATE INDEX notes_by_thread ON public.notes USING btree (thread_id, note_id);
CREATE INDEX relationships_by_strength ON public.relationships USING btree (inbox_id, score, canonical);
CREATE INDEX search_documents_by_words ON public.search_documents USING gin (words);
CREATE INDEX sessions_by_user ON public.sessions USING btree (user_id);
CREATE INDEX shares_incoming ON public.shares USING btree (to_inbox_id, status, share_id);
CREATE INDEX shares_outgoing ON public.shares USING btree (from_inbox_id, status, share_id);
CREATE INDEX shares_pending ON public.shares USING btree (created_at) WHERE (status = 'pending'::text);
CREATE INDEX shares_resolved ON public.shares USING btree (resolved_at) WHERE (status <> 'pending'::text);
CREATE INDEX tasks_by_share ON public.tasks USING btree (share_id) WHERE (share_id IS NOT NULL);
CREATE INDEX tasks_by_thread ON public.tasks USING btree (thread_id, inbox_id) WHERE (thread_id IS NOT NULL);
CREATE INDEX tasks_completed ON public.tasks USING btree (inbox_id, completed_at, task_id) WHERE (completed_at IS NOT NULL);
CREATE INDEX tasks_of_notes ON public.tasks USING btree (created_at) WHERE ((type = 'mention'::text) AND (completed_at IS NOT NULL));
CREATE INDEX tasks_open ON public.tasks USING btree (inbox_id, due_at, task_id) WHERE (completed_at IS NULL);
CREATE INDEX templates_by_tenant ON public.templates USING btree (tenant_id, template_id);
CREATE INDEX thread_history_by_thread ON public.thread_history USING btree (thread_id, entry_id);
CREATE INDEX thread_openings_by_giver ON public.thread_openings USING btree (by_inbox_id, thread_id);
CREATE INDEX threads_assigned ON public.threads USING btree (assignee_inbox_id, thread_id) WHERE (assignee_inbox_id IS NOT NULL);
CREATE INDEX threads_by_tenant ON public.threads USING btree (tenant_id, thread_id);
CREATE INDEX threads_closed ON public.threads USING btree (tenant_id, thread_id) WHERE (status = 'closed'::text);
CREATE INDEX tokens_by_tenant ON public.tokens USING btree (tenant_id, token_id);
CREATE INDEX trashed_by_time ON public.trashed USING btree (trashed_at);
CREATE INDEX users_by_tenant ON public.users USING btree (tenant_id, user_id);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_domain_id_fkey FOREIGN KEY (domain_id) REFERENCES public.domains(domain_id);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_inbox_id_fkey FOREIGN KEY (inbox_id) REFERENCES public.inboxes(inbox_id);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_list_id_fkey FOREIGN KEY (list_id) REFERENCES public.lists(list_id);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.inboxes
    ADD CONSTRAINT inboxes_domain_id_fkey FOREIGN KEY (domain_id) REFERENCES public.domains(domain_id);
ALTER TABLE ONLY public.inboxes
    ADD CONSTRAINT inboxes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.list_members
    ADD CONSTRAINT list_members_inbox_id_fkey FOREIGN KEY (inbox_id) REFERENCES public.inboxes(inbox_id);
ALTER TABLE ONLY public.list_members
    ADD CONSTRAINT list_members_list_id_fkey FOREIGN KEY (list_id) REFERENCES public.lists(list_id);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT lists_domain_id_fkey FOREIGN KEY (domain_id) REFERENCES public.domains(domain_id);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT lists_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_inbox_id_fkey FOREIGN KEY (inbox_id) REFERENCES public.inboxes(inbox_id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id);
