#!/usr/bin/env python3
"""bench_torch.py [--device gpu|cpu] [--runs N] < NETS: the medians of N executions of torchvision's nets by PyTorch, in milliseconds,
one image: for scripts/bench.sh. A line of NETS is what make-net takes, NET TYPE [OPTION...], of which --size counts; for each there is a
line with its time, or with "n/a" and why not. On a GPU from a CUDA graph, channels last, with the copies of the input and the output, in
float16 for nets of f16 and int8; on a CPU as eager mode runs it, in float32. One process for all, as PyTorch takes long to start."""
import argparse
import statistics
import sys
import time

# What make-net calls otherwise.
NAMES = {"vit_b16": "vit_b_16", "deeplabv3": "deeplabv3_mobilenet_v3_large"}


def parse(words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--size", type=int, default=0)
    for name in ("--layers", "--tokens", "--narrow", "--batch"):
        parser.add_argument(name)
    parser.add_argument("net")
    parser.add_argument("type")
    return parser.parse_args(words)


def make(torchvision, name):
    models = torchvision.models
    if name == "deeplabv3":
        return models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
    make_net = getattr(models, NAMES.get(name, name), None)
    if make_net is None:
        raise ValueError(f"{name} is no net of torchvision")
    return make_net(weights=None)


def result(output):
    return output["out"] if isinstance(output, dict) else output


def graph(torch, net, x):
    """A function that copies the input in, replays the net and copies the output out."""
    there, shape = x.cuda(), None
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            shape = result(net(there))
    torch.cuda.synchronize()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        output = result(net(there))
    here = torch.empty_like(shape, device="cpu").pin_memory()
    x = x.pin_memory()

    def run():
        there.copy_(x, non_blocking=True)
        recorded.replay()
        here.copy_(output, non_blocking=True)
        torch.cuda.synchronize()

    return run


def measure(torch, torchvision, device, dtype, runs, name, size):
    net, x = make(torchvision, name).eval(), torch.randn(1, 3, size, size)
    if device == "gpu":
        net = net.to("cuda", dtype, memory_format=torch.channels_last)
        x = x.to(dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        run = graph(torch, net, x) if device == "gpu" else lambda: net(x)
        run()
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
    return f"{statistics.median(times):.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    try:
        import torch
        import torchvision
    except ImportError as error:
        sys.exit(str(error))
    if options.device == "gpu" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    torch.backends.cudnn.benchmark = True
    known = {}
    for line in sys.stdin:
        try:
            net = parse(line.split())
            dtype = torch.float32 if net.type == "f32" else torch.float16
            size = net.size or (256 if net.net == "deeplabv3" else 224)
            key = net.net, size, dtype
            if key not in known:
                known[key] = measure(torch, torchvision, options.device, dtype, options.runs, net.net, size)
            print(known[key], flush=True)
        except Exception as error:  # of whatever kind: the others are measured all the same
            print("n/a", str(error).split("\n")[0], flush=True)


main()
