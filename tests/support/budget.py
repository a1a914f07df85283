"""Code tokens of each folder against its ceiling in budget.toml; `make lint` runs it.

    python tests/support/budget.py           fails where a folder has more than its ceiling
    python tests/support/budget.py --lower   sets each ceiling that is too high to today's figure

A ceiling is raised by hand only; the commit that does it says what users get for it.
"""

import ast
import sys
import tokenize
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "genre_spark"
CEILINGS = Path(__file__).with_name("budget.toml")
LAYOUT = {
    tokenize.ENCODING,
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
# From Python 3.12 on, an f-string is several tokens; it counts as one, as before.
BEGIN = getattr(tokenize, "FSTRING_START", -1)
END = getattr(tokenize, "FSTRING_END", -1)


def docstrings(text):
    """Where docstrings begin, as (line, column)."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value.lineno, first.value.col_offset


def code_tokens(file):
    """Number of tokens of a module, without comments, line ends, indents and docstrings."""
    left_out = set(docstrings(file.read_text("utf-8")))
    n = depth = 0
    with file.open("rb") as binary:
        for token in tokenize.tokenize(binary.readline):
            if depth == 0 and token.type not in LAYOUT and token.start not in left_out:
                n += 1
            depth += (token.type == BEGIN) - (token.type == END)
    return n


def folder_of(file):
    """The folder of the package that a module is in; "." is the package itself."""
    return file.relative_to(PACKAGE).parts[0] if file.parent != PACKAGE else "."


def tokens_per_folder():
    """Code tokens of each folder of the package."""
    tokens = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        tokens[folder_of(file)] = tokens.get(folder_of(file), 0) + code_tokens(file)
    return tokens


def write(ceilings):
    """Writes the ceilings, each under a heading of its own, so that branches merge."""
    head = "# Most code tokens of each folder; see budget.py. `python tests/support/budget.py --lower`\n"
    sections = [f'\n["{folder}"]\ntokens = {n}\n' for folder, n in sorted(ceilings.items())]
    CEILINGS.write_text(head + "".join(sections), "utf-8")


def main():
    """Compares, or lowers the ceilings."""
    ceilings = {
        folder: one["tokens"] for folder, one in tomllib.loads(CEILINGS.read_text("utf-8")).items()
    }
    found = tokens_per_folder()
    if "--lower" in sys.argv:
        write({folder: min(n, ceilings.get(folder, n)) for folder, n in found.items()})
        return 0
    over = {folder: n for folder, n in found.items() if n > ceilings.get(folder, 0)}
    for folder, n in over.items():
        print(
            f"genre_spark/{folder}: {n:,} code tokens, its ceiling is {ceilings.get(folder, 0):,};"
            f" shorten it, or raise the ceiling in {CEILINGS.name} and say in the commit what"
            " users get for it"
        )
    print(f"code tokens: {sum(found.values()):,} of {sum(ceilings.values()):,}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
