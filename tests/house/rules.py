"""The rules of the house, as functions from a file's path and text to complaints.

A path is relative to the repository, with forward slashes. DESIGN.md's rooms and adapters are the
tables here: a new edge or a new home for a library is a decision, and is made in these tables.
"""

import fnmatch
import re
from pathlib import PurePosixPath

ROOMS = ("dataplane", "fingerprint", "index", "control")
TOP_FOLDERS = {*ROOMS, "tests", "perf", "deploy", ".ci"}
TOP_FILES = {"CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md", "LICENSE",
             ".clang-format", ".clang-tidy", ".gitignore"}

# What a room may include of ours.
ROOM_EDGES = {
    "dataplane": ["dataplane/*"],
    "fingerprint": ["fingerprint/*"],
    "index": ["index/*", "fingerprint/fingerprint.h"],
    "control": ["dataplane/*", "fingerprint/*", "index/*", "control/*"],
}

# Where the headers of a third-party library may be included, among the rooms.
LIBRARY_HOMES = {
    "rte_ring*.h": ["dataplane/*"],
    "rte_*.h": ["dataplane/port/*"],
    "http_parser.h": ["dataplane/http/*"],
    "libav*/*": ["fingerprint/decode/*", "fingerprint/chroma/spectrum.cc"],
    "libsw*/*": ["fingerprint/decode/*"],
    "boost/context/*": ["fingerprint/decode/*"],
    "zlib.h": ["fingerprint/decode/worker/inflater.cc"],
    "chromaprint.h": [],  # what the tests compare with
    "xxhash.h": ["fingerprint/exact/*", "index/catalogue/*", "index/search/checksum.cc"],
    "faiss/*": ["index/search/*"],
    "sqlite3.h": ["index/catalogue/*", "control/decisions/*"],
    "boost/asio*": ["control/*"],
    "boost/beast*": ["control/*"],
    "nlohmann/*": ["control/*", "index/catalogue/*"],
    "systemd/*": ["control/*"],
    "toml++/*": ["control/config/*"],
    "CLI/*": ["control/cli/*", "control/soundgate*.cc"],
    "spdlog/*": ["control/*"],
    "openssl/*": ["control/inspection/*"],
}

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(text):
    """(name, is_quoted) of each include, in order."""
    return [(name, mark == '"') for mark, name in _INCLUDE.findall(text)]


def room_of(path):
    room = path.split("/")[0]
    return room if room in ROOMS else None


def check_room_edges(path, text):
    room = room_of(path)
    if not room:
        return
    for name, is_quoted in includes(text):
        ours = name.split("/")[0] in TOP_FOLDERS
        if is_quoted and not ours:
            yield f'{path}: "{name}" is not named from the top of the repository'
        elif ours and not any(fnmatch.fnmatch(name, edge) for edge in ROOM_EDGES[room]):
            yield f"{path}: {room} may not know {name}"


def check_library_homes(path, text):
    if not room_of(path):
        return
    for name, is_quoted in includes(text):
        homes = next((homes for library, homes in LIBRARY_HOMES.items()
                      if not is_quoted and fnmatch.fnmatch(name, library)), None)
        if homes and not any(fnmatch.fnmatch(path, home) for home in homes):
            yield f"{path}: <{name}> belongs in {' or '.join(homes)}"


def check_own_header_first(path, text, files):
    """That is what shows a header to be self-contained."""
    header = re.sub(r"\.cc$", ".h", path)
    if not room_of(path) or header == path or header not in files:
        return
    named = includes(text)
    if not named or named[0][0] != header:
        yield f"{path}: its own header, {header}, is not its first include"


def check_header_opening(path, text):
    if not room_of(path) or not path.endswith(".h"):
        return
    if not text.startswith("//"):
        yield f"{path}: does not open with a comment that says what it is for"
    if "#pragma once" not in text:
        yield f"{path}: has no #pragma once"


def check_top_level(files):
    for name in sorted({path.split("/")[0] for path in files}):
        is_folder = any(path.startswith(name + "/") for path in files)
        if name not in (TOP_FOLDERS if is_folder else TOP_FILES):
            yield f"{name}: the top level is fixed, and this is not part of it"


def check_room_readmes(files):
    for room in ROOMS:
        if f"{room}/README.md" not in files:
            yield f"{room}: has no README.md"


_NAMESPACE = re.compile(r"^namespace (\w+(?:::\w+)*) \{", re.M)
_DEFINED = re.compile(r"^(?:class|struct) (\w+)(?: final)?(?: :[^;{]*)? \{", re.M)


def check_type_names(texts):
    """One type, one header: the linker would quietly make two of the same name into one."""
    homes = {}
    for path, text in sorted(texts.items()):
        if not room_of(path) or not path.endswith(".h"):
            continue
        namespace = "::".join(_NAMESPACE.findall(text)) or "(global)"
        for name in _DEFINED.findall(text):
            homes.setdefault(f"{namespace}::{name}", []).append(path)
    for name, paths in homes.items():
        if len(paths) > 1:
            yield f"{name}: defined in {' and '.join(paths)}"


_NAMED = re.compile(r"`([\w.*-]+(?:/[\w.*-]+)*/?)`|\]\(([^)#:\s]+)\)")
_EXTENSIONS = {".h", ".cc", ".def", ".md", ".py", ".sh", ".sql", ".cmake"}


def named_files(text):
    """What a README names and what therefore has to be there: `file.h`, `folder/`, [links](x)."""
    for in_code, linked in _NAMED.findall(text):
        if linked or in_code.endswith("/") or PurePosixPath(in_code).suffix in _EXTENSIONS:
            yield linked or in_code


def check_named_files(path, text, files):
    """A name is looked for beside the README and below it, and from the top."""
    if not path.endswith(".md") or path == "CHANGELOG.md":
        return
    here = str(PurePosixPath(path).parent).removeprefix(".")
    for name in named_files(text):
        wanted = name + "*" if name.endswith("/") else name
        patterns = [wanted, f"{here}/{wanted}".lstrip("/"), f"{here}/*/{wanted}".lstrip("/")]
        if not any(fnmatch.fnmatch(file, pattern) for pattern in patterns for file in files):
            yield f"{path}: names {name}, which is not there"
