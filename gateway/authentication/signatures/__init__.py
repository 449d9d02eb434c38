"""Signatures of DKIM and ARC: header and body as they were signed, keys, verification."""
