"""Measurements against Postfix on this machine; run with make bench."""
