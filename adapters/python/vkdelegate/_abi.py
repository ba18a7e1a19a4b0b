"""The structs and the table of functions of include/vkdelegate.h, ABI 3, by ctypes.

tests/test_abi.py holds sizes and offsets against the header.
"""

from __future__ import annotations

import ctypes as c
import os
import pathlib

ABI = 3
MAX_RANK = 8

LogFn = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_char_p)


class Options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("log", LogFn),
        ("log_user", c.c_void_p),
        ("log_level", c.c_int),
        ("error", c.c_char_p),
        ("error_size", c.c_size_t),
        ("allocator", c.c_void_p),
        ("device", c.c_char_p),
        ("vulkan", c.c_void_p),
        ("validate", c.c_bool),
        ("timeout_ms", c.c_uint32),
        ("cache_dir", c.c_char_p),
        ("no_cache", c.c_bool),
        ("variant", c.c_char_p),
        ("int8_dot", c.c_int),
        ("no_rewrites", c.c_bool),
        ("keep_intermediates", c.c_bool),
        ("profile", c.c_bool),
        ("select", c.c_int),
        ("measure_budget_ms", c.c_uint32),
        ("no_self_check", c.c_bool),
        ("skip_rewrites", c.c_uint32),
        ("in_flight", c.c_uint32),
        ("engine", c.c_void_p),
        ("max_plans", c.c_uint32),
        ("memory_on_demand", c.c_bool),
        ("max_submit_ms", c.c_uint32),
        ("priority", c.c_int),
        ("self_check", c.c_int),
        ("pixels", c.c_void_p),
        ("pixel_count", c.c_size_t),
    ]


class Pixels(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("input", c.c_size_t),
        ("channels_last", c.c_bool),
        ("mean", c.c_double * 4),
        ("std", c.c_double * 4),
    ]


class TensorArg(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("dtype", c.c_int),
        ("rank", c.c_uint32),
        ("dims", c.c_int64 * MAX_RANK),
        ("input", c.c_void_p),
        ("output", c.c_void_p),
        ("capacity", c.c_size_t),
    ]


# What the library fills in. A newer one may have more to say: there is room behind.
_MORE = ("_more", c.c_uint64 * 32)


class TensorInfo(c.Structure):
    _fields_ = [
        ("dtype", c.c_int),
        ("rank", c.c_uint32),
        ("dims", c.c_int64 * MAX_RANK),
        ("size", c.c_size_t),
        ("dim_order", c.c_uint8 * MAX_RANK),
        _MORE,
    ]


class DeviceInfo(c.Structure):
    # Without room behind: the library fills arrays of these.
    _fields_ = [
        ("name", c.c_char * 256),
        ("type", c.c_char_p),
        ("vendor_id", c.c_uint32),
        ("device_id", c.c_uint32),
        ("api_version", c.c_uint32),
        ("driver_version", c.c_uint32),
        ("int8_dot", c.c_int),
    ]


class MemoryInfo(c.Structure):
    _fields_ = [
        ("constants", c.c_uint64),
        ("scratch", c.c_uint64),
        ("scratch_unaliased", c.c_uint64),
        ("io", c.c_uint64),
        ("host", c.c_uint64),
        ("host_peak", c.c_uint64),
        ("constants_shared", c.c_uint64),
        _MORE,
    ]


class NodeInfo(c.Structure):
    _fields_ = [
        ("op", c.c_char_p),
        ("op_id", c.c_uint32),
        ("kernel", c.c_char_p),
        ("variant", c.c_char_p),
        ("shape", c.c_char_p),
        ("macs", c.c_uint64),
        ("groups", c.c_uint32 * 3),
        ("start_ns", c.c_uint64),
        ("gpu_ns", c.c_uint64),
        _MORE,
    ]


_V, _S, _N, _U64 = c.c_void_p, c.c_char_p, c.c_size_t, c.POINTER(c.c_uint64)
_OPT, _OUT, _ARGS = c.POINTER(Options), c.POINTER(c.c_void_p), c.POINTER(TensorArg)
_INFO = c.POINTER(TensorInfo)

