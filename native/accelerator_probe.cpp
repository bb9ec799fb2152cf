// What the tch crate does not offer of libtorch: the accelerator's synchronization, memory and graphs, full f32 precision, inference
// mode.
// Device-generic C++, so that it serves MPS and CUDA alike and links libtorch_cpu and libc10 only. On a CPU build it answers that
// there is no accelerator.
//
// The functions returning int give 0, or -1 after writing the reason to `error` (at most `size` bytes, always terminated).
// They belong to the program wanbench-torch alone: build.rs links this file to no other.

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/accelerator/Graph.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <torch/headeronly/version.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>

namespace {

int fail(const char *reason, char *error, size_t size) {
  if (error && size)
    std::snprintf(error, size, "%s", reason);
  return -1;
}

// No exception may cross into Rust.
template <class F> int guarded(char *error, size_t size, F call) {
  try {
    call();
    return 0;
  } catch (const c10::Error &e) {
    return fail(e.what_without_backtrace(), error, size);
  } catch (const std::exception &e) {
    return fail(e.what(), error, size);
  } catch (...) {
    return fail("not a C++ standard exception", error, size);
  }
}

c10::DeviceIndex index_of(int device) { return static_cast<c10::DeviceIndex>(device); }

// A recorded sequence of kernels, and the stream that it is recorded on: the default one cannot be.
struct Graph {
  at::accelerator::Graph graph;
  std::unique_ptr<c10::StreamGuard> stream;
  bool is_recording = false;

  void end() {
    if (is_recording)
      graph.capture_end();
    is_recording = false;
    stream.reset();
  }
};

} // namespace

extern "C" {

// The libtorch that this was compiled against, such as 2.13.0.
const char *wb_torch_version() { return TORCH_VERSION; }

// c10::DeviceType of the accelerator that is present (1 CUDA, 13 MPS), -1 if none is. Never fails: a broken driver is no accelerator.
int wb_accelerator() {
  try {
    const auto type = at::accelerator::getAccelerator(false);
    return type && at::accelerator::deviceCount() > 0 ? static_cast<int>(*type) : -1;
  } catch (...) {
    return -1;
  }
}

// Waits until all work queued on the device is done.
int wb_synchronize(int device, char *error, size_t size) {
  return guarded(error, size, [&] { at::accelerator::synchronizeDevice(index_of(device)); });
}

// Most bytes that tensors held at a time since the last reset.
int wb_peak_bytes(int device, int64_t *bytes, char *error, size_t size) {
  return guarded(error, size, [&] {
    const auto stats = at::accelerator::getDeviceStats(index_of(device));
    *bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}

int wb_reset_peak(int device, char *error, size_t size) {
  return guarded(error, size, [&] { at::accelerator::resetPeakStats(index_of(device)); });
}

// Gives all memory that no tensor holds back to the system.
int wb_empty_cache(char *error, size_t size) {
  return guarded(error, size, [] { at::accelerator::emptyCache(); });
}

// Begins a graph: until it is recorded, operations of this thread go to a stream of its own. Null where it fails.
void *wb_graph_new(int device, char *error, size_t size) {
  Graph *made = nullptr;
  guarded(error, size, [&] {
    at::accelerator::synchronizeDevice(index_of(device));
    auto graph = std::make_unique<Graph>();
    const c10::Device place(at::accelerator::getAccelerator(true).value(), index_of(device));
    const auto stream = c10::impl::VirtualGuardImpl(place.type()).getStreamFromGlobalPool(place);
    graph->stream = std::make_unique<c10::StreamGuard>(stream);
    made = graph.release();
  });
  return made;
}

// From here on operations are recorded in place of being run. What they allocate stays the graph's; unused memory is given back
// before, since a graph cannot use it.
int wb_graph_record(void *graph, int device, char *error, size_t size) {
  return guarded(error, size, [&] {
    at::accelerator::synchronizeDevice(index_of(device));
    at::accelerator::emptyCache();
    auto &it = *static_cast<Graph *>(graph);
    it.graph.capture_begin();
    it.is_recording = true;
  });
}

// The record is complete; operations go to the stream of before.
int wb_graph_end(void *graph, char *error, size_t size) {
  return guarded(error, size, [&] { static_cast<Graph *>(graph)->end(); });
}

// Enqueues all that was recorded.
int wb_graph_replay(void *graph, char *error, size_t size) {
  return guarded(error, size, [&] { static_cast<Graph *>(graph)->graph.replay(); });
}

void wb_graph_free(void *graph) {
  guarded(nullptr, 0, [&] {
    std::unique_ptr<Graph> it(static_cast<Graph *>(graph));
    it->end();
  });
}

// f32 means f32: no TF32 in matrix products or convolutions, which would be measured against a true f32 elsewhere.
int wb_full_precision(char *error, size_t size) {
  return guarded(error, size, [] {
    auto &context = at::globalContext();
    context.setAllowTF32CuBLAS(false);
    context.setAllowTF32CuDNN(false);
  });
}

// No autograd state and no version counters until left. Thread-local: the thread that enters must leave.
void *wb_inference_enter() { return new c10::InferenceMode(true); }
void wb_inference_leave(void *mode) { delete static_cast<c10::InferenceMode *>(mode); }

} // extern "C"
