#!/usr/bin/env python3
"""A wanbench worker in Python's standard library: a place to start from.

It speaks protocol 3 of docs/protocol.md and computes no network: a "step" blurs the latent once, which is enough to
see a case measured. Put your framework where `weights_bytes` and `velocity` are. In config.toml:

    [backends.example]
    command = ["python3", "examples/worker.py"]
"""

import hashlib, json, os, platform, resource, struct, sys, time


def main():
    # Libraries that print to standard output would corrupt the protocol: keep it, and send them to standard error.
    global wire
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.readline())
    if request["protocol"] != 3 or request["type"] not in ("probe", "measure") or request.get("second"):
        fail("unsupported", "this worker measures steps by protocol 3 and computes no network")
    if "gpu" in (request.get("device"), request.get("job", {}).get("device")):
        fail("unsupported", "this worker runs on the CPU only: use --device cpu")
    send("ready", protocol=3, worker="example", device={"kind": "cpu", "name": "cpu"},
         versions={"python": platform.python_version()})
    if request["type"] == "measure":
        measure(request["job"], request["sigmas"], request["warmup_steps"])


def measure(job, sigmas, warmup_steps):
    """Loads, warms up, times each step, tells the final latent's digest."""
    start = time.perf_counter()
    if job["quant"] != "none" or job["dtype"] != "f32":
        fail("unsupported", f"this worker has no {job['quant']} in {job['dtype']}")
    model_bytes = weights_bytes(job["checkpoint"])
    latent = read_tensor(job["inputs"], "x")
    send("loaded", model_bytes=model_bytes, seconds=time.perf_counter() - start)

    start = time.perf_counter()
    for _ in range(warmup_steps):
        velocity(latent)
    send("warmed", seconds=time.perf_counter() - start)

    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:])):
        if not sys.stdin.readline():  # a turn; where there is none, wanbench is gone
            sys.exit(3)
        start = time.perf_counter()
        change = velocity(latent)
        seconds = time.perf_counter() - start
        latent = [x + (following - sigma) * v for x, v in zip(latent, change)]
        send("step", index=index, seconds=seconds)

    data = struct.pack(f"<{len(latent)}f", *latent)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    send("done", framework_peak_bytes=None, process_peak_bytes=peak,
         output={"sha256": hashlib.sha256(data).hexdigest(), "elements": len(latent),
                 "norm": sum(x * x for x in latent) ** 0.5})


def velocity(latent):
    """Stands for the network: the mean of each value's neighbours."""
    return [(a + b) / 2 for a, b in zip(latent[1:] + latent[:1], latent[-1:] + latent[:-1])]


def weights_bytes(checkpoint):
    """Bytes of all tensors in the folder's safetensors files."""
    files = [name for name in os.listdir(checkpoint) if name.endswith(".safetensors")]
    tensors = [tensor for name in files for tensor in read_header(os.path.join(checkpoint, name))[0].values()]
    return sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for tensor in tensors)


def read_header(path):
    """A safetensors file's tensors, and where their data begins."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}, 8 + length


def read_tensor(path, name):
    """One f32 tensor as a flat list."""
    header, data = read_header(path)
    start, end = header[name]["data_offsets"]
    with open(path, "rb") as file:
        return list(struct.unpack(f"<{(end - start) // 4}f", file.read()[data + start:data + end]))


def send(kind, **fields):
    print(json.dumps({"type": kind, **fields}), file=wire, flush=True)


def fail(kind, message):
    send("failed", kind=kind, message=message)
    sys.exit(3)


if __name__ == "__main__":
    main()
