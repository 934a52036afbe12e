import copy
import pickle
import threading

import pytest

from retia.errors import SpaceError
from retia.space import (
    Builder,
    Categorical,
    Clause,
    Condition,
    Integer,
    Parameter,
    Real,
    SearchSpace,
    Subset,
    Tracer,
    active_recorder,
    apply,
    choice,
    declare,
    evaluate,
    expression_of,
    integer,
    labels_of,
    real,
    scope,
    subset,
    symbolic,
)


def traced(constructor):
    tracer = Tracer()
    with tracer.recording():
        value = constructor()
    return tracer, value


def built(constructor, **architecture):
    builder = Builder(architecture, traced(constructor)[0].parameters)
    with builder.recording():
        return constructor()


def parameters(labels):
    return {label: Parameter(label, Categorical((1, 2))) for label in labels}


def everything():
    return (
        choice("width", [16, 64, 32], default=32),
        integer("depth", 1, 4, default=2),
        real("rate", 0.0, 0.5, default=0.1),
        subset("taps", ["a", "b", "c"], least=1, most=2),
        choice("act", ["relu", "gelu"]),
        declare("heads", Categorical((4, 8))),
    )


def test_outside_a_search_declarations_are_defaults():
    assert everything() == (32, 2, 0.1, ("a",), "relu", 4)
    assert not any(labels_of(expression_of(value)) for value in everything())  # no search follows them
    assert choice("width", [16, 32]) == 16
    assert active_recorder() is None


def test_traced_declarations_are_symbolic_and_the_greatest():
    tracer, values = traced(everything)
    assert values == (64, 4, 0.5, ("a", "b"), "relu", 8)
    assert all(symbolic(value) for value in values)
    assert {label: parameter.domain for label, parameter in tracer.parameters.items()} == {
        "width": Categorical((16, 64, 32), default=32),
        "depth": Integer(1, 4, default=2),
        "rate": Real(0.0, 0.5, default=0.1),
        "taps": Subset(("a", "b", "c"), least=1, most=2),
        "act": Categorical(("relu", "gelu")),
        "heads": Categorical((4, 8)),
    }


def test_built_declarations_are_the_plain_values():
    values = built(everything, width=16, depth=3, rate=0.2, taps=("c",), act="gelu", heads=8)
    assert values == (16, 3, 0.2, ("c",), "gelu", 8)
    assert not any(symbolic(value) for value in values)


def test_scopes_nest():
    def constructor():
        with scope("stage1"):
            choice("width", [1, 2])
            with scope("block"):
                choice("width", [1, 2, 3])
        choice("width", [1])

    tracer, _ = traced(constructor)
    assert list(tracer.parameters) == ["stage1/width", "stage1/block/width", "width"]
    constructor()


def test_a_scope_ends_with_an_error_too():
    tracer = Tracer()
    with tracer.recording():
        with pytest.raises(ZeroDivisionError), scope("a"):
            1 / 0
        choice("x", [1, 2])
    assert list(tracer.parameters) == ["x"]
    assert active_recorder() is None


def test_the_same_label_and_domain_is_the_same_choice():
    tracer, (a, b) = traced(lambda: (choice("k", [3, 5]), choice("k", [3, 5])))
    assert list(tracer.parameters) == ["k"]
    assert expression_of(a) == expression_of(b)


def test_the_same_label_with_another_domain_is_an_error_that_shows_both():
    with pytest.raises(
        SpaceError, match=r"The label 'a/k' is declared twice with different domains: {3, 5} and {3, 7}"
    ):
        traced(lambda: [_in("a", lambda values=values: choice("k", values)) for values in ([3, 5], [3, 7])])


def test_another_default_is_another_domain():
    with pytest.raises(
        SpaceError, match="declared twice with different defaults: 3 and 5. Give both the same default="
    ):
        traced(lambda: (choice("k", [3, 5]), choice("k", [3, 5], default=5)))


def _in(name, constructor):
    with scope(name):
        return constructor()


