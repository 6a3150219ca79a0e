#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tables.py SOURCE: the tables of PROTOCOL.md (§13) and SLOTS.md say what limits.h, codes.h and the decoder say."""
import re
import sys

SOURCE = sys.argv[1]
# Of what a broker keeps, and no peer meets; and what stands in the text (§13.5).
INNER = {"BELT_MAX_SPAN", "BELT_MAX_EXACT"}
faults = []


def read(path):
    with open(f"{SOURCE}/{path}", encoding="utf-8") as file:
        return file.read()


def same(what, told, true):
    if told != true:
        faults.append(f"{what}: the document says {told}, the source {true}")


def rows(text, heading):
    """The cells of the table under a heading."""
    part = re.split(r"\n#+ ", text.split(heading, 1)[1], maxsplit=1)[0]
    lines = [line for line in part.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def constants(text):
    """Names and values of a header's #defines that are numbers."""
    found = {}
    for name, value in re.findall(r"^#define (\w+)\s+([^/\n]+)", text, re.M):
        value = re.sub(r"\((?:uint64_t|size_t)\)", "", value)
        value = re.sub(r"\b(\d+)(?:u|ul|ull|U|UL|ULL)\b", r"\1", value)
        if re.fullmatch(r"[\d\s()<>*+/-]+", value):
            found[name] = eval(value)  # digits and operators, nothing else
    return found


def keys(path, function):
    """The keys that the decoder knows: the list `names` of a function."""
    body = read(path).split(f"static bool {function}(", 1)[1]
    names = re.search(r"names\[\] = \{(.*?)\};", body, re.S).group(1)
    return set(re.findall(r'"(\w+)"', names))


def check_codes(protocol):
    codes = {int(number): name for name, number in re.findall(r"X\((\w+), (\d+),", read("proto/include/belt/codes.h"))}
    told = {int(row[0]): row[1] for row in rows(protocol, "### 13.1 ")}
    same("codes", told, {number: name for number, name in sorted(codes.items()) if number < 64})


def check_keys(protocol):
    decoder = {
        "OPEN": keys("proto/codec_read_job.c", "read_open_option"),
        "CANCEL": keys("proto/codec_read_job.c", "read_cancel_option"),
        "STATUS": keys("proto/codec_read_rows.c", "read_status_option"),
        "DISPATCH": keys("proto/codec_read_batch.c", "read_dispatch_option"),
        "HELLO of a worker": keys("proto/codec_read.c", "read_hello_prop"),
        "WELCOME": keys("proto/codec_read.c", "read_welcome_prop"),
    }
    table = rows(protocol, "### 13.2 ") + rows(protocol, "### 13.3 ")
    for message, known in decoder.items():
        same(f"keys of {message}", sorted(row[1].strip("`") for row in table if row[0] == message), sorted(known))


def check_ranges(protocol, bounds):
    greatest = {"window_items": "BELT_WINDOW_ITEMS_MAX", "argument": "BELT_MAX_ARGUMENT",
                "backoff_ms": "BELT_MAX_WAIT_MS", "after_ms": "BELT_MAX_WAIT_MS", "deadline_ms": "BELT_MAX_WAIT_MS"}
    for message, key, kind, default, *_ in rows(protocol, "### 13.2 "):
        number = re.search(r"to (\d+)", kind)
        if message == "OPEN" and key.strip("`") in greatest:
            same(f"range of {key}", number and int(number.group(1)), bounds[greatest[key.strip("`")]])
        if key == "`max_attempts`":
            same(key, int(default), bounds["BELT_MAX_ATTEMPTS_DEFAULT"])
        if key == "`backoff_ms`":
            same(key, int(default), bounds["BELT_BACKOFF_MS"])
    props = {"slots": "BELT_MAX_SLOTS", "functions": "BELT_MAX_FUNCTIONS", "window_items": "BELT_MAX_HELD",
             "max_payload": "BELT_MAX_PAYLOAD_CEILING"}
    missing = {"heartbeat_ms": "BELT_HEARTBEAT_MS", "lease_ms": "BELT_LEASE_MS",
               "max_payload": "BELT_MAX_PAYLOAD_DEFAULT"}
    for _, key, kind, absent in rows(protocol, "### 13.3 "):
        key, number = key.strip("`"), re.search(r"to (\d+)", kind)
        if key in props:
            same(f"range of {key}", number and int(number.group(1)), bounds[props[key]])
        if key in missing:
            same(f"default of {key}", int(absent), bounds[missing[key]])


def check_bounds(name, table, bounds):
    for bound, value, *_ in table:
        same(f"{name}: {bound}", int(value), bounds.get(bound.strip("`")))


def main():
    protocol, slots = read("proto/PROTOCOL.md"), read("worker/SLOTS.md")
    bounds = constants(read("proto/limits.h"))
    check_codes(protocol)
    check_keys(protocol)
    check_ranges(protocol, bounds)
    check_bounds("PROTOCOL.md", rows(protocol, "### 13.4 "), bounds)
    check_bounds("SLOTS.md", rows(slots, "## Bounds"), {**bounds, **constants(read("worker/slot/protocol.h"))})
    told = {row[0].strip("`") for row in rows(protocol, "### 13.4 ")}
    for name in sorted(name for name in set(bounds) - told - INNER if name.startswith("BELT_MAX_")):
        faults.append(f"PROTOCOL.md has no row for {name}")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


main()
