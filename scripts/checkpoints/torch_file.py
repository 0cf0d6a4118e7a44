"""What torch.save wrote, read without running anything of it."""

import array
import collections
import ctypes
import io
import itertools
import math
import mmap
import pickle
import struct
import sys
import warnings
import zipfile

from checkpoints.refusal import Refusal

# Storages by their names in PyTorch: the type of safetensors and the bytes of a number.
STORAGES = {"FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2),
            "DoubleStorage": ("F64", 8), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4),
            "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1), "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1)}


class Storage:
    """The numbers that tensors look at, as they lie in the file."""

    def __init__(self, dtype, size, data):
        self.dtype, self.size, self.data = dtype, size, data


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        """Throws ValueError when it reaches beyond its storage."""
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)
        numbers = (offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError("a tensor of no sensible shape")
        self.count = math.prod(self.shape)
        last = offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides))
        if self.count and (last + 1) * storage.size > len(storage.data):
            raise ValueError("a tensor that reaches beyond its numbers")

    @property
    def dtype(self):
        return self.storage.dtype

    def transposed(self):
        return Tensor(self.storage, self.offset, self.shape[::-1], self.strides[::-1])

    def pieces(self):
        """The bytes of its numbers in order."""
        if not self.count:
            return
        size, shape, strides = self.storage.size, list(self.shape), list(self.strides)
        run, step = 1, 1  # numbers that follow one another, and how far apart
        while shape and (strides[-1] == run or shape[-1] == 1):
            run *= shape.pop()
            strides.pop()
        if run == 1 and shape:
            run, step = shape.pop(), strides.pop()
        whole = len(self.storage.data) // size * size
        numbers = self.storage.data[:whole].cast({1: "B", 2: "H", 4: "I", 8: "Q"}[size])
        for place in itertools.product(*map(range, shape)):
            begin = self.offset + sum(i * stride for i, stride in zip(place, strides))
            if step == 1:
                yield numbers[begin : begin + run]
            elif step == 0:
                yield numbers[begin : begin + 1].tobytes() * run
            else:
                yield numbers[begin : begin + (run - 1) * step + 1 : step].tobytes()

    def equals(self, other):
        same = self.dtype == other.dtype and self.shape == other.shape
        return same and b"".join(self.pieces()) == b"".join(other.pieces())

    def floats(self):
        data = b"".join(self.pieces())
        if self.dtype == "BF16":
            return array.array("f", array.array("I", (bits << 16 for bits in array.array("H", data))).tobytes())
        codes = {"F32": "f", "F16": "e", "F64": "d"}
        if self.dtype not in codes:
            raise ValueError(f"numbers of type {self.dtype}")
        return struct.unpack(f"<{self.count}{codes[self.dtype]}", data)

    def narrowed(self):
        """float64 as float32."""
        data = array.array("f", self.floats()).tobytes()
        strides = [math.prod(self.shape[i + 1 :]) for i in range(len(self.shape))]
        return Tensor(Storage("F32", 4, memoryview(data)), 0, self.shape, strides)


class Unread:
    """Stands for an object of any class that is not read. Whatever a pickle does with it, nothing happens."""

    names = set()

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def nothing(self, *_, **__):
        return None

    __setstate__ = __setitem__ = append = extend = add = update = nothing

    def __call__(self, *_, **__):
        return Unread()


def rebuilt(storage, offset, shape, strides, *_):
    return Tensor(storage, offset, shape, strides) if isinstance(storage, Storage) else Unread()


class CarefulUnpickler(pickle.Unpickler):
    """Makes tensors, plain values, and Unread of everything else."""

    made = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch", "Size"): tuple,
        ("torch._utils", "_rebuild_tensor"): rebuilt,
        ("torch._utils", "_rebuild_tensor_v2"): rebuilt,
        ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    } | {("torch", name): name for name in STORAGES}

    def __init__(self, file, bytes_of):
        super().__init__(file, encoding="utf-8")
        self.bytes_of, self.storages = bytes_of, {}

    def find_class(self, module, name):
        if (module, name) not in self.made:
            Unread.names.add(f"{module}.{name}")
        return self.made.get((module, name), Unread)

    def persistent_load(self, place):
        kind, storage, key = place[:3]
        if kind != "storage" or not isinstance(storage, str):
            return Unread()
        if (storage, key) not in self.storages:
            self.storages[storage, key] = Storage(*STORAGES[storage], self.bytes_of(str(key)))
        return self.storages[storage, key]


def load_zip(path):
    """What torch.save wrote, read where it lies."""
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise Refusal(f"{path}: a TorchScript program, not a checkpoint; save its state_dict() instead")
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("a zip file without one data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("numbers with their high bytes first")

        def bytes_of(key):
            entry = archive.getinfo(f"{root}data/{key}")
            name_size, extra_size = struct.unpack_from("<HH", data, entry.header_offset + 26)
            begin = entry.header_offset + 30 + name_size + extra_size
            if entry.compress_type != zipfile.ZIP_STORED or begin + entry.file_size > len(data):
                raise ValueError(f"{entry.filename} is compressed or cut off")
            return data[begin : begin + entry.file_size]

        return CarefulUnpickler(io.BytesIO(archive.read(pickles[0])), bytes_of).load()


def from_torch(value, torch):
    """The same with tensors of our own."""
    if isinstance(value, dict):
        return {key: from_torch(one, torch) for key, one in value.items()}
    name = str(getattr(value, "dtype", "")).removeprefix("torch.")
    names = {"float32": "Float", "float16": "Half", "bfloat16": "BFloat16", "float64": "Double", "int64": "Long",
             "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or name not in names:
        return value
    value = value.detach().contiguous()
    dtype, size = STORAGES[names[name] + "Storage"]
    data = memoryview((ctypes.c_char * (value.numel() * size)).from_address(value.data_ptr())).cast("B")
    storage = Storage(dtype, size, data)
    storage.owner = value  # keeps the memory
    return Tensor(storage, 0, value.shape, value.stride())


def load_old(path):
    """The form before PyTorch 1.6: pickles one after the other."""
    try:
        import torch
    except ImportError as error:
        raise Refusal(f"{path}: no zip file: if it is of PyTorch before 1.6, it takes PyTorch to read, which "
                      f"{sys.executable} does not have ({error}): pip install torch, or scripts/setup dev and "
                      "/usr/bin/python3") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return from_torch(torch.load(str(path), map_location="cpu", weights_only=True), torch)
    except pickle.UnpicklingError as error:
        raise ValueError(f"it holds more than tensors, or it is damaged: {str(error).splitlines()[-1]}") from None


def load(path):
    """What torch.save wrote, without running anything of it."""
    try:
        # What begins like a zip file must not come to torch.load, which might take it for a program.
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK" or zipfile.is_zipfile(path)
        return load_zip(path) if is_zip else load_old(path)
    except (Refusal, OSError):
        raise
    except Exception as error:  # whatever damaged bytes make of an unpickler
        raise Refusal(f"{path}: no checkpoint of PyTorch, or damaged: {error or type(error).__name__}") from None
