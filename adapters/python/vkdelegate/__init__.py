"""Runs ExecuTorch programs that were lowered to the Vulkan delegate.

    import numpy, vkdelegate
    model = vkdelegate.load("model.pte")
    y = model(numpy.zeros((1, 3, 224, 224), numpy.float32))

The library is looked for at $VKD_LIBRARY, in the build folder of the checkout, and in the system's
library path. What it has to say beside errors goes to the logger "vkdelegate"; errors are raised, as
subclasses of Error with the library's text. Objects may be used from any thread; calls of one object
follow each other, those of different objects run side by side.

Options, of load(), Program.load() and Engine(), are those of vkd_options in vkdelegate.h: device,
validate, timeout_ms, cache_dir, no_cache, variant, profile, select ("auto" or "measure"),
measure_budget_ms, no_self_check, self_check ("auto", "none" or "all"), no_rewrites, in_flight, max_plans,
memory_on_demand, max_submit_ms,
priority ("default", "low", "high" or "realtime"), pixels (images that come as bytes: a list with a dict of
mean, std, channels_last and input for each).
"""

from __future__ import annotations

import ctypes as c
import logging
import os
import threading
import weakref
from typing import Any, NamedTuple, Union

import numpy as np

from . import _abi

__all__ = [
    "DeviceError", "DeviceLost", "Engine", "Error", "InvalidArgument", "InvalidModel", "IoError",
    "Method", "NoDevice", "NotFound", "OutOfMemory", "Program", "TensorInfo", "Unsupported",
    "devices", "is_available", "load", "version",
]

_library = _abi.open_library()
_logger = logging.getLogger("vkdelegate")

# --------------------------------------------------------------------------------------- errors


class Error(RuntimeError):
    """A call of the library failed; the text is the library's. `status` is its name."""

    status = "VKD_DEVICE_ERROR"


class InvalidArgument(Error, ValueError):
    """A tensor of the wrong dtype, rank or size, or an option that there is not."""

    status = "VKD_INVALID_ARGUMENT"


class InvalidModel(Error):
    """The bytes are no such file, or contradict themselves."""

    status = "VKD_INVALID_MODEL"


class Unsupported(Error):
    """A valid model with something that the library does not run."""

    status = "VKD_UNSUPPORTED"


class NoDevice(Error):
    """No Vulkan library, no driver, or no device that fits the request."""

    status = "VKD_NO_DEVICE"


class DeviceLost(Error):
    """The device failed or timed out; a new object may work."""

    status = "VKD_DEVICE_LOST"


class OutOfMemory(Error, MemoryError):
    """Host or device memory is at an end."""

    status = "VKD_OUT_OF_MEMORY"


class IoError(Error):
    """A file could not be read or written."""

    status = "VKD_IO_ERROR"


class NotFound(Error, LookupError):
    """There is no method, input, output or index of that name or number."""

    status = "VKD_NOT_FOUND"


class DeviceError(Error):
    """Any other error of the Vulkan driver."""


_ERRORS = {kind.status: kind for kind in Error.__subclasses__()}


def _check(status: int, text: Union[bytes, None]) -> None:
    if status:
        name = _library.status_name(status).decode()
        raise _ERRORS.get(name, Error)((text or b"").decode(errors="replace") or name)


# -------------------------------------------------------------------------------------- options

_LEVELS = [logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG]


@_abi.LogFn
def _log(_user: Any, level: int, message: bytes) -> None:
    if level > 0:  # errors are raised
        _logger.log(_LEVELS[level], "%s", message.decode(errors="replace"))


_NAMED = {
    "select": ["auto", "measure"],
    "priority": ["default", "low", "high", "realtime"],
    "self_check": ["auto", "none", "all"],
}
_SETTABLE = {
    "device", "validate", "timeout_ms", "cache_dir", "no_cache", "variant", "profile", "select",
    "measure_budget_ms", "no_self_check", "self_check", "no_rewrites", "in_flight", "max_plans",
    "memory_on_demand", "max_submit_ms", "priority", "pixels",
}


def _pixels(given: Any) -> Any:
    """An array of vkd_pixels."""
    array = (_abi.Pixels * len(given))()
    for pixels, fields in zip(array, given):
        pixels.size = c.sizeof(_abi.Pixels)
        for name, value in fields.items():
            if name not in ("input", "channels_last", "mean", "std"):
                raise TypeError(f"pixels: unknown field {name!r}")
            setattr(pixels, name, tuple(value) if name in ("mean", "std") else value)
    return array


