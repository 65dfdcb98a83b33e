// Every limit of the import module, by name. What may become of a metabase is bounded further by
// the limits of the configuration (config/limits.h): a file beyond them would be refused there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"

namespace mailroot::import {

inline constexpr uint64_t kMetabaseSizeMax = 128 * kMiB;  // of the file, before it is read
inline constexpr size_t kTagsMax = 4'000'000;             // '<' in it; each element costs memory
inline constexpr size_t kAttributesMax = 8'000'000;       // '=' in it
inline constexpr size_t kDepthMax = 16;                   // nesting of elements; a metabase has 4
inline constexpr size_t kLocationMax = 1'024;             // bytes of a key's path
inline constexpr size_t kPropertiesMax = 2'000;           // of one key, Custom ones included
inline constexpr size_t kServersMax = 10'000;             // virtual servers in one metabase
inline constexpr size_t kIpListEntriesMax = 100'000;      // addresses in one IPSECLIST
inline constexpr size_t kShownMax = 120;                  // bytes of a value in report or comment
inline constexpr size_t kIdMax = 48;                      // bytes of a file's stem made from a name
inline constexpr size_t kRemarksMax = 5'000;              // on subkeys of no use; more are counted
inline constexpr size_t kReasonTextMax = 64 * 1024;       // bytes taken from a BDR or BDP file
inline constexpr size_t kReasonRunsMax = 200;             // runs of printable text from a BDP file

}  // namespace mailroot::import