# Name, result, parameters, in the order of vkd_backend_table. None: not used here.
_FUNCTIONS: list = [
    ("version", c.c_uint32, []),
    ("status_name", _S, [c.c_int]),
    ("dtype_name", _S, [c.c_int]),
    ("dtype_size", _N, [c.c_int]),
    ("is_available", c.c_bool, []),
    ("list_devices", c.c_int, [_OPT, c.POINTER(DeviceInfo), c.c_uint32, c.POINTER(c.c_uint32)]),
    ("engine_create", c.c_int, [_OPT, _OUT]),
    ("engine_destroy", None, [_V]),
    ("engine_device", c.POINTER(DeviceInfo), [_V]),
    ("init", None, None),
    ("needs_constants", None, None),
    ("execute", None, None),
    ("submit", None, None),
    ("wait", None, None),
    ("state_count", _N, [_V]),
    ("state_info", c.c_int, [_V, _N, _INFO]),
    ("state_read", c.c_int, [_V, _N, _V, _N]),
    ("state_reset", c.c_int, [_V]),
    ("destroy", None, None),
    ("last_error", _S, [_V]),
    ("input_count", None, None),
    ("output_count", None, None),
    ("input_info", None, None),
    ("output_info", None, None),
    ("delegate_device", c.POINTER(DeviceInfo), [_V]),
    ("memory", None, [_V, c.POINTER(MemoryInfo)]),
    ("node_count", _N, [_V]),
    ("node", c.c_int, [_V, _N, c.POINTER(NodeInfo)]),
    ("gpu_ns", c.c_uint64, [_V]),
    ("selection_count", None, None),
    ("selection", None, None),
    ("read_value", None, None),
    ("program_open", c.c_int, [_S, _OPT, _OUT]),
    ("program_open_bytes", c.c_int, [_V, _N, _OPT, _OUT]),
    ("program_close", None, [_V]),
    ("program_error", _S, [_V]),
    ("program_method_count", _N, [_V]),
    ("program_method_name", _S, [_V, _N]),
    ("method_load", c.c_int, [_V, _S, _OPT, _OUT]),
    ("method_unload", None, [_V]),
    ("method_error", _S, [_V]),
    ("method_delegate", _V, [_V]),
    ("method_input_count", _N, [_V]),
    ("method_output_count", _N, [_V]),
    ("method_input_info", c.c_int, [_V, _N, _INFO]),
    ("method_output_info", c.c_int, [_V, _N, _INFO]),
    ("method_execute", c.c_int, [_V, _ARGS, _N]),
    ("method_submit", None, None),
    ("method_wait", None, None),
    ("program_add_data", c.c_int, [_V, _S]),
    ("program_add_data_bytes", c.c_int, [_V, _V, _N]),
    ("operand", None, None),
    ("node_submission", c.c_uint32, [_V, _N]),
    ("node_check", None, None),
    ("memory_import", None, None),
    ("memory_release", None, None),
]


class BackendTable(c.Structure):
    _fields_ = [("abi_version", c.c_uint32), ("table_size", c.c_uint32), ("id", c.c_char_p)] + [
        (name, c.c_void_p if arguments is None else c.CFUNCTYPE(result, *arguments))
        for name, result, arguments in _FUNCTIONS
    ]


# The C struct that each class is.
STRUCTS = {
    "vkd_options": Options,
    "vkd_pixels": Pixels,
    "vkd_tensor_arg": TensorArg,
    "vkd_tensor_info": TensorInfo,
    "vkd_device_info": DeviceInfo,
    "vkd_memory_info": MemoryInfo,
    "vkd_node_info": NodeInfo,
    "vkd_backend_table": BackendTable,
}


def _candidates() -> list[str]:
    """Where the library may be: $VKD_LIBRARY, a build of the checkout, the system."""
    named = os.environ.get("VKD_LIBRARY")
    if named:
        return [named]
    build = pathlib.Path(__file__).resolve().parents[3] / "build" / "libvkdelegate.so"
    return ([str(build)] if build.exists() else []) + ["libvkdelegate.so.0", "libvkdelegate.so"]


def open_library() -> BackendTable:
    """The library's table of functions. Raises ImportError where there is none of this ABI."""
    reasons = []
    for path in _candidates():
        try:
            table = BackendTable.in_dll(c.CDLL(path), "vkd_backend")
        except (OSError, ValueError) as error:
            reasons.append(str(error))
            continue
        if table.abi_version != ABI or table.table_size < c.sizeof(BackendTable):
            raise ImportError(f"{path}: ABI {table.abi_version}, expected {ABI}")
        return table
    raise ImportError("libvkdelegate was not found ($VKD_LIBRARY names it): " + "; ".join(reasons))