@pytest.mark.parametrize(
    ("constructor", "message"),
    [
        (lambda: choice("k", []), r"choice\('k'\): A choice needs at least one value"),
        (lambda: choice("k", [1, 1]), r"choice\('k'\): The values of a choice must be distinct, got 1 twice"),
        (
            lambda: choice("k", [1, 2], default=3),
            r"choice\('k'\): The default must be one of \[1, 2\], got 3",
        ),
        (lambda: choice("k", {"a": print}), r"use layer_choice\('k', {name: factory}\)"),
        (
            lambda: choice("k", "abc"),
            r"The values of choice\('k', ...\) are a list, such as \[16, 32\], got 'abc'",
        ),
        (lambda: choice("k", [print]), r"choice\('k'\): A parameter holds a number.*use layer_choice"),
        (lambda: integer("n", 3, 1), r"integer\('n'\): An Integer needs low <= high"),
        (lambda: real("x", 3, 1), r"real\('x'\): A Real needs low < high"),
        (lambda: subset("s", [1, 1]), r"subset\('s'\): A subset needs distinct items"),
    ],
)
def test_impossible_declarations_name_their_label(constructor, message):
    with pytest.raises(SpaceError, match=message):
        constructor()
    with pytest.raises(SpaceError, match=message):
        traced(constructor)


@pytest.mark.parametrize(
    "constructor",
    [
        lambda: choice("", [1]),
        lambda: integer(3, 1, 2),
        lambda: _in("", lambda: 1),
        lambda: _in(0, lambda: 1),
    ],
)
def test_labels_are_names(constructor):
    with pytest.raises(SpaceError, match="A label is a non-empty string"):
        traced(constructor)


@pytest.mark.parametrize("label", ["body/0/k", "a/", "//a", "/a//b", "/"])
def test_a_slash_separates_scopes(label):
    for declaration in (
        lambda: choice(label, [1]),
        lambda: integer(label, 1, 2),
        lambda: real(label, 1, 2),
        lambda: subset(label, [1]),
        lambda: _in(label, lambda: 1),
    ):
        with pytest.raises(
            SpaceError, match="contains a '/', which separates scopes|A label is a non-empty string"
        ):
            declaration()
        with pytest.raises(
            SpaceError, match="contains a '/', which separates scopes|A label is a non-empty string"
        ):
            traced(declaration)


def test_a_label_with_a_leading_slash_leaves_the_scopes():
    def constructor():
        with scope("body"), scope("0"):
            choice("kernel", [3, 5])
            shared = choice("/kernel", [3, 5])
            with scope("/cell"):
                choice("act", ["relu", "gelu"])
            choice("act", ["relu", "gelu"])
        return shared, choice("kernel", [3, 5])

    tracer, (inside, outside) = traced(constructor)
    assert list(tracer.parameters) == ["body/0/kernel", "kernel", "cell/act", "body/0/act"]
    assert expression_of(inside) == expression_of(outside)


@pytest.mark.parametrize("declaration", [choice, integer, real, subset])
@pytest.mark.parametrize("arguments", [([1, 2],), (1, 8), ()])
def test_a_label_that_is_left_out(declaration, arguments):
    with pytest.raises(
        SpaceError,
        match=rf"{declaration.__name__}\(\.\.\.\) takes a label first, .*: {declaration.__name__}\('",
    ):
        declaration(*arguments)


def test_values_that_are_left_out():
    with pytest.raises(
        SpaceError, match=r"The values of choice\('k', \.\.\.\) are a list, such as \[16, 32\], got nothing"
    ):
        choice("k")


# --- apply


