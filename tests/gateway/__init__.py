"""Tests of the receiving edge."""
