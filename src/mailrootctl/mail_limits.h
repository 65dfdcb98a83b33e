// Every limit of import-mail, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"

namespace mailroot::ctl {

inline constexpr size_t kMailFilesMax = 1'000'000;      // in one folder, and in the ledger
inline constexpr uint64_t kMailFileSizeMax = 4 * kGiB;  // larger ones are left alone
inline constexpr uint64_t kLedgerSizeMax = 2 * kGiB;    // bytes
inline constexpr size_t kCopyWindow = 256 * 1024;       // bytes of a file in memory
inline constexpr size_t kBatchFiles = 64;               // copied before the ledger is synced
inline constexpr size_t kTargetNameMax = 200;           // bytes; room for what is put around it
inline constexpr size_t kTargetNumbersMax = 10'000;     // x.eml, x-1.eml, x-2.eml ...

}  // namespace mailroot::ctl
