# SPDX-License-Identifier: MIT
"""What the checkers need to know about C text: where its comments, strings and lines are."""
import bisect
import pathlib
import re

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


class Source:
    """One C file. `code` and `comments` are as long as the text, each with the other blanked out,
    so that a place in one is the same place in all."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.text = self.path.read_text(encoding='utf-8')
        code, comments = list(self.text), [c if c == '\n' else ' ' for c in self.text]
        for token in TOKEN.finditer(self.text):
            is_comment = token[0][0] == '/'
            for i in range(token.start(), token.end()):
                if is_comment:
                    comments[i] = self.text[i]
                if self.text[i] != '\n':
                    code[i] = ' '
        self.code, self.comments = ''.join(code), ''.join(comments)
        self.starts = [0] + [i + 1 for i, c in enumerate(self.text) if c == '\n']
        self.code_lines = self.code.split('\n')
        self.comment_lines = self.comments.split('\n')

    def line(self, place):
        """The number of the line, from 0, that a place is on."""
        return bisect.bisect_right(self.starts, place) - 1

    def is_comment(self, line):
        """Does a line hold a comment and nothing else?"""
        return self.comment_lines[line].strip() and not self.code_lines[line].strip()


def sources(root):
    """All C files under a folder, sorted."""
    return [p for p in sorted(pathlib.Path(root).rglob('*.[ch]')) if p.is_file()]
