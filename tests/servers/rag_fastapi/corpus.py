"""The passages that are searched: docstrings of the Python on this machine.

Real text that every machine with Python has, in a fixed order: the standard
library first, then what is installed beside it.  A docstring is cut at its
blank lines; short paragraphs are joined to the one that follows.
"""

import ast
import inspect
import pathlib
import sysconfig
import warnings

SHORT = 120  # characters: a paragraph below that gets its neighbour's
LONG = 900  # and one above it is cut
SKIPPED = {"__pycache__", "idlelib", "lib2to3", "site-packages",
           "dist-packages", "test", "tests"}


def source_files():
    """Python files: of the standard library, then of what is installed."""
    paths = sysconfig.get_paths()
    roots = [paths["stdlib"], paths["platlib"], paths["purelib"],
             "/usr/lib/python3/dist-packages"]
    seen = set()
    for root in map(pathlib.Path, roots):
        if root in seen or not root.is_dir():
            continue
        seen.add(root)
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root)
            if not SKIPPED.intersection(name.parts):
                yield name, path


def docstrings(path):
    """(qualified name, cleaned docstring) of all that has one in a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # others' invalid escapes
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    stack = [("", tree)]
    while stack:
        scope, node = stack.pop()
        text = ast.get_docstring(node, clean=False)
        if text:
            yield scope, inspect.cleandoc(text)
        for child in reversed(list(ast.iter_child_nodes(node))):
            if isinstance(child, (ast.ClassDef, ast.FunctionDef,
                                  ast.AsyncFunctionDef)):
                stack.append((f"{scope}.{child.name}", child))


def paragraphs(text):
    """Cut at blank lines into pieces of SHORT to LONG characters."""
    piece = ""
    for paragraph in text.split("\n\n"):
        piece = f"{piece} {' '.join(paragraph.split())}".strip()
        if len(piece) >= SHORT:
            yield piece[:LONG]
            piece = ""
    if len(piece) >= SHORT // 3:
        yield piece


def passages(limit):
    """The first @limit (title, text) pairs."""
    count = 0
    for name, path in source_files():
        module = ".".join(name.with_suffix("").parts)
        for scope, text in docstrings(path):
            for piece in paragraphs(text):
                yield module + scope, piece
                count += 1
                if count == limit:
                    return