class _Options:
    """vkd_options with what its pointers point to."""

    def __init__(self, given: dict[str, Any], engine: Union[Engine, None] = None) -> None:
        unknown = sorted(set(given) - _SETTABLE)
        if unknown:
            raise TypeError(f"unknown option {unknown[0]!r}; there are {', '.join(sorted(_SETTABLE))}")
        self._text = c.create_string_buffer(1024)
        self.struct = _abi.Options(size=c.sizeof(_abi.Options), log=_log)
        self.struct.error = c.cast(self._text, c.c_char_p)
        self.struct.error_size = len(self._text)
        self.struct.log_level = next(
            (n for n in (3, 2) if _logger.isEnabledFor(_LEVELS[n])), 1)
        if engine is not None:
            self.struct.engine = engine._handle
        for name, value in given.items():
            if name == "pixels":
                self._pixels = _pixels(value)
                self.struct.pixel_count = len(value)
                value = c.cast(self._pixels, c.c_void_p)
            elif name in _NAMED:
                if value not in _NAMED[name]:
                    raise InvalidArgument(
                        f"{name}: {value!r}, expected one of {', '.join(_NAMED[name])}")
                value = _NAMED[name].index(value)
            elif isinstance(value, (str, os.PathLike)):
                value = os.fsencode(value)
            elif isinstance(value, int) and value < 0:
                raise InvalidArgument(f"{name}: {value}, expected no negative number")
            setattr(self.struct, name, value)

    def check(self, status: int) -> None:
        _check(status, self._text.value)


# -------------------------------------------------------------------------------------- devices


def _device(info: _abi.DeviceInfo) -> dict[str, Any]:
    return {
        "name": info.name.decode(errors="replace"),
        "type": info.type.decode(),
        "vendor_id": info.vendor_id,
        "device_id": info.device_id,
        "api_version": info.api_version,
        "driver_version": info.driver_version,
    }


def version() -> tuple[int, int, int]:
    """Of the library: major, minor, patch."""
    number = _library.version()
    return number >> 22, number >> 12 & 0x3FF, number & 0xFFF


def is_available() -> bool:
    """Whether there is a Vulkan library with a usable device."""
    return _library.is_available()


def devices() -> list[dict[str, Any]]:
    """What can be named by the option `device`, in the order of its numbers."""
    options, count = _Options({}), c.c_uint32()
    entries = (_abi.DeviceInfo * 64)()
    options.check(_library.list_devices(options.struct, entries, len(entries), count))
    return [_device(entry) for entry in entries[: count.value]]


class Engine:
    """A device with its compiled kernels, for any number of methods: `load(..., engine=engine)`."""

    def __init__(self, **options: Any) -> None:
        wanted, handle = _Options(options), c.c_void_p()
        wanted.check(_library.engine_create(wanted.struct, handle))
        self._handle = handle.value
        self._methods: weakref.WeakSet[Method] = weakref.WeakSet()
        self._release = weakref.finalize(self, _library.engine_destroy, self._handle)

    @property
    def device(self) -> dict[str, Any]:
        """The device that it is."""
        _must_be_open(self)
        return _device(_library.engine_device(self._handle).contents)

    def close(self) -> None:
        """Closes the methods that work on it, and gives everything back. Again: does nothing."""
        for method in list(self._methods):
            method.close()
        self._release()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _must_be_open(of: Union[Engine, Program, Method]) -> None:
    if not of._release.alive:
        raise ValueError(f"this {type(of).__name__.lower()} is closed")


# ------------------------------------------------------------------------------------- programs


class TensorInfo(NamedTuple):
    """An input, an output or a state. Where shapes can change, `shape` is the largest."""

    dtype: np.dtype
    shape: tuple[int, ...]
    dim_order: tuple[int, ...]


_DTYPES = [np.dtype(name) for name in (
    "bool", "uint8", "int8", "int32", "float16", "float32", "float64", "int64")]


def _tensor_info(of: _abi.TensorInfo) -> TensorInfo:
    return TensorInfo(_DTYPES[of.dtype], tuple(of.dims[: of.rank]), tuple(of.dim_order[: of.rank]))


