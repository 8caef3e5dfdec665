// Snapshots as JavaScript sees them: an external value, and a promise for the writing, which runs on a thread of its own.
#include <memory>
#include <mutex>
#include <thread>

#include "bind.h"
#include "snapshot.h"

namespace rae {
namespace {

using Shared = std::shared_ptr<Snapshot>;

Shared& snapshot_of(napi_env env, napi_value value) {
  void* data;
  check(napi_get_value_external(env, value, &data), "a snapshot");
  return *static_cast<Shared*>(data);
}

napi_value make(napi_env env, std::int64_t size) {
  auto* shared = new Shared(std::make_shared<Snapshot>(size));
  napi_value value;
  napi_create_external(env, shared, [](napi_env, void* data, void*) { delete static_cast<Shared*>(data); }, nullptr, &value);
  return value;
}

struct Write {
  Shared snapshot;  // keeps the buffer alive while the thread reads it
  std::string dir;
  std::vector<WriteFile> files;
  WriteFault fault;
  WriteResult result;
  Failure failure;  // code empty where it went well
  napi_deferred deferred = nullptr;
  napi_threadsafe_function settle = nullptr;
};

napi_value get(napi_env env, napi_value object, const char* name) {
  napi_value value;
  napi_get_named_property(env, object, name, &value);
  return value;
}

// [{ name, header: Uint8Array, size, parts: [bufferOffset, fileOffset, size, …] }]
std::vector<WriteFile> files_of(napi_env env, napi_value list) {
  std::vector<WriteFile> files;
  std::uint32_t count;
  check(napi_get_array_length(env, list, &count), "an array of files");
  for (std::uint32_t i = 0; i < count; ++i) {
    napi_value item;
    napi_get_element(env, list, i, &item);
    const Bytes header = Arg<Bytes>::from(env, get(env, item, "header"));
    WriteFile file{Arg<std::string>::from(env, get(env, item, "name")), std::string(static_cast<const char*>(header.data), header.size),
                   Arg<std::int64_t>::from(env, get(env, item, "size")), {}};
    const Doubles numbers = Arg<Doubles>::from(env, get(env, item, "parts"));
    for (std::size_t k = 0; k + 2 < numbers.size(); k += 3)
      file.parts.push_back({static_cast<std::int64_t>(numbers[k]), static_cast<std::int64_t>(numbers[k + 1]), static_cast<std::int64_t>(numbers[k + 2])});
    files.push_back(std::move(file));
  }
  return files;
}

void check_parts(const Snapshot& snapshot, const std::vector<WriteFile>& files) {
  for (const WriteFile& file : files)
    for (const WritePart& part : file.parts)
      if (part.buffer_offset < 0 || part.size < 0 || part.buffer_offset > snapshot.size() - part.size) throw Error(kInvalid, "a part lies outside the snapshot");
}

// On the JavaScript thread, when the writing ended.
void settle(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Write> write(static_cast<Write*>(data));
  if (!env) return;  // the process is ending
  if (!write->failure.code.empty()) {
    napi_reject_deferred(env, write->deferred, error_value(env, "snapshotWrite", write->failure));
  } else {
    napi_value result;
    napi_create_object(env, &result);
    napi_set_named_property(env, result, "fileHashes", to_js(env, std::move(write->result.file_hashes)));
    napi_set_named_property(env, result, "partHashes", to_js(env, std::move(write->result.part_hashes)));
    napi_set_named_property(env, result, "seconds", to_js(env, write->result.seconds));
    napi_resolve_deferred(env, write->deferred, result);
  }
  napi_release_threadsafe_function(write->settle, napi_tsfn_release);
}

napi_value write(napi_env env, napi_value external, const std::string& dir, napi_value files, std::int64_t fault_file, std::int64_t fault_errno) {
  auto job = std::make_unique<Write>();
  job->snapshot = snapshot_of(env, external);
  job->dir = dir;
  job->files = files_of(env, files);
  job->fault = {fault_file, static_cast<int>(fault_errno)};
  check_parts(*job->snapshot, job->files);
  napi_value promise, name = to_js(env, std::string("snapshotWrite"));
  check(napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, settle, &job->settle), "a thread");
  napi_create_promise(env, &job->deferred, &promise);
  std::thread([job = job.release()] {
    try {
      job->result = write_files(job->dir, job->snapshot->data(), job->files, job->fault);
    } catch (...) {
      job->failure = current_failure();
    }
    job->snapshot.reset();
    napi_call_threadsafe_function(job->settle, job, napi_tsfn_blocking);
  }).detach();
  return promise;
}

}  // namespace

void define_snapshot(napi_env env, napi_value exports) {
  define(env, exports, {
    def("snapshot", [](napi_env env, std::int64_t size) { return make(env, size); }),
    def("snapshotCapture", [](napi_env env, napi_value snapshot, const Tensors& tensors, const Ints& offsets) {
      snapshot_of(env, snapshot)->capture(tensors, offsets);
      return snapshot;
    }),
    def("snapshotRestore", [](napi_env env, napi_value snapshot, const Tensors& tensors, const Ints& offsets) {
      snapshot_of(env, snapshot)->restore(tensors, offsets);
      return snapshot;
    }),
    def("snapshotWrite", [](napi_env env, napi_value snapshot, const std::string& dir, napi_value files, std::int64_t fault_file, std::int64_t fault_errno) {
      return write(env, snapshot, dir, files, fault_file, fault_errno);
    }),
  });
}

}  // namespace rae
