"""How long a test waits for what comes soon, if it comes at all.

Such a bound ends a test that hangs; it measures nothing. On a processor that others hold, what
takes a millisecond may take half a minute.
"""

HANG_SECONDS = 90.0
