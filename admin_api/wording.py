"""What is wrong with a field, in our words: one sentence for each kind of fault pydantic finds.

None of them holds what was sent, or tells how the server is built.
"""

from __future__ import annotations

from pydantic_core import ErrorDetails

ANYTHING_ELSE = "is not valid"

_WORDING = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} characters at most",
    "string_pattern_mismatch": "is not of the form that is asked for",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "list_type": "must be an array",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} entries at most",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}


def message_of(error: ErrorDetails) -> str:
    """The sentence for a fault; a check of ours says by itself what is wrong."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    return _WORDING.get(error["type"], ANYTHING_ELSE).format(**context)
