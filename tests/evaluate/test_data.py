import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from retia.errors import EvaluationError
from retia.evaluate import Classification
from retia.evaluate.data import LoadedData, TensorData, as_data, describe_data
from retia.nn import arguments, seeded

CPU, PLAIN = torch.device("cpu"), torch.preserve_format


@pytest.fixture(autouse=True)
def within_a_seed():
    """Iterate loaders as evaluators do: a loader draws from the global generator."""
    with seeded(0):
        yield


class Squares(Dataset):
    """Pairs of (i, i squared)."""

    def __init__(self, count, target=lambda i: i * i):
        self.count, self.target = count, target

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.tensor([float(index)]), self.target(index)


class Stream(IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return ((torch.tensor([float(i)]), i) for i in range(self.count))


def pairs(count=10):
    return torch.arange(count).float()[:, None], torch.arange(count) % 3


def seen(data, size, seed=0):
    return [
        x.flatten().tolist() for x, _ in data.batches(size, generator=torch.Generator().manual_seed(seed))
    ]


def given(data):
    return as_data("train", data)


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: (x, y),
        lambda x, y: [x.numpy(), y.numpy()],
        lambda x, y: (x.double().numpy(), y.int()),
        lambda x, y: TensorDataset(x, y),
        lambda x, y: Subset(TensorDataset(x.repeat(2, 1), y.repeat(2)), range(10)),
    ],
)
def test_every_form_of_tensors_takes_the_fast_path(make):
    x, y = pairs()
    data = given(make(x, y))
    assert isinstance(data, TensorData)
    assert data.tensors[0].dtype == torch.float32
    assert torch.equal(data.tensors[0], x)
    assert torch.equal(data.tensors[1], y)


def test_what_is_right_already_is_not_copied():
    x, y = pairs()
    data = given((x, y))
    assert data.tensors[0] is x
    assert data.placed(CPU, PLAIN).tensors[0] is x
    assert given(data) is data


def test_batches_in_order_without_a_generator():
    data = given(pairs(10))
    assert [x.flatten().tolist() for x, _ in data.batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("source", [pairs(10), Squares(10)])
def test_batches_in_random_order_hold_everything_once_and_follow_the_generator(source):
    data = as_data("train", source)
    assert data.steps(4) == 3
    order = seen(data, 4)
    assert [len(batch) for batch in order] == [4, 4, 2]
    assert sorted(sum(order, [])) == list(range(10))
    assert order == seen(data, 4)
    assert order != seen(data, 4, seed=1)


def test_inputs_and_targets_stay_together():
    x = torch.arange(100).float()[:, None]
    for data in (
        given((x, x[:, 0].long())),
        given(TensorDataset(x, x[:, 0].long())),
        LoadedData(TensorDataset(x, x[:, 0].long())),
    ):
        for inputs, targets in data.batches(7, generator=torch.Generator()):
            assert torch.equal(inputs[:, 0].long(), targets)


@pytest.mark.parametrize("source", [pairs(9), Squares(9)])
def test_a_last_batch_of_one_is_left_out_of_training_alone(source):
    data = as_data("train", source)
    assert [len(batch) for batch in seen(data, 4)] == [4, 4]
    assert data.steps(4) == 2
    assert [len(x) for x, _ in data.batches(4)] == [4, 4, 1]
    assert [len(batch) for batch in seen(data, 1)] == [1] * 9
    assert data.steps(1) == 9
    assert [len(batch) for batch in seen(as_data("train", pairs(1)), 4)] == [1]


def test_images_are_placed_in_the_memory_format():
    x = torch.rand(8, 3, 4, 4)
    for data in (given((x, torch.zeros(8).long())), LoadedData(TensorDataset(x, torch.zeros(8).long()))):
        placed = data.placed(CPU, torch.channels_last)
        for inputs, _ in placed.batches(4, generator=torch.Generator()):
            assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_a_loader_is_used_as_it_is():
    loader = DataLoader(Squares(10, target=lambda i: 0), batch_size=5)
    data = given(loader)
    assert [x.flatten().tolist() for x, _ in data.batches(2, generator=torch.Generator())] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
    ]
    assert data.steps(2) == 2


def test_a_loader_gives_the_dtypes_that_training_needs():
    class Doubles(Squares):
        def __getitem__(self, index):
            return np.array([index, index], dtype=np.float64), index

    for source in (Doubles(4), DataLoader(Doubles(4), batch_size=2)):
        (x, y), *_ = given(source).batches(2)
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
        assert given(source).first()[0].dtype == torch.float32


@pytest.mark.parametrize("sampling", [{"shuffle": True}, {"batch_sampler": True}])
def test_the_generator_of_a_loader_is_restored(sampling):
    generator = torch.Generator().manual_seed(3)
    dataset = Squares(8)
    if "batch_sampler" in sampling:
        sampler = torch.utils.data.RandomSampler(dataset, generator=generator)
        loader = DataLoader(
            dataset,
            batch_sampler=torch.utils.data.BatchSampler(sampler, 4, drop_last=False),
            generator=generator,
        )
    else:
        loader = DataLoader(dataset, batch_size=4, shuffle=True, generator=generator)
    data = given(loader)
    before = generator.get_state()
    orders = []
    for _ in range(2):
        with data.rewound():
            orders.append([seen(data, 4), seen(data, 4)])
    assert torch.equal(generator.get_state(), before)
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]