def _round_up(value):
    return -(-value // 8) * 8


def test_apply_keeps_the_trace():
    tracer, (largest, rounded, pair) = traced(
        lambda: (
            apply(max, choice("a", [16, 32]), 24),
            apply(_round_up, choice("b", [12, 20]) * 0.75),
            apply(divmod, choice("a", [16, 32]), 3),
        )
    )
    assert largest == 32
    assert type(largest).__name__ == "SymbolicInt"
    assert evaluate(expression_of(largest), {"a": 16}) == 24
    assert evaluate(expression_of(rounded), {"b": 12}) == 16
    assert evaluate(expression_of(pair), {"a": 16}) == (5, 1)
    assert str(expression_of(largest)) == "max(a, 24)"
    assert str(expression_of(rounded)) == "_round_up(b * 0.75)"
    assert not tracer.compared  # the function saw plain numbers
    for copied in (copy.deepcopy(rounded), pickle.loads(pickle.dumps(rounded))):
        assert expression_of(copied) == expression_of(rounded)


def test_apply_looks_into_tuples_and_lists():
    _, total = traced(lambda: apply(sum, [choice("a", [1, 2]), integer("b", 1, 9), 100]))
    assert total == 111
    assert evaluate(expression_of(total), {"a": 1, "b": 3}) == 104


def test_apply_without_choices_is_a_call():
    assert apply(max, 3, 5) == 5
    assert apply(dict) == {}


def test_apply_needs_a_result_that_can_be_symbolic():
    with pytest.raises(
        SpaceError, match=r"apply\(_nothing\) must return a number, a string or a tuple of these, got None"
    ):
        traced(lambda: apply(_nothing, choice("a", [1, 2])))


def _nothing(value):
    return None


# --- conditions while tracing


def test_given_nests_conditions():
    op, kernel = (Condition(((Clause(label, frozenset({1})),),)) for label in ("op", "op/kernel"))

    def constructor():
        recorder = active_recorder()
        choice("op", [0, 1])
        with recorder.given(op):
            choice("/op/kernel", [0, 1])
            with recorder.given(kernel):
                choice("/op/kernel/x", [0, 1])
        choice("free", [0, 1])

    tracer, _ = traced(constructor)
    assert {label: str(parameter.condition) for label, parameter in tracer.parameters.items()} == {
        "op": "always",
        "op/kernel": "op=1",
        "op/kernel/x": "op/kernel=1",  # which is active only while op=1
        "free": "always",
    }
    assert SearchSpace(tracer.parameters.values()).size() == (1 + (1 + 2)) * 2


def test_a_condition_on_something_outside_adds_to_the_outer_one():
    def constructor():
        recorder = active_recorder()
        choice("a", [0, 1])
        choice("b", [0, 1])
        with (
            recorder.given(Condition(((Clause("a", frozenset({1})),),))),
            recorder.given(Condition(((Clause("b", frozenset({1})),),))),
        ):
            choice("c", [0, 1, 2])

    tracer, _ = traced(constructor)
    assert str(tracer.parameters["c"].condition) == "a=1 and b=1"
    assert SearchSpace(tracer.parameters.values()).size() == 3 + 3


def test_a_choice_declared_in_two_branches_is_active_in_either():
    def constructor():
        recorder = active_recorder()
        choice("op", ["a", "b", "c"])
        for name in ("a", "b"):
            with recorder.given(Condition(((Clause("op", frozenset({name})),),))):
                choice("shared", [1, 2])

    tracer, _ = traced(constructor)
    assert SearchSpace(tracer.parameters.values()).size() == 2 + 2 + 1


# --- building


def test_the_builder_knows_what_was_asked():
    builder = Builder({"a": 1, "b": 2}, parameters("abc"))
    with builder.recording():
        assert choice("b", [1, 2]) == 2
    assert builder.asked == {"b"}


@pytest.mark.parametrize(
    ("constructor", "message"),
    [
        (lambda: choice("z", [1, 2]), "asks for 'z', which was not seen when the space was traced"),
        (
            lambda: choice("c", [1, 2]),
            "asks for 'c', which exists in the space, but is not active in this architecture",
        ),
        (
            lambda: choice("a", [2, 3]),
            r"'a' is 1 in this architecture, but the constructor now offers {2, 3}",
        ),
    ],
)
def test_building_what_tracing_did_not_see_says_so(constructor, message):
    builder = Builder({"a": 1}, parameters("ac"))
    with builder.recording(), pytest.raises(SpaceError, match=message):
        constructor()


# --- threads


def test_two_spaces_traced_in_two_threads_do_not_mix():
    barrier, found, errors = threading.Barrier(2, timeout=20), {}, []

    def constructor(name):
        for i in range(50):
            barrier.wait()
            with scope(name):
                barrier.wait()
                choice(f"{name}{i}", [i, i + 1])

    def work(name):
        try:
            found[name], _ = traced(lambda: constructor(name))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for name in "ab":
        assert list(found[name].parameters) == [f"{name}/{name}{i}" for i in range(50)]
    assert active_recorder() is None


def test_a_recorder_within_another_gives_way_when_it_ends():
    outer, inner = Tracer(), Tracer()
    with outer.recording():
        with inner.recording():
            choice("x", [1, 2])
        choice("y", [1, 2])
    assert list(inner.parameters) == ["x"]
    assert list(outer.parameters) == ["y"]
