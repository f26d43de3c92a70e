#!/usr/bin/env python3
"""names.py LINUX REPO: names in our comments and documents that mean nothing.

Where a comment or a document says function() or %NAME, code must know that
name: the kernel's, or ours outside of comments.
"""
import os
import re
import subprocess
import sys

LINUX, REPO = sys.argv[1:]
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
NAME = re.compile(r"\b([a-zA-Z_]\w{2,})\(\)|%([A-Z][A-Z0-9_]{2,})\b")


def git(*args, **kwargs):
    return subprocess.run(["git", "-C", LINUX, *args], stdout=subprocess.PIPE,
                          text=True, check=False, **kwargs).stdout


def texts():
    """(path, prose, code) for each file of the series, only its lines in a hooked one."""
    for path in git("diff", "--name-only", "--no-renames", "refs/lab/base", "refs/lab/head").split():
        own = os.path.join(REPO, path)
        if path.startswith("tools/") or path == "MAINTAINERS":
            continue
        if os.path.exists(own):
            with open(own, encoding="utf-8") as file:
                text = file.read()
        else:
            diff = git("diff", "-U0", "refs/lab/base", "refs/lab/head", "--", path)
            text = "\n".join(line[1:] for line in diff.splitlines()
                             if line.startswith("+") and not line.startswith("+++"))
        if path.endswith(".rst"):
            yield path, text, ""
        elif path.endswith((".c", ".h", ".S")):
            yield path, "\n".join(COMMENT.findall(text)), COMMENT.sub(" ", text)


wanted, known = {}, set()
for path, prose, code in texts():
    known.update(re.findall(r"\w+", code))
    for match in NAME.finditer(prose):
        wanted.setdefault(match.group(1) or match.group(2), path)

missing = sorted(set(wanted) - known)
if missing:
    # sys_foo() is SYSCALL_DEFINE(foo, ...).
    words = {word: re.sub(r"^sys_", "", word) for word in missing}
    found = set(git("grep", "-ohwF", "-f", "-", "refs/lab/base", "--", "*.[chS]",
                    ":!tools", ":!samples", input="\n".join(words.values()) + "\n").split())
    missing = [word for word in missing if words[word] not in found]
for word in missing:
    print(f"{wanted[word]}: {word} is nowhere")
print(f"{len(wanted)} names")
sys.exit(bool(missing))
