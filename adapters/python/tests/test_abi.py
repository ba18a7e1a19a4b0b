"""The ctypes structs are those of the header."""

import ctypes as c
import pathlib
import shutil
import subprocess

import pytest

from vkdelegate import _abi

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_sizes_and_offsets(tmp_path):
    lines = ["#include <stdio.h>", "#include <vkdelegate.h>", "int main(void) {"]
    expected = []
    for name, kind in _abi.STRUCTS.items():
        fields = [field for field, *_ in kind._fields_ if field != "_more"]
        for field in fields:
            lines.append(f'printf("%zu %zu\\n", offsetof({name}, {field}), '
                         f"sizeof((({name} *)0)->{field}));")
            member = getattr(kind, field)
            expected.append(f"{member.offset} {member.size}")
        if name == "vkd_device_info":  # in arrays, and without its size
            lines.append(f'printf("%zu\\n", sizeof({name}));')
            expected.append(str(c.sizeof(kind)))
        if name in ("vkd_options", "vkd_pixels", "vkd_tensor_arg"):  # which say how much of them we know
            lines.append(f'printf("%d\\n", sizeof({name}) >= {c.sizeof(kind)});')
            expected.append("1")
        if "_more" in dict(kind._fields_):  # room for all that the library writes
            lines.append(f'printf("%d\\n", sizeof({name}) <= {c.sizeof(kind)});')
            expected.append("1")
    source = tmp_path / "abi.c"
    source.write_text("\n".join(lines) + "\nreturn 0; }\n")
    subprocess.run(["cc", f"-I{ROOT}/include", source, "-o", tmp_path / "abi"], check=True)
    result = subprocess.run([tmp_path / "abi"], check=True, capture_output=True, text=True)
    assert result.stdout.split("\n")[:-1] == expected