def test_streams():
    for source in (Stream(6), DataLoader(Stream(6), batch_size=4)):
        data = given(source)
        assert data.steps(4) == 2
        assert [len(batch) for batch in seen(data, 4)] == [4, 2]


def test_inputs_in_a_row_and_by_name():
    class Named(Squares):
        def __getitem__(self, index):
            return {"a": torch.ones(2), "b": torch.zeros(1, dtype=torch.float64)}, 1

    class Rows(Squares):
        def __getitem__(self, index):
            return (torch.ones(2), torch.zeros(1)), 1

    (x, _), *_ = given(Named(4)).batches(2)
    assert arguments(x) == ((), x)
    assert x["b"].dtype == torch.float32
    (x, _), *_ = given(Rows(4)).batches(2)
    args, kwargs = arguments(x)
    assert ([tuple(part.shape) for part in args], kwargs) == ([(2, 2), (2, 1)], {})
    assert arguments(1) == ((1,), {})


def test_descriptions_tell_data_apart():
    x, y = pairs()
    description = describe_data(given((x, y)))
    assert description["x"]["shape"] == [10, 1]
    assert describe_data(given((x.double().numpy(), y))) == description
    changed = x.clone()
    changed[3] += 1
    assert describe_data(given((changed, y))) != description
    assert describe_data(given((x, y.flip(0)))) != description
    assert describe_data(given((x.expand(10, 2), y)))["x"]["shape"] == [10, 2]
    assert describe_data(given(DataLoader(Squares(9), batch_size=3))) == {"type": "DataLoader", "length": 3}
    assert describe_data(given(Stream(5))) == {"type": "Stream", "length": None}


def test_they_print_in_a_line():
    assert repr(given(pairs())) == "TensorData(x: (10, 1) float32, y: (10,) int64)"
    assert repr(given(Squares(3))) == "LoadedData(Squares)"


X, Y = pairs(4)
NAN = torch.tensor([[1.0], [float("nan")], [float("inf")], [0.0]])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            (X.tolist(), Y),
            r"'train' is tensors or arrays, such as a pair \(x, y\), a Dataset, a DataLoader or a list of batches, got tuple",
        ),
        (None, r"got NoneType"),
        ("text", r"got str"),
        (
            (X, Y[:3]),
            r"same number of samples in their first dimension, at least one, got the shapes \(4, 1\) and \(3,\)",
        ),
        ((X[:0], Y[:0]), r"at least one, got the shapes \(0, 1\) and \(0,\)"),
        ((X[0, 0], Y), r"got the shapes \(\) and \(4,\)"),
        ((NAN, Y), r"'train' holds a NaN or an infinity, in 2 of 4 samples. Remove or fill them"),
        ((X, NAN[:, 0]), r"in 2 of 4 samples"),
        (
            iter([(X, Y)]),
            r"'train' can be iterated once only, and is needed in every epoch: got list_iterator",
        ),
        (
            DataLoader(TensorDataset(X, Y), batch_size=5, drop_last=True),
            r"'train' is empty: its DataLoader has no batches. Is the batch size, with drop_last",
        ),
        (Stream(0), r"'train' is empty: its Stream has no batches"),
        (Squares(0), r"'train' is empty"),
        ([], r"'train' is empty"),
        (
            Squares(3, target=lambda i: object()),
            r"must yield batches, but no batch can be made of a Squares: TypeError",
        ),
        (["cat", "dog"], r"must yield batches with tensors, but a list gave str"),
    ],
)
def test_data_that_nothing_can_learn_from(data, said):
    with pytest.raises(EvaluationError, match=said):
        given(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            (X, Y, Y),
            r"A batch that is a tuple must be a pair \(inputs, targets\), got 3 parts. Say which are which: inputs=",
        ),
        (DataLoader(TensorDataset(X, Y, Y), batch_size=2), r"got 3 parts"),
        (
            ((X * 9).byte(), Y),
            r"inputs of 'train' are floats, or int64 indices for an embedding, got uint8.*x.float\(\) / 255",
        ),
        ((X > 0, Y), r"got bool"),
        ((X, Y.float()), r"targets of 'train' are class numbers.*got float32 of shape \(4,\).*y.long\(\)"),
        ((X, Y > 0), r"got bool of shape"),
        ((X, Y - 1), r"class numbers from 0, got -1"),
        (
            DataLoader(TensorDataset(X, Y.float()), batch_size=2),
            r"targets of 'train' are class numbers.*got float32",
        ),
        (Squares(3, target=lambda i: "cat"), r"targets of 'train' are class numbers.*got tuple"),
    ],
)
def test_data_that_no_classifier_can_learn_from(data, said):
    with pytest.raises(EvaluationError, match=said):
        Classification(data, (X, Y))


def test_a_list_of_batches_and_a_dataset_of_dictionaries():
    class Dictionaries(Squares):
        def __getitem__(self, index):
            return {"x": torch.ones(2), "labels": 1}

    assert [len(x) for x, _ in given([(X, Y), (X[:2], Y[:2])]).batches(3)] == [4, 2]
    (batch,) = given(Dictionaries(3)).batches(3)
    assert {name: tuple(part.shape) for name, part in batch.items()} == {"x": (3, 2), "labels": (3,)}


def test_data_without_a_length():
    class Endless(Dataset):
        def __getitem__(self, index):
            return torch.ones(1), 0

    with pytest.raises(
        EvaluationError,
        match="'train' is a Endless without a length. Give it __len__, or make it an IterableDataset",
    ):
        given(Endless())
