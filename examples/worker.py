#!/usr/bin/env python3
"""A wanbench worker in Python's standard library: a place to start from.

It speaks protocol 3 of docs/protocol.md, which also shows how config.toml names a worker. It computes no network: a "step"
blurs the latent once, enough to see a case measured. Put your framework where `weights_bytes` and `velocity` are.
"""

import glob, hashlib, json, os, pathlib, platform, resource, struct, sys, time


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
    """Loads, warms up, times each step, writes the final latent and tells its digest."""
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
        sys.stdin.readline() or sys.exit(3)  # a turn; where there is none, wanbench is gone
        start = time.perf_counter()
        change = velocity(latent)
        seconds = time.perf_counter() - start
        latent = [x + (following - sigma) * v for x, v in zip(latent, change)]
        send("step", index=index, seconds=seconds)

    data = struct.pack(f"<{len(latent)}f", *latent)
    if job["output"]:
        write_output(job["output"], data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    send("done", framework_peak_bytes=None, process_peak_bytes=peak,
         output={"sha256": hashlib.sha256(data).hexdigest(), "elements": len(latent),
                 "norm": sum(x * x for x in latent) ** 0.5})


def velocity(latent):
    """Stands for the network: the mean of each value's neighbours."""
    return [(a + b) / 2 for a, b in zip(latent[1:] + latent[:1], latent[-1:] + latent[:-1])]


def weights_bytes(checkpoint):
    """Bytes of all tensors in the folder's safetensors files."""
    return sum(os.path.getsize(path) - read_header(path)[1] for path in glob.glob(f"{checkpoint}/*.safetensors"))


def read_header(path):
    """A safetensors file's tensors, and where their data begins."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length)), 8 + length


def read_tensor(path, name):
    """One f32 tensor as a flat list."""
    tensors, data = read_header(path)
    start, end = tensors[name]["data_offsets"]
    return list(struct.unpack_from(f"<{(end - start) // 4}f", pathlib.Path(path).read_bytes(), data + start))


def write_output(path, data):
    """A safetensors file of one f32 tensor, `output`."""
    tensor = {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [0, len(data)]}
    header = json.dumps({"output": tensor}).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(header)) + header + data)


def send(event, **fields):
    print(json.dumps({"type": event, **fields}), file=wire, flush=True)


def fail(kind, message):
    send("failed", kind=kind, message=message)
    sys.exit(3)


if __name__ == "__main__":
    main()
