"""One call, from request to response: routing, validation, access, idempotency, audit."""
