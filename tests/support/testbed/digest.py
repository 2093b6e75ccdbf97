"""SHA-256 of a file, in hex: also the content id that `soundgate enroll` derives."""

import hashlib


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