class Program:
    """A .pte file, or its bytes, with the .ptd files that its constants are in."""

    def __init__(self, source: Union[str, os.PathLike, bytes], data: Any = ()) -> None:
        options, handle = _Options({}), c.c_void_p()
        self._kept: list[Any] = []  # bytes that the library reads
        self._lock = threading.Lock()
        if isinstance(source, (str, os.PathLike)):
            options.check(_library.program_open(os.fsencode(source), options.struct, handle))
        else:
            options.check(_library.program_open_bytes(*self._keep(source), options.struct, handle))
        self._handle = handle.value
        self._methods: weakref.WeakSet[Method] = weakref.WeakSet()
        self._release = weakref.finalize(self, _close_program, self._handle, self._kept)
        for one in [data] if isinstance(data, (str, os.PathLike, bytes)) else data:
            self._add(one)

    def _keep(self, source: bytes) -> tuple[Any, int]:
        source = bytes(source)
        self._kept.append(source)
        return c.cast(c.c_char_p(source), c.c_void_p), len(source)

    def _add(self, source: Union[str, os.PathLike, bytes]) -> None:
        if isinstance(source, (str, os.PathLike)):
            status = _library.program_add_data(self._handle, os.fsencode(source))
        else:
            status = _library.program_add_data_bytes(self._handle, *self._keep(source))
        _check(status, _library.program_error(self._handle))

    @property
    def methods(self) -> list[str]:
        """The names that load() takes."""
        _must_be_open(self)
        count = _library.program_method_count(self._handle)
        return [_library.program_method_name(self._handle, i).decode() for i in range(count)]

    def load(self, name: str = "forward", engine: Union[Engine, None] = None,
             **options: Any) -> Method:
        """Makes a method ready to run."""
        return Method(self, name, engine, options)

    def close(self) -> None:
        """Closes its methods, and gives everything back. Again: does nothing."""
        for method in list(self._methods):
            method.close()
        self._release()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _close_program(handle: int, _kept: list[Any]) -> None:
    _library.program_close(handle)


