#!/usr/bin/env python3
"""names.py LINUX REPO FILE...: names in comments that are nowhere in the tree.

A comment that says function() or %NAME must mean something that exists, in the
kernel or in the series.
"""
import os
import re
import subprocess
import sys

linux, repo, files = sys.argv[1], sys.argv[2], sys.argv[3:]
comment = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
wanted = {}
for name in files:
    text = open(os.path.join(repo, name), encoding="utf-8").read()
    for match in comment.finditer(text):
        body = match.group(0)
        for word in re.findall(r"\b([a-z_][a-z0-9_]{3,})\(\)", body) + \
                re.findall(r"%([A-Z][A-Z0-9_]{2,})\b", body):
            wanted.setdefault(word, name)

# Our own files first: what they define needs no search of the kernel.
ours = "\n".join(comment.sub("", open(os.path.join(repo, f), encoding="utf-8").read())
                 for f in files)
missing = [w for w in wanted if not re.search(r"\b%s\b" % re.escape(w), ours)]
bad = []
for word in sorted(missing):
    dirs = ["include", "kernel", "mm", "fs", "lib", "init", "arch/x86", "drivers/base",
            "drivers/pci", "drivers/iommu", "drivers/vfio"]
    # System calls are known by their entry point.
    pattern = r"\b(%s|SYSCALL_DEFINE[0-9]\(%s)\b" % (word, re.sub(r"^sys_", "", word))
    if subprocess.run(["grep", "-rqE", "--include=*.[chS]", pattern] + dirs,
                      cwd=linux, check=False).returncode:
        bad.append(word)
for word in bad:
    print(f"{wanted[word]}: {word} is nowhere")
sys.exit(bool(bad))
