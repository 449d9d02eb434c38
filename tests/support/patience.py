"""How long a test waits for what comes soon, if it comes at all.

Such a bound ends a test that hangs; it measures nothing. On a processor that others hold, what
takes a millisecond may take half a minute. It is for the start and the end of programs, and for
what nothing else brings about: where the product looks again by itself, a wait as long as that
would let a lost wake-up pass.
"""

HANG_SECONDS = 90.0
