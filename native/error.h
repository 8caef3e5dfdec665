// Every failure that crosses into JavaScript carries a code, so that the caller's response is picked by type and not by text.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace rae {

// The codes of TensorError in src/tensor/errors.ts.
inline constexpr const char* kShape = "shape";
inline constexpr const char* kDtype = "dtype";
inline constexpr const char* kOutOfMemory = "out_of_memory";
inline constexpr const char* kDeviceLost = "device_lost";
inline constexpr const char* kNoDevice = "no_device";
inline constexpr const char* kIo = "io";
inline constexpr const char* kDiskFull = "disk_full";
inline constexpr const char* kNonFinite = "non_finite";
inline constexpr const char* kReleased = "released";
inline constexpr const char* kInvalid = "invalid";

struct Error : std::runtime_error {
  Error(const char* code, const std::string& message, int errnum = 0) : std::runtime_error(message), code(code), errnum(errnum) {}
  const char* code;
  int errnum;                // of the failed system call, 0 where there was none
  std::int64_t needed = -1;  // bytes wanted, where space ran out
};

struct Failure {
  std::string code, message;
  int errnum = 0;
  std::int64_t needed = -1;
};

// What the exception being handled means: our own Error keeps its code, libtorch's are told apart by class and text.
Failure current_failure();

// A failed system call on a file: ENOSPC and EDQUOT are disk_full, all else is io. `what` says what was being done.
Error system_error(const std::string& what, int errnum);

// "ENOSPC" for ENOSPC.
std::string errno_name(int errnum);

}  // namespace rae
