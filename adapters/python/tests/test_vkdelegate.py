"""The package as its users have it, on the sample models."""

import gc
import logging
import os
import pathlib
import re
import threading

import numpy as np
import pytest

import vkdelegate

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODELS = ROOT / "models"
TINY = MODELS / "tiny" / "conv3x3_s1p1_c3o5_13x17"
BASIC = MODELS / "tiny" / "basic_c16_12x12"
needs_device = pytest.mark.skipif(not vkdelegate.is_available(), reason="there is no Vulkan device")


def array(path, shape, dtype=np.float32):
    return np.fromfile(path, dtype).reshape(shape)


def is_right(model, folder):
    x = array(folder / "input0.f32", model.inputs[0].shape)
    y = model(x)
    expected = array(folder / "expected-delegate.f32", model.outputs[0].shape)
    return np.abs(y - expected).max() <= 0.02 * np.abs(expected).max()


@needs_device
def test_runs_from_a_path_and_from_bytes():
    for source in (str(TINY / "model.pte"), TINY / "model.pte", (TINY / "model.pte").read_bytes()):
        with vkdelegate.load(source, no_cache=True) as model:
            assert model.inputs[0].dtype == np.float32 and model.inputs[0].shape == (1, 3, 13, 17)
            assert is_right(model, TINY)
            assert model.device["name"]
            memory = model.memory()
            assert memory["constants"] > 0 and memory["io"] > 0


@needs_device
def test_views_lists_and_wider_types():
    model = vkdelegate.load(TINY / "model.pte", no_cache=True)
    x = array(TINY / "input0.f32", (1, 3, 13, 17))
    y = model(x)
    np.testing.assert_array_equal(model(x.astype(np.float64)), y)
    np.testing.assert_array_equal(model(x.tolist()), y)
    np.testing.assert_array_equal(model(np.asfortranarray(x)), y)
    np.testing.assert_array_equal(model(np.repeat(x, 2, axis=3)[..., ::2]), y)


@needs_device
def test_state_and_reset():
    folders = sorted((MODELS / "state").glob("*/meta.json"))
    if not folders:
        pytest.skip("there are no models with state")
    tried = 0
    for meta in folders:
        try:
            model = vkdelegate.load(meta.parent / "model.pte", no_cache=True)
        except vkdelegate.Error:
            continue
        before = model.state()
        if not before:
            continue
        tried += 1
        rng = np.random.default_rng(7)
        inputs = [rng.integers(0, 1, i.shape).astype(i.dtype) if i.dtype.kind in "iu"
                  else rng.standard_normal(i.shape).astype(i.dtype) for i in model.inputs]
        first = model(*inputs)
        model(*inputs)
        model.reset_state()
        for a, b in zip(model.state(), before):
            np.testing.assert_array_equal(a, b)
        again = model(*inputs)
        for a, b in zip(*[(x if isinstance(x, tuple) else (x,)) for x in (first, again)]):
            np.testing.assert_array_equal(a, b)
    assert tried


@needs_device
def test_engine_profile_and_devices():
    with vkdelegate.Engine(no_cache=True) as engine:
        assert engine.device["name"] in [d["name"] for d in vkdelegate.devices()]
        a = vkdelegate.load(TINY / "model.pte", engine=engine, profile=True)
        b = vkdelegate.load(BASIC / "model.pte", engine=engine)
        assert is_right(a, TINY) and is_right(b, BASIC)
        nodes = a.profile()
        assert nodes and all(node["kernel"] and node["shape"] for node in nodes)
        if a.gpu_ns():
            assert sum(node["gpu_ns"] for node in nodes) > 0
            starts = [node["start_ns"] for node in nodes]
            assert starts == sorted(starts)
    for closed in (lambda: a(0), b.profile, lambda: engine.device,
                   lambda: vkdelegate.load(TINY / "model.pte", engine=engine)):
        with pytest.raises(ValueError, match="is closed"):
            closed()


