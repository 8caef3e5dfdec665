#include "error.h"

#include <c10/util/Exception.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <new>

namespace rae {
namespace {

bool has_any(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words)
    if (text.find(word) != std::string::npos) return true;
  return false;
}

// libtorch throws one class for nearly everything; its texts have been stable from 1.13 to 2.14.
const char* code_of(const std::string& text) {
  if (has_any(text, {"not enough memory", "can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED"})) return kOutOfMemory;
  if (has_any(text, {"no NVIDIA driver", "No CUDA GPUs", "invalid device ordinal", "Cannot initialize CUDA", "without CUDA", "not linked with support for cuda",
                     "'CUDA' backend", "no CUDA-capable device", "CUDA driver version is insufficient", "no kernel image is available"}))
    return kNoDevice;
  if (has_any(text, {"CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "unspecified launch failure", "NCCL"})) return kDeviceLost;
  if (has_any(text, {"scalar type", "dtype", "data type", "same type", "not implemented for '", "can't be cast", "result type"})) return kDtype;
  if (has_any(text, {"size", "shape", "dimension", "Dimension", "dim ", "out of range", "channels", "is invalid for input of", "must match", "numel"})) return kShape;
  return kInvalid;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Failure current_failure() {
  try {
    throw;
  } catch (const Error& e) {
    return {e.code, e.what(), e.errnum, e.needed};
  } catch (const c10::IndexError& e) {
    return {kShape, first_line(e.what_without_backtrace())};
  } catch (const c10::OutOfMemoryError& e) {
    return {kOutOfMemory, first_line(e.what_without_backtrace())};
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    return {code_of(text), first_line(text)};
  } catch (const std::bad_alloc&) {
    return {kOutOfMemory, "the host has no memory left"};
  } catch (const std::exception& e) {
    return {code_of(e.what()), first_line(e.what())};
  } catch (...) {
    return {kInvalid, "an exception that is no std::exception"};
  }
}

std::string errno_name(int errnum) {
  const char* name = strerrorname_np(errnum);
  return name ? name : std::to_string(errnum);
}

Error system_error(const std::string& what, int errnum) {
  const bool full = errnum == ENOSPC || errnum == EDQUOT;
  return Error(full ? kDiskFull : kIo, what + ": " + strerror(errnum) + " (" + errno_name(errnum) + ")", errnum);
}

}  // namespace rae
