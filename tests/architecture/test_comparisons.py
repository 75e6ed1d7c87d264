"""Oracles rot silently: a comparison whose result is dropped asserts nothing, an error that is swallowed hides all."""

import ast
from pathlib import Path

import pytest

import dampen

TESTS = Path(__file__).parents[1]
SRC = Path(dampen.__file__).parent
ANSWERS = {"equal", "array_equal", "array_equiv", "allclose", "isclose", "is_close", "isfinite", "issubset"}
"""Functions that answer yes or no: called as a statement they are a comparison that nobody looks at."""


def dropped_comparisons(tree):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr):
            continue
        value = node.value
        if isinstance(value, ast.Compare | ast.BoolOp):
            yield node.lineno
        elif isinstance(value, ast.Call):
            called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
            if called in ANSWERS:
                yield node.lineno


def caught(tree, *names):
    """Lines and bodies of the handlers that catch one of `names`, alone or among others ("" is a bare except)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            told = {"" if kind is None else getattr(kind, "id", getattr(kind, "attr", None)) for kind in kinds}
            if told & {*names}:
                yield node.lineno, node.body


def does_nothing(body):
    return all(
        isinstance(node, ast.Pass | ast.Continue)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in body
    )


def swallowing(tree):
    return [line for line, body in caught(tree, "", "Exception", "BaseException") if does_nothing(body)]


def suppressing(tree):
    """`with suppress(Exception)` is the same in other words."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "suppress"
        and any(getattr(kind, "id", "") in ("Exception", "BaseException") for kind in node.args)
    ]


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_drops_a_comparison_or_catches_its_own_failure(path):
    tree = parsed(path)

    assert list(dropped_comparisons(tree)) == []
    assert [line for line, _ in caught(tree, "AssertionError", "")] == []
    assert swallowing(tree) == []


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_nothing_under_test_is_mocked(path):
    modules = {
        alias.name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in [*node.names, ast.alias(getattr(node, "module", None) or "")]
    }

    assert not {name for name in modules if name.split(".")[-1] in ("mock", "MagicMock", "Mock", "patch")}


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: str(path.relative_to(SRC)))
def test_no_error_is_swallowed(path):
    tree = parsed(path)

    assert swallowing(tree) == []
    assert suppressing(tree) == []


@pytest.mark.parametrize(
    "code",
    [
        "a == b",
        "x.y < 3",
        "np.array_equal(a, b)",
        "torch.equal(a, b)",
        "allclose(a, b)",
        "if x:\n    a in b",
        "a == b and c",
    ],
)
def test_the_check_finds_a_dropped_comparison(code):
    assert list(dropped_comparisons(ast.parse(code)))


@pytest.mark.parametrize("code", ["assert a == b", "c = a == b", "f(a == b)", "assert torch.equal(a, b)", "f(a)"])
def test_the_check_lets_used_comparisons_pass(code):
    assert not list(dropped_comparisons(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept (KeyError, Exception):\n    ...",
        "for x in y:\n    try:\n        f()\n    except:\n        continue",
        "try:\n    f()\nexcept BaseException as e:\n    'why'",
    ],
)
def test_the_check_finds_a_swallowed_error(code):
    assert swallowing(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    f()\nexcept KeyError:\n    pass",
        "try:\n    f()\nexcept Exception as e:\n    raise ValueError() from e",
    ],
)
def test_the_check_lets_other_handlers_pass(code):
    assert not swallowing(ast.parse(code))