@needs_device
def test_submissions_and_priority():
    folder = MODELS / "resnet50-fashion"
    whole = vkdelegate.load(folder / "model.pte", no_cache=True)
    pieces = vkdelegate.load(folder / "model.pte", no_cache=True, max_submit_ms=1, priority="low")
    x = array(folder / "input0.f32", whole.inputs[0].shape)
    np.testing.assert_array_equal(pieces(x), whole(x))
    assert {node["submission"] for node in whole.profile()} == {0}
    assert max(node["submission"] for node in pieces.profile()) > 0


@needs_device
def test_pixels():
    model = MODELS / "mobilenet_v2-fashion" / "model.pte"
    mean, std = np.array([0.25, 0.5, 0.3]), np.array([0.5, 0.25, 1])
    bytes_ = np.random.default_rng(7).integers(0, 256, (1, 224, 224, 3), np.uint8)
    floats = ((bytes_ / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)
    pixels = vkdelegate.load(model, no_cache=True, pixels=[
        {"channels_last": True, "mean": mean, "std": std}])
    assert pixels.inputs[0].dtype == np.uint8 and pixels.inputs[0].shape == (1, 224, 224, 3)
    expected = vkdelegate.load(model, no_cache=True)(np.ascontiguousarray(floats))
    np.testing.assert_array_equal(pixels(bytes_), expected)
    with pytest.raises(vkdelegate.InvalidArgument, match=r"pixels\[0\].*std"):
        vkdelegate.load(model, no_cache=True, pixels=[{"mean": mean}])
    with pytest.raises(TypeError, match="unknown field 'scale'"):
        vkdelegate.load(model, no_cache=True, pixels=[{"scale": mean}])


@needs_device
def test_threads():
    model = vkdelegate.load(TINY / "model.pte", no_cache=True)
    x = array(TINY / "input0.f32", (1, 3, 13, 17))
    expected, wrong = model(x), []

    def work():
        for _ in range(20):
            if not np.array_equal(model(x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not wrong


def resident():
    """KiB that the process has in memory now."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status)[1])


def growth(call, before, times):
    """KiB that the process is larger after so many calls, the first ones not counted."""
    for _ in range(before):
        call()
    gc.collect()
    start = resident()
    for _ in range(times):
        call()
    gc.collect()
    return resident() - start


@needs_device
def test_calls_do_not_grow():
    model = vkdelegate.load(MODELS / "tiny" / "linear_1x20o7" / "model.pte", no_cache=True)
    x = np.zeros(model.inputs[0].shape, np.float32)
    grown = growth(lambda: model(x), 1000, 10000)
    assert grown < 2048, f"{grown} KiB in 10000 calls"


@needs_device
def test_objects_that_nobody_closes_do_not_grow():
    def leave():
        vkdelegate.load(TINY / "model.pte", engine=engine, no_self_check=True)

    engine = vkdelegate.Engine(no_cache=True)
    files = len(os.listdir("/proc/self/fd"))
    grown = growth(leave, 50, 200)
    assert grown < 2048, f"{grown} KiB in 200 loads"
    assert len(os.listdir("/proc/self/fd")) == files


@needs_device
@pytest.mark.parametrize("value", ["all", "none"])
def test_self_check_by_name(value, caplog):
    with caplog.at_level("DEBUG", logger="vkdelegate"):
        vkdelegate.load(TINY / "model.pte", no_cache=True, self_check=value).close()
    checked = [record for record in caplog.messages if "checked in" in record]
    assert bool(checked) == (value == "all"), caplog.messages


# ------------------------------------------------------------------------------------------ misuse


def raises(kind, text, call, *args, **options):
    with pytest.raises(kind, match=text) as info:
        call(*args, **options)
    assert info.value.status == kind.status


def test_no_such_file_and_no_program(tmp_path):
    raises(vkdelegate.IoError, "none.pte", vkdelegate.load, tmp_path / "none.pte")
    raises(vkdelegate.InvalidModel, "program|bytes", vkdelegate.load, b"no program at all" * 9)
    (tmp_path / "none.ptd").write_bytes(b"no data at all, none" * 9)
    raises(vkdelegate.InvalidModel, "none.ptd|data", vkdelegate.load, TINY / "model.pte",
           data=[tmp_path / "none.ptd"])
    raises(vkdelegate.IoError, "nowhere.ptd", vkdelegate.load, TINY / "model.pte",
           data=tmp_path / "nowhere.ptd")


def test_no_such_method_or_operator():
    raises(vkdelegate.NotFound, "backward", vkdelegate.load, TINY / "model.pte", method="backward")
    data = (TINY / "model.pte").read_bytes()
    name = re.search(rb"et_vk\.q8ta_conv2d[a-z_]*\.default", data)
    odd = data.replace(name[0], b"x" * len(name[0]))
    raises(vkdelegate.Unsupported, "xxxx", vkdelegate.load, odd)


def test_wrong_options():
    with pytest.raises(TypeError, match="no_such_option"):
        vkdelegate.load(TINY / "model.pte", no_such_option=1)
    raises(vkdelegate.InvalidArgument, "select", vkdelegate.load, TINY / "model.pte", select="x")
    raises(vkdelegate.InvalidArgument, "timeout_ms", vkdelegate.load, TINY / "model.pte",
           timeout_ms=-1)
    raises(vkdelegate.InvalidArgument, "priority", vkdelegate.Engine, priority="highest")
    raises(vkdelegate.InvalidArgument, "self_check", vkdelegate.load, TINY / "model.pte", self_check="some")
    raises(vkdelegate.NoDevice, "no such device|no driver|no Vulkan", vkdelegate.Engine, device="no such device")


@needs_device
def test_wrong_inputs():
    model = vkdelegate.load(TINY / "model.pte", no_cache=True)
    x = array(TINY / "input0.f32", (1, 3, 13, 17))
    raises(vkdelegate.InvalidArgument, "0 inputs, expected 1", model)
    raises(vkdelegate.InvalidArgument, "input 0", model, x.astype(np.int32))
    raises(vkdelegate.InvalidArgument, "input 0", model, x[:, :, 1:])
    raises(vkdelegate.InvalidArgument, "input 0", model, x[0])
    raises(vkdelegate.InvalidArgument, "input 0", model, x.astype(complex))
    raises(vkdelegate.InvalidArgument, "input 0", model, x.astype(">f4"))
    assert is_right(model, TINY)


@needs_device
def test_closing():
    program = vkdelegate.Program(TINY / "model.pte")
    assert program.methods == ["forward"]
    model = program.load(no_cache=True)
    program.close()
    for closed in (lambda: model(0), lambda: program.methods, program.load):
        with pytest.raises(ValueError, match="is closed"):
            closed()
    program.close(), model.close()


def test_every_status_has_an_error():
    names = [vkdelegate._library.status_name(n).decode() for n in range(1, 100)]
    assert names[0] == "VKD_INVALID_ARGUMENT" and names[-1] == "unknown status"
    for status, name in enumerate(names[:names.index("unknown status")], 1):
        with pytest.raises(vkdelegate.Error, match="a text") as info:
            vkdelegate._check(status, b"a text")
        assert info.value.status == name and type(info.value) is not vkdelegate.Error


@needs_device
def test_log(caplog):
    with caplog.at_level(logging.DEBUG, "vkdelegate"):
        vkdelegate.load(TINY / "model.pte", cache_dir="/proc/nowhere")
    assert caplog.records


@needs_device
def test_log_has_what_is_listened_to(caplog):
    for level in (logging.INFO, logging.DEBUG):
        caplog.clear()
        with caplog.at_level(level, "vkdelegate"):
            vkdelegate.load(TINY / "model.pte", no_cache=True)
        assert {record.levelno for record in caplog.records} >= {level}
        assert min(record.levelno for record in caplog.records) == level


# ------------------------------------------------------------------------------------- the README


@needs_device
def test_readme(monkeypatch, capsys):
    text = (ROOT / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.S)[1]
    monkeypatch.chdir(ROOT)
    exec(code, {})
    assert capsys.readouterr().out.strip()