class Method:
    """A method of a program, ready to run. Made by load() and Program.load().

    Called with its inputs it returns its output, a tuple of them where there are several."""

    def __init__(self, program: Program, name: str, engine: Union[Engine, None],
                 options: dict[str, Any]) -> None:
        _must_be_open(program)
        if engine is not None:
            _must_be_open(engine)
        wanted, handle = _Options(options, engine), c.c_void_p()
        with program._lock:
            wanted.check(_library.method_load(program._handle, name.encode(), wanted.struct, handle))
        self._handle = handle.value
        self._owners = program, engine  # outlive it
        self._lock = threading.Lock()
        self._release = weakref.finalize(self, _library.method_unload, self._handle)
        program._methods.add(self)
        if engine is not None:
            engine._methods.add(self)
        self._delegate = _library.method_delegate(self._handle)
        self.inputs = self._infos(_library.method_input_count, _library.method_input_info)
        self.outputs = self._infos(_library.method_output_count, _library.method_output_info)
        self._args = (_abi.TensorArg * (len(self.inputs) + len(self.outputs)))()

    def _infos(self, count: Any, get: Any) -> list[TensorInfo]:
        info, infos = _abi.TensorInfo(), []
        for i in range(count(self._handle)):
            self._check(get(self._handle, i, info))
            infos.append(_tensor_info(info))
        return infos

    def _check(self, status: int) -> None:
        _check(status, _library.method_error(self._handle))

    def _check_delegate(self, status: int) -> None:
        _check(status, _library.last_error(self._delegate))

    def __call__(self, *inputs: Any) -> Union[np.ndarray, tuple[np.ndarray, ...]]:
        with self._lock:
            _must_be_open(self)
            if len(inputs) != len(self.inputs):
                raise InvalidArgument(f"{len(inputs)} inputs, expected {len(self.inputs)}")
            args = self._args
            kept = [self._take(i, x) for i, x in enumerate(inputs)]
            outputs = [self._offer(i) for i in range(len(self.outputs))]
            self._check(_library.method_execute(self._handle, args, len(args)))
            results = tuple(self._give(i, flat) for i, flat in enumerate(outputs))
        del kept
        return results[0] if len(results) == 1 else results

    def _take(self, index: int, given: Any) -> np.ndarray:
        x = np.asarray(given)
        if x.dtype not in _DTYPES or not x.dtype.isnative or x.ndim > _abi.MAX_RANK:
            raise InvalidArgument(f"input {index}: an array of {x.ndim} dims of {x.dtype.str}")
        arg, order = self._args[index], self.inputs[index].dim_order
        laid = np.ascontiguousarray(x.transpose(order) if x.ndim == len(order) else x)
        arg.size, arg.dtype, arg.rank = c.sizeof(arg), _DTYPES.index(x.dtype), x.ndim
        arg.dims[: x.ndim] = x.shape
        arg.input, arg.output, arg.capacity = laid.ctypes.data, None, laid.nbytes
        return laid

    def _offer(self, index: int) -> np.ndarray:
        info, arg = self.outputs[index], self._args[len(self.inputs) + index]
        flat = np.empty(int(np.prod(info.shape, dtype=np.int64)), info.dtype)
        arg.size, arg.dtype = c.sizeof(arg), _DTYPES.index(info.dtype)
        arg.input, arg.output, arg.capacity = None, flat.ctypes.data, flat.nbytes
        return flat

    def _give(self, index: int, flat: np.ndarray) -> np.ndarray:
        arg, order = self._args[len(self.inputs) + index], self.outputs[index].dim_order
        dims = arg.dims[: arg.rank]
        laid = flat[: int(np.prod(dims, dtype=np.int64))].reshape([dims[i] for i in order])
        return laid.transpose(np.argsort(order)) if len(order) else laid

    @property
    def device(self) -> dict[str, Any]:
        """The device that it runs on."""
        _must_be_open(self)
        return _device(_library.delegate_device(self._delegate).contents)

    def memory(self) -> dict[str, int]:
        """Bytes, as in vkd_memory_info."""
        _must_be_open(self)
        info = _abi.MemoryInfo()
        _library.memory(self._delegate, info)
        return {name: getattr(info, name) for name, _ in info._fields_ if name != "_more"}

    def profile(self) -> list[dict[str, Any]]:
        """The dispatches of the last call, as in vkd_node_info; times need the option profile."""
        info, nodes = _abi.NodeInfo(), []
        with self._lock:
            _must_be_open(self)
            for i in range(_library.node_count(self._delegate)):
                self._check_delegate(_library.node(self._delegate, i, info))
                nodes.append({
                    "op": info.op.decode(), "op_id": info.op_id, "kernel": info.kernel.decode(),
                    "variant": info.variant.decode(), "shape": info.shape.decode(),
                    "macs": info.macs, "groups": tuple(info.groups),
                    "start_ns": info.start_ns, "gpu_ns": info.gpu_ns,
                    "submission": _library.node_submission(self._delegate, i),
                })
        return nodes

    def gpu_ns(self) -> int:
        """GPU time of the last call; 0 where the device has no time stamps."""
        _must_be_open(self)
        return _library.gpu_ns(self._delegate)

    def state(self) -> list[np.ndarray]:
        """Copies of what the model keeps from one call to the next."""
        info, arrays = _abi.TensorInfo(), []
        with self._lock:
            _must_be_open(self)
            for i in range(_library.state_count(self._delegate)):
                self._check_delegate(_library.state_info(self._delegate, i, info))
                dtype, shape, _ = _tensor_info(info)
                array = np.empty(shape, dtype)
                self._check_delegate(
                    _library.state_read(self._delegate, i, array.ctypes.data, array.nbytes))
                arrays.append(array)
        return arrays

    def reset_state(self) -> None:
        """Makes the state what it was before the first call."""
        with self._lock:
            _must_be_open(self)
            self._check_delegate(_library.state_reset(self._delegate))

    def close(self) -> None:
        """Gives everything back. Again: does nothing."""
        with self._lock:
            self._release()

    def __enter__(self) -> Method:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def load(source: Union[str, os.PathLike, bytes], method: str = "forward", data: Any = (),
         engine: Union[Engine, None] = None, **options: Any) -> Method:
    """A method of a .pte file, given by its path or its bytes, ready to run.

    data: .ptd files with constants, by their paths or bytes."""
    return Program(source, data).load(method, engine, **options)
