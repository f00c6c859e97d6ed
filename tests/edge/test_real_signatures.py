"""The stand-ins against the real things, where they are installed: 4 MB, no GPU, no driver.

    pip install --no-deps tensorrt_cu13_bindings nvidia-cuda-runtime

The bindings want TensorRT's own libraries, gigabytes that are on no package index. A library of the same names with a
dozen functions that do nothing lets them be imported and looked at; nothing of them is called.
"""

import ast
import ctypes
import inspect
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fake_tensorrt
import pytest
from fake_cudart import FakeCudart

from mle_uvad.edge import backends
from mle_uvad.edge.backends import cuda

LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers")
FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
    "_ZN11nvuffparser15createUffParserEv",  # 8 only
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)
CLASSES = (
    "Builder",
    "INetworkDefinition",
    "IBuilderConfig",
    "OnnxParser",
    "Runtime",
    "ICudaEngine",
    "IExecutionContext",
)
ENUMERATIONS = ("DataType", "TensorIOMode", "MemoryPoolType", "BuilderFlag")
LOOK = """
import ctypes, inspect, json, sys
for library in sys.argv[2:]:
    ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
import tensorrt_bindings as trt
seen = {}
for name in json.loads(sys.argv[1]):
    seen[name] = {member: getattr(getattr(trt, name), member).__doc__ for member in dir(getattr(trt, name))}
seen["version"] = trt.__version__
seen["severities"] = dir(trt.ILogger.Severity)
seen["log"] = trt.ILogger.log.__doc__
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Docstrings of the real module by class and member; they begin with the signature."""
    if find_spec("tensorrt_bindings") is None:
        pytest.skip("no real bindings: pip install --no-deps tensorrt_cu13_bindings")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler, cc, for libraries that do nothing")
    [distribution] = set(packages_distributions()["tensorrt_bindings"])
    major, folder = version(distribution).split(".")[0], tmp_path_factory.mktemp("nothing")
    (folder / "nothing.c").write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    libraries = [folder / f"lib{name}.so.{major}" for name in LIBRARIES]
    for library in libraries:
        named = f"-Wl,-soname,{library.name}"
        subprocess.run([compiler, "-shared", "-fPIC", named, "-o", library, folder / "nothing.c"], check=True)
    arguments: list[str | Path] = [
        sys.executable,
        "-c",
        LOOK,
        json.dumps([*CLASSES, "ParserError", *ENUMERATIONS]),
        *libraries,
    ]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def can_be_called(text: str, names: list[str]) -> bool:
    """Whether an overload in a pybind docstring takes parameters of these names, and all further ones by default."""
    for match in re.finditer(r"\(self: [\w.]+(.*?)\) -> ", text):
        found = re.findall(r", (\w+): [^,=]+(=?)", match[1])
        if [name for name, _ in found[: len(names)]] == names and all(default for _, default in found[len(names) :]):
            return True
    return False


@pytest.mark.parametrize("name", [*CLASSES, "ParserError"])
def test_every_member_of_the_stand_in_is_there_with_its_parameters(real: Any, name: str) -> None:
    compared = 0
    for member, ours in vars(getattr(fake_tensorrt, name)).items():
        if member.startswith("_") and member != "__init__":
            continue
        if member == "__init__" and name not in ("Builder", "OnnxParser", "Runtime"):  # made by TensorRT, not by us
            continue
        assert member in real[name], f"{name}.{member} is not in TensorRT {real['version']}"
        if inspect.isfunction(ours):
            wanted = list(inspect.signature(ours).parameters)[1:]
            assert can_be_called(real[name][member], wanted), f"{name}.{member}: {real[name][member][:200]}"
            compared += 1
    assert compared or name in ("INetworkDefinition", "IBuilderConfig"), name


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_every_word_of_the_stand_in_is_there(real: Any, name: str) -> None:
    words = [word.name for word in getattr(fake_tensorrt, name)]
    assert set(words) <= set(real[name])


def test_the_logger_is_as_we_subclass_it(real: Any) -> None:
    assert {word.name for word in fake_tensorrt.ILogger.Severity} <= set(real["severities"])
    assert can_be_called(real["log"], list(inspect.signature(fake_tensorrt.ILogger.log).parameters)[1:])


def test_our_code_uses_nothing_of_tensorrt_that_the_stand_in_lacks() -> None:
    used = set()
    for file in ("trt.py", "trt_engine.py"):
        tree = ast.parse((Path(backends.__file__).parent / file).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trt":
                used.add(node.attr)
    assert {"Builder", "Runtime", "OnnxParser"} <= used
    module = fake_tensorrt.Machine(FakeCudart()).module()
    assert all(hasattr(module, name) for name in used), used


def cuda_runtime(name: str) -> Path:
    spec = find_spec("nvidia")
    cells = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for cell in cells for path in Path(cell).rglob(name)]
    if not found:
        pytest.skip("no CUDA runtime: pip install nvidia-cuda-runtime")
    return found[0]


def test_the_calls_are_declared_as_in_the_header() -> None:
    header = re.sub(r"/\*.*?\*/", "", cuda_runtime("cuda_runtime_api.h").read_text(errors="replace"), flags=re.DOTALL)
    for name, ours in cuda.SIGNATURES.items():
        match = re.search(rf"(cudaError_t|char\*?) +\*?CUDARTAPI +{name}\(([^;]*?)\);", header)
        assert match is not None, name
        declared = [re.sub(r" *__dv\(.*?\)", "", part).strip() for part in match[2].replace("__dv(0)", "").split(",")]
        assert [as_ctypes(part) for part in declared] == list(ours), f"{name}({match[2]})"


def as_ctypes(declared: str) -> Any:
    """`const void *src` to c_void_p and so on, from a parameter as it stands in the header."""
    kind = re.sub(r"\w+$", "", declared).replace("const ", "").replace(" ", "")
    table: dict[str, Any] = {
        "void*": ctypes.c_void_p,
        "cudaStream_t": ctypes.c_void_p,
        "void**": ctypes.POINTER(ctypes.c_void_p),
        "cudaStream_t*": ctypes.POINTER(ctypes.c_void_p),
        "int*": ctypes.POINTER(ctypes.c_int),
        "size_t": ctypes.c_size_t,
        "unsignedint": ctypes.c_uint,
        "int": ctypes.c_int,
    }
    return ctypes.c_int if kind.startswith("enum") or kind == "cudaError_t" else table[kind]


def test_the_real_runtime_without_a_gpu_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ctypes.CDLL(str(cuda_runtime("libcudart.so*")))
    count = ctypes.c_int()
    if library.cudaGetDeviceCount(ctypes.byref(count)) == 0 and count.value:
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(cuda, "open_library", lambda: library)
    with pytest.raises(cuda.InputError, match=r"no GPU can be used \(cudaGetDeviceCount: .*CUDA error \d+\)"):
        cuda.Cuda()
