"""Soundgate between a real client and a real server, in network namespaces of its own.

The demo and the end-to-end tests both drive this: bed.Testbed is the way in. Python's standard
library only; needs root.
"""
