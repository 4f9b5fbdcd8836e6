#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every atomic operation says what it is for.

    check-sync.py FOLDER...

The comment above the statement of an atomic operation, or inside that statement, holds one of

    SYNC(tag) release|acquire|acq_rel|seq_cst    which hand-over between threads this is a side of
    RELAXED(reason)                              why nothing hangs on its order

one for each operation of the statement, in order. The memory order in the code must give what the
comment claims; an order that is stronger than relaxed needs a SYNC. Each tag must have a release
side and an acquire side somewhere. An operation without an explicit order is refused.
"""
import re
import sys

from csource import Source, sources

OPERATION = re.compile(
    r'\batomic_(?:(load|store|exchange|compare_exchange_(?:strong|weak)|fetch_\w+?|'
    r'thread_fence|signal_fence|flag_\w+?)(_explicit)?)\s*\(')
FOREIGN = re.compile(r'\b(__atomic_\w+|__sync_\w+|__c11_atomic_\w+)\s*\(')
ORDER = re.compile(r'\bmemory_order_(\w+)')
NOTE = re.compile(r'SYNC\(([\w.]+)\)\s+(\w+)|RELAXED\(([^()]*(?:\([^()]*\)[^()]*)*)\)')

# What each memory order gives, and what each claim asks for.
GIVES = {'relaxed': set(), 'consume': {'acquire'}, 'acquire': {'acquire'}, 'release': {'release'},
         'acq_rel': {'acquire', 'release'}, 'seq_cst': {'acquire', 'release', 'seq_cst'}}
ASKS = {'acquire': {'acquire'}, 'release': {'release'}, 'acq_rel': {'acquire', 'release'},
        'seq_cst': {'seq_cst'}}


def statement_start(code, place):
    """Where the statement around a place begins: behind the ; { } before it that is not inside
    parentheses which closed since, or behind a preprocessor line."""
    depth = 0
    for i in range(place - 1, -1, -1):
        c = code[i]
        if c == ')':
            depth += 1
        elif c == '(':
            depth = max(0, depth - 1)
        elif c in ';{}' and depth == 0:
            return i + 1
    return 0


def statement_end(code, place):
    """Where it ends: at the next ; or { outside parentheses."""
    depth = 0
    for i in range(place, len(code)):
        c = code[i]
        if c == '(':
            depth += 1
        elif c == ')':
            depth -= 1
        elif c in ';{}' and depth <= 0:
            return i
    return len(code)


def arguments(code, opening):
    """The text between a parenthesis and the one that closes it."""
    depth = 0
    for i in range(opening, len(code)):
        depth += {'(': 1, ')': -1}.get(code[i], 0)
        if depth == 0:
            return code[opening + 1:i]
    return code[opening + 1:]


def own_arguments(text):
    """An argument list without the operations nested in it, whose orders are theirs."""
    while nested := OPERATION.search(text):
        inner = arguments(text, nested.end() - 1)
        text = text[:nested.start()] + ' ' * (len(inner) + 2) + text[nested.end() + len(inner) + 1:]
    return text


def notes_of(source, start, end):
    """The notes that belong to the statement in [start, end): in it, and in the comment that
    stands directly above its first line of code."""
    first = start
    while first < end and source.code[first].isspace():
        first += 1
    top = source.line(first)
    while top > 0 and source.is_comment(top - 1):
        top -= 1
    text = '\n'.join(source.comment_lines[top:source.line(end) + 1])
    return list(NOTE.finditer(re.sub(r'\s*\n\s*\*?\s*', ' ', text)))


def check_claim(operation, order, note):
    """What is wrong with one operation of a memory order under one note, or None."""
    if order not in GIVES:
        return 'has no explicit memory order'
    tag, claim, reason = note.groups()
    if tag is None:
        if not reason.strip():
            return 'RELAXED() gives no reason'
        return None if order == 'relaxed' else f'is {order} under a RELAXED note'
    if claim not in ASKS:
        return f'SYNC({tag}) {claim}: not release, acquire, acq_rel or seq_cst'
    gives = set(GIVES[order])
    if operation == 'load':
        gives.discard('release')
    elif operation == 'store':
        gives.discard('acquire')
    if ASKS[claim] <= gives:
        return None
    return f'SYNC({tag}) claims {claim}, the code is a {order} {operation}'


def check_statement(source, start, found, sides):
    """Complaints about one statement with its operations; fills in the sides of its tags."""
    end = statement_end(source.code, found[-1].start())
    notes = notes_of(source, start, end)
    for operation, note in zip(found, notes):
        place = operation.end() - 1
        orders = ORDER.findall(own_arguments(arguments(source.code, place)))
        kind = operation[1]
        explicit = orders and (operation[2] or kind.endswith('fence'))
        # The first order of a compare-and-swap is the one for success.
        problem = check_claim(kind, orders[0] if explicit else None, note)
        if problem:
            yield operation.start(), problem
        elif note[1]:
            sides.setdefault(note[1], set()).update(side_of(note[2], kind))
    if len(notes) < len(found):
        yield found[len(notes)].start(), 'has no SYNC(tag) or RELAXED(reason) of its own'


def side_of(claim, operation):
    """The sides of its tag that an operation is."""
    both = {'load': {'acquire'}, 'store': {'release'}}.get(operation, {'acquire', 'release'})
    return both if claim in ('acq_rel', 'seq_cst') else {claim}


def check_file(path, sides):
    source = Source(path)
    blanked = re.sub(r'(?m)^[ \t]*#.*$', lambda m: ' ' * (len(m[0]) - 1) + ';', source.code)
    for found in FOREIGN.finditer(source.code):
        yield source, found.start(), f'{found[1]}: use the functions of <stdatomic.h>'
    statements = {}
    for found in OPERATION.finditer(source.code):
        statements.setdefault(statement_start(blanked, found.start()), []).append(found)
    for start, found in statements.items():
        for place, problem in check_statement(source, start, found, sides):
            yield source, place, problem


def main():
    sides, bad, count = {}, 0, 0
    for folder in sys.argv[1:]:
        for path in sources(folder):
            count += 1
            for source, place, problem in check_file(path, sides):
                name = OPERATION.match(source.code, place)
                name = name[0].rstrip('( ') + ' ' if name else ''
                print(f'{path}:{source.line(place) + 1}: {name}{problem}')
                bad += 1
    for tag, have in sorted(sides.items()):
        for side in sorted({'acquire', 'release'} - have):
            print(f'SYNC({tag}): no {side} side in any file')
            bad += 1
    if count == 0:
        sys.exit('check-sync: no C file in ' + ' '.join(sys.argv[1:]))
    print(f'{len(sides)} tags in {count} files, {bad} problems')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
