#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom.

    check-layers.py ROOT

A folder includes from itself, from the public headers, and from the folders listed for it here.
Public headers include each other and the system's; examples include as a user would, with <...>.
ARCHITECTURE.md draws the same picture.
"""
import pathlib
import re
import sys

from csource import Source, sources

LAYERS = {
    'include/ferry': [],
    'src/base': [],
    'src/os': ['src/base'],
    'src/object': ['src/base', 'src/os', 'src/wait'],
    'src/wait': ['src/base', 'src/os'],
    'src/mailbox': ['src/base', 'src/os', 'src/object', 'src/wait'],
    'src/sync': ['src/base', 'src/os', 'src/object', 'src/wait'],
    'src/segment': ['src/base', 'src/os', 'src/object', 'src/wait', 'src/sync'],
    'src/lock': ['src/base', 'src/os', 'src/object', 'src/wait', 'src/sync', 'src/segment'],
    'src/pipe': ['src/base', 'src/os', 'src/object', 'src/wait'],
    'src/kinds': ['src/base', 'src/os', 'src/object', 'src/wait', 'src/mailbox', 'src/sync',
                  'src/segment', 'src/pipe'],
    'src/signal': ['src/base', 'src/os', 'src/wait'],
    'src/process': ['src/base', 'src/os', 'src/object', 'src/wait', 'src/pipe'],
    'src/socket': ['src/base', 'src/os', 'src/wait', 'src/object'],
    'src/waiting': ['src/base', 'src/os', 'src/object', 'src/wait', 'src/mailbox', 'src/sync',
                    'src/segment', 'src/lock', 'src/pipe', 'src/signal', 'src/process',
                    'src/socket'],
    'src/tls': ['src/base', 'src/os', 'src/socket'],
    'src/loop': ['src/base', 'src/os'],
    'cli': [],
    'examples': [],
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\b[ \t]*(.*)$', re.MULTILINE)


def folder_of(root, path):
    """The layer that a file belongs to: its folder, at the depth at which layers are."""
    parts = path.relative_to(root).parts[:-1]
    return '/'.join(parts[:2] if parts and parts[0] in ('src', 'include') else parts[:1])


def target_of(root, path, name):
    """The file of ours that an include names, or None."""
    for base in (path.parent, root / 'src', root, root / 'include'):
        if (base / name).is_file():
            return (base / name).resolve()
    return None


def check_include(root, path, spelled):
    """What is wrong with one include, or None."""
    layer = folder_of(root, path)
    quoted = re.match(r'"([^"]+)"', spelled)
    angled = re.match(r'<([^>]+)>', spelled)
    if angled:
        name = angled[1]
        if name.startswith('ferry/'):
            found = (root / 'include' / name).is_file()
            return None if found else f'<{name}> is not a public header'
        # A header of ours in angle brackets would escape the rules below.
        escaped = '/' in name and any((root / b / name).is_file() for b in ('src', '.'))
        return f'<{name}>: ours, write it in quotes' if escaped else None
    if not quoted:
        return f'{spelled}: an include that cannot be read'
    target = target_of(root, path, quoted[1])
    if target is None or root not in target.parents:
        return f'"{quoted[1]}" is no file of ours'
    other = folder_of(root, target)
    if other == 'include/ferry':
        return f'"{quoted[1]}": write <ferry/{target.name}>'
    if other != layer and other not in LAYERS[layer]:
        return f'"{quoted[1]}": {layer} may not include from {other}'
    return None


def check_file(root, path):
    layer = folder_of(root, path)
    if layer not in LAYERS:
        yield 0, f'{layer} is not a layer that scripts/check-layers.py knows'
        return
    source = Source(path)
    for found in INCLUDE.finditer(source.text):
        if '#' not in source.code[found.start():found.end()]:
            continue  # in a comment
        if problem := check_include(root, path, found[1].strip()):
            yield source.line(found.start()), problem


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    bad, count = 0, 0
    for top in ('include', 'src', 'cli', 'examples'):
        for path in sources(root / top):
            count += 1
            for line, problem in check_file(root, path):
                print(f'{path.relative_to(root)}:{line + 1}: {problem}')
                bad += 1
    if count == 0:
        sys.exit(f'check-layers: no C file in {root}')
    print(f'{count} files, {bad} problems')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
